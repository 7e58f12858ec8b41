#!/usr/bin/env bash
# Fetches the real kernel that tests boot, without installing it: kernel and modules from Debian's package, an
# uncompressed kernel that boots through PVH in seconds, and an initial file system with busybox and fio.
# Leaves them in the folder that IOVA_QEMU_CACHE names, /tmp/iova-qemu without it. What is there already is kept.
set -euo pipefail
cache=${IOVA_QEMU_CACHE:-/tmp/iova-qemu}
package=${1:-linux-image-cloud-amd64}
here=$(cd "$(dirname "$0")" && pwd)
if [ -f "$cache/vmlinux" ] && [ -f "$cache/initrd" ] && [ "$cache/initrd" -nt "$here/init" ]; then exit 0; fi
for tool in cpio lz4 busybox dpkg-deb apt-get; do
  command -v "$tool" >/dev/null || { echo "setup.sh needs $tool" >&2; exit 1; }
done
mkdir -p "$cache"
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# The meta package names the real one. A fresh system may not have the list of packages yet.
apt-cache show "$package" >/dev/null 2>&1 || apt-get update -qq
real=$(apt-cache depends "$package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
apt-get download -qq "$real" 2>/dev/null
dpkg-deb -x ./*.deb tree
boot=$(ls tree/boot/vmlinuz-*)
modules=$(ls -d tree/lib/modules/*)

# The kernel proper is compressed inside the boot image, whose header says where (Documentation/arch/x86/boot.rst).
number() { od -An -tu"$2" -j"$1" -N"$2" "$boot" | tr -d ' '; }
start=$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4)))
size=$(($(number 0x24c 4) - 4)) # the last word is its size
tail -c "+$((start + 1))" "$boot" | head -c "$size" >payload || true
case $(head -c 4 payload | od -An -tx1 | tr -d ' ') in
  02214c18) lz4 -dcq payload >vmlinux ;;
  fd377a58) xz -dcq payload >vmlinux ;;
  28b52ffd) zstd -dcq payload >vmlinux ;;
esac
[ "$(head -c 4 vmlinux | od -An -tx1 | tr -d ' ')" = 7f454c46 ] || { echo "no kernel in $boot" >&2; exit 1; }

root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,lib/modules,etc}
cp "$(command -v busybox)" "$root/bin/busybox"
# With what it depends on, in the order in which it can be inserted.
: >"$root/lib/modules/order"
add() {
  local path
  path=$(find "$modules" -name "$1.ko*" | head -n 1)
  [ -n "$path" ] || return 0
  local file
  file=$(basename "$path")
  [ -e "$root/lib/modules/$file" ] && return 0
  local needed
  for needed in $(modinfo -F depends "$path" | tr ',' ' '); do add "$needed"; done
  cp "$path" "$root/lib/modules/"
  echo "$file" >>"$root/lib/modules/order"
}
for module in virtio_pci virtio_blk virtio_net crc32c_generic libcrc32c ext4; do add "$module"; done

# Programs with the libraries that they are linked with, below a folder.
program() {
  local path library
  path=$(command -v "$2" || true)
  [ -n "$path" ] || return 0
  mkdir -p "$1/bin"
  cp "$path" "$1/bin/"
  for library in $(ldd "$path" | grep -o '/[^ ]*'); do
    mkdir -p "$1$(dirname "$library")"
    cp -nL "$library" "$1$library"
  done
}
pack() { (cd "$1" && find . | cpio -o -H newc --quiet) | gzip -1; }
export PATH="$PATH:/usr/sbin:/sbin"
program "$root" mkfs.ext4
program "$root" e2fsck
install -m 755 "$here/init" "$root/init"
pack "$root" >initrd
# fio is linked with half a distribution: only guests that use it carry it. Archives can be put one after the other.
mkdir fio
program fio fio
pack fio | cat initrd - >initrd-fio

mv vmlinux initrd initrd-fio "$cache/"
echo "$real" >"$cache/kernel"

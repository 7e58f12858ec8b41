#!/usr/bin/env bash
# Fetches the real kernels that tests boot, without installing anything: kernel and modules from Debian's packages, and an
# initial file system with busybox; for amd64 also an uncompressed kernel that boots through PVH in seconds, and fio.
# Usage: setup.sh [amd64|ppc64el|arm64]. Leaves them in the folder that IOVA_QEMU_CACHE names, /tmp/iova-qemu without it. What is
# there already is kept.
set -euo pipefail
arch=${1:-amd64}
cache=${IOVA_QEMU_CACHE:-/tmp/iova-qemu}
here=$(cd "$(dirname "$0")" && pwd)
case $arch in
  amd64) package=linux-image-cloud-amd64 ;;
  ppc64el) package=linux-image-powerpc64le cache=$cache/ppc64el ;;
  arm64) package=linux-image-arm64 cache=$cache/arm64 ;;
  *) echo "setup.sh knows amd64, ppc64el and arm64, not $arch" >&2 && exit 1 ;;
esac
if [ -f "$cache/vmlinux" ] && [ -f "$cache/initrd" ] && [ "$cache/initrd" -nt "$here/init" ]; then exit 0; fi
for tool in cpio lz4 busybox modinfo dpkg-deb apt-get; do
  command -v "$tool" >/dev/null || { echo "setup.sh needs $tool" >&2; exit 1; }
done
mkdir -p "$cache"
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

options=()
if [ "$arch" != "$(dpkg --print-architecture)" ]; then
  # Package lists of another architecture, beside the system's own.
  mkdir -p lists/partial archives/partial
  : >status
  options=(-o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "Dir::State::lists=$work/lists"
    -o "Dir::State::status=$work/status" -o "Dir::Cache=$work")
  apt-get "${options[@]}" update -qq 2>/dev/null || true # one list that cannot be had need not matter
elif ! apt-cache show "$package" >/dev/null 2>&1; then
  apt-get update -qq
fi
# The meta package names the real one.
real=$(apt-cache "${options[@]}" depends "$package" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
apt-get "${options[@]}" download -qq "$real" 2>/dev/null
dpkg-deb -x linux-image*.deb tree
modules=$(ls -d tree/lib/modules/*)

# On amd64 the kernel proper is compressed inside the boot image, whose header says where (Documentation/arch/x86/boot.rst).
unpack() {
  local boot=$1 start size
  number() { od -An -tu"$2" -j"$1" -N"$2" "$boot" | tr -d ' '; }
  start=$((($(number 0x1f1 1) + 1) * 512 + $(number 0x248 4)))
  size=$(($(number 0x24c 4) - 4)) # the last word is its size
  tail -c "+$((start + 1))" "$boot" | head -c "$size" >payload || true
  case $(head -c 4 payload | od -An -tx1 | tr -d ' ') in
    02214c18) lz4 -dcq payload ;;
    fd377a58) xz -dcq payload ;;
    28b52ffd) zstd -dcq payload ;;
  esac
}
case $arch in
  amd64) unpack "$(ls tree/boot/vmlinuz-*)" >vmlinux ;;
  ppc64el) mv tree/boot/vmlinux-* vmlinux ;;
  arm64) mv tree/boot/vmlinuz-* vmlinux ;; # an Image, which is also a program of UEFI's
esac
case $(head -c 4 vmlinux | od -An -tx1 | tr -d ' ') in
  7f454c46 | 4d5a*) ;;
  *) echo "no kernel in $real" >&2 && exit 1 ;;
esac

root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,lib/modules,etc}
if [ "$arch" = amd64 ]; then
  cp "$(command -v busybox)" "$root/bin/busybox"
else
  apt-get "${options[@]}" download -qq busybox-static 2>/dev/null
  dpkg-deb -x busybox-static*.deb userland
  cp userland/bin/busybox "$root/bin/busybox"
fi
# With what it depends on, in the order in which it can be inserted.
: >"$root/lib/modules/order"
add() {
  local path file needed
  path=$(find "$modules" -name "$1.ko*" | head -n 1)
  [ -n "$path" ] || return 0
  file=$(basename "$path")
  [ -e "$root/lib/modules/$file" ] && return 0
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
install -m 755 "$here/init" "$root/init"
if [ "$arch" = amd64 ]; then
  program "$root" mkfs.ext4
  program "$root" e2fsck
  # fio is linked with half a distribution: only guests that use it carry it. Archives can be put one after the other.
  mkdir fio
  program fio fio
  pack "$root" >initrd
  pack fio | cat initrd - >initrd-fio
  mv initrd-fio "$cache/"
else
  pack "$root" >initrd
fi
mv vmlinux initrd "$cache/"
echo "$real" >"$cache/kernel"

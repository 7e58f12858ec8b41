#!/usr/bin/env bash
# Debian 13's libblkio and QEMU, unpacked and not installed: a front-end in C that needs no virtual machine. Leaves
# iova/qemu-io.sh, iova/qemu-storage-daemon.sh and iova/blkio-bench.sh in the folder that IOVA_LIBBLKIO names, /tmp/iova-libblkio without
# it. Needs root and debootstrap, and takes some minutes. What is there already is kept.
set -euo pipefail
root=${IOVA_LIBBLKIO:-/tmp/iova-libblkio}
if [ -x "$root/iova/blkio-bench.sh" ]; then exit 0; fi
packages=qemu-utils,qemu-block-extra,libblkio-dev,gcc,libc6-dev
[ -d "$root/usr/lib/x86_64-linux-gnu/qemu" ] || debootstrap --variant=minbase --include=$packages trixie "$root"
cp "$root"/usr/share/doc/libblkio-dev/examples/blkio-bench.c "$root/tmp/"
chroot "$root" gcc -O2 -o /usr/local/bin/blkio-bench /tmp/blkio-bench.c -lblkio
libraries=$root/usr/lib/x86_64-linux-gnu
wrap() { # name, program: runs it with its own libraries
  printf '#!/bin/sh\nQEMU_MODULE_DIR=%s/qemu exec %s/lib64/ld-linux-x86-64.so.2 --library-path %s %s "$@"\n' \
    "$libraries" "$root" "$libraries" "$root/$2" >"$root/usr/local/bin/$1.sh"
  chmod +x "$root/usr/local/bin/$1.sh"
}
wrap qemu-io usr/bin/qemu-io
wrap qemu-storage-daemon usr/bin/qemu-storage-daemon
wrap blkio-bench usr/local/bin/blkio-bench
# In place last, whole: what is there is ready.
mkdir -p "$root/iova"
mv "$root"/usr/local/bin/*.sh "$root/iova/"

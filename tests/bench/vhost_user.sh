#!/usr/bin/env bash
# Our `serve` beside qemu-storage-daemon, in one run: 4 KiB over libblkio on copies of one image, client and server each
# pinned to a processor of its own. Prints operations a second, mean latency and processor time of a request, and what we
# need or reach of the other's. Usage: tests/bench/vhost_user.sh [seconds of a measurement] [rounds]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-2}
rounds=${2:-3}
tools=${IOVA_LIBBLKIO:-/tmp/iova-libblkio}/iova
[ -x "$tools/blkio-bench.sh" ] || { echo "run tests/qemu/setup_libblkio.sh first" >&2; exit 1; }
deno=${DENO:-$(command -v deno)}
work=$(mktemp -d /tmp/iova-bench.XXXXXX)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
head -c 256M /dev/urandom >"$work/iova.img"
for name in polling threads io_uring; do cp "$work/iova.img" "$work/$name.img"; done

declare -A pid
ours() { # name, options
  local name=$1
  shift
  cat >"$work/$name.json" <<JSON
{ "memory": "1MiB", "platform": "direct", "devices": [{ "id": "disk", "use": "virtio-blk", "with": { "image": "$work/$name.img" } }] }
JSON
  taskset -c 1 "$deno" run --allow-read --allow-write=/tmp --allow-ffi mod.ts serve "$work/$name.json" --device disk \
    --socket "$work/$name.sock" --quiet "$@" &
  pid[$name]=$!
  servers+=($!)
}
theirs() { # aio
  taskset -c 1 "$tools/qemu-storage-daemon.sh" --blockdev "driver=file,node-name=f,filename=$work/$1.img,aio=$1" \
    --export "type=vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path=$work/$1.sock" &
  pid[$1]=$!
  servers+=($!)
}
ours iova
ours polling --poll-us 50
theirs threads
theirs io_uring
for name in iova polling threads io_uring; do
  for _ in $(seq 100); do [ -S "$work/$name.sock" ] && break; sleep 0.1; done
done

ticks() { awk '{ print $14 + $15 }' "/proc/${pid[$1]}/stat"; }
measure() { # name, pattern, depth: kiops, mean µs, µs of processor
  local before after out
  before=$(ticks "$1")
  out=$(taskset -c 0 "$tools/blkio-bench.sh" --runtime="$seconds" --iodepth="$3" --readwrite="$2" \
    virtio-blk-vhost-user path="$work/$1.sock")
  after=$(ticks "$1")
  echo "$out" | tr -d ' ,"' | awk -F: -v ticks=$((after - before)) -v s="$seconds" -v n="$1" -v p="$2" -v d="$3" '
    $1 == "kiops" && !k { k = $2 } $1 == "mean_lat_us" && !l { l = $2 }
    END { printf "%s %s %d %.3f %.1f %.2f\n", n, p, d, k, l, ticks * 10000 / (k * 1000 * s) }'
}
for _ in $(seq "$rounds"); do
  for pattern in randread randwrite; do
    for depth in 1 32; do
      for name in iova threads io_uring polling; do measure "$name" "$pattern" "$depth"; done
    done
  done
done | awk '
  # The best of the rounds: others on this computer only ever make it slower.
  { key = $2 " " $3 " " $1; if (!(key in k) || $4 > k[key]) k[key] = $4
    if (!(key in l) || $5 < l[key]) l[key] = $5; if (!(key in c) || $6 < c[key]) c[key] = $6 }
  END {
    split("randread randwrite", patterns); split("1 32", depths); split("iova threads io_uring polling", names)
    printf "%-10s %5s  %-9s %9s %9s %9s   iova is\n", "4 KiB", "depth", "", "kIOPS", "mean µs", "CPU µs"
    for (p = 1; p <= 2; p++) for (d = 1; d <= 2; d++) for (n = 1; n <= 4; n++) {
      key = patterns[p] " " depths[d] " " names[n]; own = patterns[p] " " depths[d] " iova"
      printf "%-10s %5d  %-9s %9.1f %9.1f %9.2f", patterns[p], depths[d], names[n], k[key], l[key], c[key]
      if (n > 1) printf "   × %.2f IOPS, × %.2f latency, × %.2f CPU", k[own] / k[key], l[own] / l[key], c[own] / c[key]
      printf "\n"
    } }'

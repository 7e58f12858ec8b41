// What our virtio network card and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "virtio-net: features",
    "ours": "checksums and segmentation, which our hub does; NOTF_COAL, GUEST_USO, HOST_USO",
    "qemu": "neither: its hub carries plain frames",
    "why": "What is offered depends on the other end; the rest came after QEMU 7.2",
    "seen": {
      "virtio-net registers, personality qemu": {
        "features": [
          "0x1c00101 0x30bfbba7",
          "0x101 0x30bf8024",
        ],
      },
      "virtio-net registers, personality spec": {
        "features": [
          "0x1c00101 0x30bfbba7",
          "0x101 0x30bf8024",
        ],
      },
    },
  },
  {
    "what": "virtio-net, personality spec: configuration behind the end",
    "ours": "zeros",
    "qemu": "all ones",
    "why": "§5.1.4: fields whose feature is not offered do not exist; what is not there reads 0",
    "seen": {
      "virtio-net registers, personality spec": {
        "pairs": [
          "0x0",
          "0xffff",
        ],
        "mtu": [
          "0x0",
          "0xffff",
        ],
        "behind the end": [
          "0x0",
          "0xffffffff",
        ],
      },
    },
  },
  {
    "what": "virtio-net, personality spec: a transmitted frame with a writable descriptor behind it",
    "ours": "DEVICE_NEEDS_RESET",
    "qemu": "sent",
    "why": "§5.1.6.2 has no such frame; QEMU looks at the readable part alone",
    "seen": {
      "virtio-net transmission, personality spec": {
        "a writable descriptor behind: used": [
          "null",
          "0x0 0x0",
        ],
        "a writable descriptor behind: status": [
          "0x4f",
          "0xf",
        ],
        "a writable descriptor behind: arrived": [
          "null",
          "0x0 0x48",
        ],
        "a writable descriptor behind: frame": [
          "nothing",
          "52540004050652540001020388b5464b50555a5f64696e73",
        ],
        "a writable descriptor behind: end of the frame": [
          "nothing",
          "181d2227cccccccc",
        ],
      },
    },
  },
  {
    "what": "virtio-net, personality spec: a frame that is longer than the buffer",
    "ours": "dropped, the buffer untouched",
    "qemu": "dropped, its beginning written",
    "why": "The buffer is not used in either case, so the driver must not look",
    "seen": {
      "virtio-net reception, personality spec": {
        "a buffer that is too short: header": [
          "cccccccccccccccccccccccc",
          "00000000000000000000cccc",
        ],
        "a buffer that is too short: data": [
          "cccccccccccccccc",
          "5254000405065254",
        ],
      },
    },
  },
  {
    "what": "virtio-net, personality spec: num_buffers without MRG_RXBUF",
    "ours": "1",
    "qemu": "left as it was",
    "why": "§5.1.6.4: the device must set it to 1",
    "seen": {
      "virtio-net reception, personality spec": {
        "one buffer: header": [
          "000000000000000000000100",
          "00000000000000000000cccc",
        ],
        "a buffer that is just long enough: header": [
          "000000000000000000000100",
          "00000000000000000000cccc",
        ],
        "no buffer, one later: header": [
          "000000000000000000000100",
          "00000000000000000000cccc",
        ],
      },
    },
  },
];

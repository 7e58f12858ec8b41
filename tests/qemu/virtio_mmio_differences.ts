// What our virtio devices without PCI and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "virtio-mmio: features of words beyond the second",
    "ours": "0",
    "qemu": "the second word again",
    "why": "§4.2.2: there are none. QEMU takes every selection but 0 for 1",
    "seen": {
      "virtio-mmio registers after reset, modern, personality spec": {
        "features 2": [
          "0x0",
          "0x101",
        ],
      },
    },
  },
  {
    "what": "virtio-mmio: the version of an empty slot among legacy ones",
    "ours": "2",
    "qemu": "1: all slots of a machine are of one kind",
    "why": "§4.2.2: an empty slot has magic, version and device id 0, and no more to say",
    "seen": {
      "virtio-mmio registers after reset, legacy, personality qemu": {
        "empty slot 4": [
          "0x2",
          "0x1",
        ],
      },
      "virtio-mmio registers after reset, legacy, personality spec": {
        "empty slot 4": [
          "0x2",
          "0x1",
        ],
      },
    },
  },
  {
    "what": "virtio-mmio, personality spec: features of a legacy device",
    "ours": "ANY_LAYOUT",
    "qemu": "NOTIFY_ON_EMPTY and SCSI",
    "why": "Nothing that a driver asks for",
    "seen": {
      "virtio-mmio registers after reset, legacy, personality spec": {
        "register 10": [
          "0x38006e54",
          "0x31006ed4",
        ],
        "features 0": [
          "0x38006e54",
          "0x31006ed4",
        ],
      },
    },
  },
  {
    "what": "virtio-mmio, personality spec: vendor id",
    "ours": "1AF4h",
    "qemu": "554D4551h (QEMU)",
    "why": "Without meaning",
    "seen": {
      "virtio-mmio registers after reset, modern, personality spec": {
        "register c": [
          "0x1af4",
          "0x554d4551",
        ],
        "empty slot c": [
          "0x1af4",
          "0x554d4551",
        ],
      },
      "virtio-mmio registers after reset, legacy, personality spec": {
        "register c": [
          "0x1af4",
          "0x554d4551",
        ],
        "empty slot c": [
          "0x1af4",
          "0x554d4551",
        ],
      },
    },
  },
  {
    "what": "virtio-mmio, personality spec: QueueSizeMax",
    "ours": "the device's",
    "qemu": "1024 whatever it is",
    "why": "§4.2.2: the most that the device can process",
    "seen": {
      "virtio-mmio registers after reset, modern, personality spec": {
        "register 34": [
          "0x100",
          "0x400",
        ],
      },
      "virtio-mmio registers after reset, legacy, personality spec": {
        "register 34": [
          "0x100",
          "0x400",
        ],
      },
      "virtio-mmio queues, modern, personality spec": {
        "queue 0: most, ready, page": [
          "0x100 0x0 0x0",
          "0x400 0x0 0x0",
        ],
        "most after size 3": [
          "0x100",
          "0x400",
        ],
        "most after size 512": [
          "0x100",
          "0x400",
        ],
        "most after size 2048": [
          "0x100",
          "0x400",
        ],
        "most after size 0": [
          "0x100",
          "0x400",
        ],
        "most after size 64": [
          "0x100",
          "0x400",
        ],
      },
      "virtio-mmio queues, legacy, personality spec": {
        "queue 0: most, ready, page": [
          "0x100 0x0 0x0",
          "0x400 0x0 0x0",
        ],
        "most after size 3": [
          "0x100",
          "0x400",
        ],
        "most after size 512": [
          "0x100",
          "0x400",
        ],
        "most after size 2048": [
          "0x100",
          "0x400",
        ],
        "most after size 0": [
          "0x100",
          "0x400",
        ],
        "most after size 64": [
          "0x100",
          "0x400",
        ],
      },
    },
  },
  {
    "what": "virtio-mmio, personality spec: configuration behind the end",
    "ours": "zeros",
    "qemu": "all ones for an access that runs past the end",
    "why": "§5.2.4; what is not there reads 0",
    "seen": {
      "virtio-mmio registers after reset, modern, personality spec": {
        "configuration": [
          "000800000000000000000000fe0000000200103f00020000000000000000000001000100ffff3f000100000001000000ffff3f000100000001000000",
          "000800000000000000000000fe0000000200103f00020000000000000000000001000100ffff3f000100000001000000ffff3f000100000001ffffff",
        ],
        "configuration 138 in 4": [
          "0x1",
          "0xffffffff",
        ],
        "configuration 1fc in 4": [
          "0x0",
          "0xffffffff",
        ],
      },
      "virtio-mmio registers after reset, legacy, personality spec": {
        "configuration": [
          "000800000000000000000000fe0000000200103f00020000000000000000000001000100ffff3f000100000001000000ffff3f000100000001000000",
          "000800000000000000000000fe0000000200103f00020000000000000000000001000100ffff3f000100000001000000ffff3f000100000001ffffff",
        ],
        "configuration 138 in 4": [
          "0x1",
          "0xffffffff",
        ],
        "configuration 1fc in 4": [
          "0x0",
          "0xffffffff",
        ],
      },
    },
  },
  {
    "what": "virtio-mmio, personality spec: QueuePFN 0",
    "ours": "takes the queue away",
    "qemu": "resets the device",
    "why": "§4.2.4: the queue is meant",
    "seen": {
      "virtio-mmio queues, legacy, personality spec": {
        "page 0, and what it does to the status": [
          "0x0 0x3",
          "0x0 0x0",
        ],
      },
    },
  },
  {
    "what": "virtio-mmio, personality spec: features that cannot be, and bits that the driver has no say in",
    "ours": "FEATURES_OK does not stay set; a legacy device has none",
    "qemu": "as written",
    "why": "§2.2.2, §2.1",
    "seen": {
      "virtio-mmio status and features, modern, personality spec": {
        "status b": [
          "0x3",
          "0xb",
        ],
        "status f": [
          "0x7",
          "0xf",
        ],
        "status 4f": [
          "0x7",
          "0x4f",
        ],
        "status after nothing": [
          "0x3",
          "0xb",
        ],
        "status after what was not offered": [
          "0x3",
          "0xb",
        ],
      },
      "virtio-mmio status and features, legacy, personality spec": {
        "status b": [
          "0x3",
          "0xb",
        ],
        "status f": [
          "0x7",
          "0xf",
        ],
        "status 4f": [
          "0x7",
          "0x4f",
        ],
        "status after nothing": [
          "0x3",
          "0xb",
        ],
        "status after VERSION_1": [
          "0x3",
          "0xb",
        ],
        "status after what was not offered": [
          "0x3",
          "0xb",
        ],
      },
    },
  },
];

// What the legacy interface of our virtio block device and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "virtio, personality spec: configuration behind the end",
    "ours": "zeros; 60 bytes and more",
    "qemu": "57 bytes; all ones for an access that runs past them",
    "why": "§5.2.4 has more fields; what is not there reads 0",
    "seen": {
      "virtio-blk legacy, registers after reset, personality spec": {
        "configuration 56 in 4": [
          "0x1",
          "0xffffffff",
        ],
        "configuration 60 in 4": [
          "0x0",
          "0xffffffff",
        ],
      },
      "virtio-blk transitional, registers after reset, personality spec": {
        "configuration 56 in 4": [
          "0x1",
          "0xffffffff",
        ],
        "configuration 60 in 4": [
          "0x0",
          "0xffffffff",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: accesses across registers",
    "ours": "byte by byte",
    "qemu": "by their first byte alone",
    "why": "§4.1.3.1 has drivers use each field's own width; both are answers to a mistake",
    "seen": {
      "virtio-blk legacy, registers after reset, personality spec": {
        "across 1 in 1": [
          "0x6e",
          "0xff",
        ],
        "across 2 in 2": [
          "0x3800",
          "0xffff",
        ],
        "across d in 1": [
          "0x1",
          "0xff",
        ],
        "across 11 in 1": [
          "0x0",
          "0xff",
        ],
      },
      "virtio-blk transitional, registers after reset, personality spec": {
        "across 1 in 1": [
          "0x6e",
          "0xff",
        ],
        "across 2 in 2": [
          "0x3800",
          "0xffff",
        ],
        "across d in 1": [
          "0x1",
          "0xff",
        ],
        "across 11 in 1": [
          "0x0",
          "0xff",
        ],
      },
    },
  },
  {
    "what": "virtio-blk, personality spec: used.len of a request that failed",
    "ours": "0: nothing of it was written but the status",
    "qemu": "all that could have been written",
    "why": "§2.7.8: the device must not say more than it wrote (CVE-2024-8612)",
    "seen": {
      "virtio-blk legacy, requests, personality spec": {
        "an unknown type": [
          "0x1 0x2 0x0 0x0",
          "0x1 0x2 0x0 0x201",
        ],
        "beyond the end": [
          "0x1 0x1 0x0 0x0",
          "0x1 0x1 0x0 0x201",
        ],
      },
      "virtio-blk transitional, requests, personality spec": {
        "an unknown type": [
          "0x1 0x2 0x0 0x0",
          "0x1 0x2 0x0 0x201",
        ],
        "beyond the end": [
          "0x1 0x1 0x0 0x0",
          "0x1 0x1 0x0 0x201",
        ],
      },
    },
  },
  {
    "what": "virtio legacy, personality spec: features offered besides",
    "ours": "ANY_LAYOUT",
    "qemu": "NOTIFY_ON_EMPTY, bit 30, and SCSI or (transitional) ANY_LAYOUT",
    "why": "Our devices take requests cut in any way; bit 30 is QEMU's own, and SCSI commands there are none",
    "seen": {
      "virtio-blk legacy, registers after reset, personality spec": {
        "register 0": [
          "0x38006e54",
          "0x71006ed4",
        ],
      },
      "virtio-blk transitional, registers after reset, personality spec": {
        "register 0": [
          "0x38006e54",
          "0x79006e54",
        ],
      },
    },
  },
  {
    "what": "virtio legacy, personality spec: reading queue_notify",
    "ours": "what was written last",
    "qemu": "all ones",
    "why": "§4.1.4.10 has the register readable",
    "seen": {
      "virtio-blk legacy, registers after reset, personality spec": {
        "register 10": [
          "0x0",
          "0xffff",
        ],
        "across 10 in 4": [
          "0x0",
          "0xffffffff",
        ],
      },
      "virtio-blk transitional, registers after reset, personality spec": {
        "register 10": [
          "0x0",
          "0xffff",
        ],
        "across 10 in 4": [
          "0x0",
          "0xffffffff",
        ],
      },
    },
  },
  {
    "what": "virtio legacy, personality spec: features accepted",
    "ours": "those that were offered",
    "qemu": "as with ours, but none of them when bit 30 is among them; NOTIFY_ON_EMPTY is",
    "why": "What is not offered cannot be accepted; a device cannot refuse (§3.1.2)",
    "seen": {
      "virtio-blk legacy, negotiation, personality spec": {
        "features ffffffff": [
          "0x38006e54",
          "0x0",
        ],
        "features 1000000": [
          "0x0",
          "0x1000000",
        ],
      },
      "virtio-blk transitional, negotiation, personality spec": {
        "features ffffffff": [
          "0x38006e54",
          "0x0",
        ],
        "features 1000000": [
          "0x0",
          "0x1000000",
        ],
      },
    },
  },
  {
    "what": "virtio legacy, personality spec: status bits that virtio 0.9 does not know",
    "ours": "do not stay",
    "qemu": "as written",
    "why": "FEATURES_OK and DEVICE_NEEDS_RESET are bits of the modern interface",
    "seen": {
      "virtio-blk legacy, negotiation, personality spec": {
        "status f": [
          "0x7",
          "0xf",
        ],
        "status 47": [
          "0x7",
          "0x47",
        ],
      },
      "virtio-blk transitional, negotiation, personality spec": {
        "status f": [
          "0x7",
          "0xf",
        ],
        "status 47": [
          "0x7",
          "0x47",
        ],
      },
    },
  },
  {
    "what": "virtio legacy, personality spec: page 0 as a queue's address",
    "ours": "takes the queue away",
    "qemu": "resets the device",
    "why": "It says that one queue is no longer used",
    "seen": {
      "virtio-blk legacy, queue registers, personality spec": {
        "page 0: page, status": [
          "0x0 0x3",
          "0x0 0x0",
        ],
      },
      "virtio-blk transitional, queue registers, personality spec": {
        "page 0: page, status": [
          "0x0 0x3",
          "0x0 0x0",
        ],
      },
    },
  },
  {
    "what": "virtio legacy, personality spec: a driver without bus mastering",
    "ours": "is not let onto the bus",
    "qemu": "is, after ACKNOWLEDGE and DRIVER",
    "why": "PCI: the bit is the driver's. QEMU helps Linux before 2.6.34",
    "seen": {
      "virtio-blk legacy, bus mastering, personality spec": {
        "command after status 3": [
          "0x0",
          "0x4",
        ],
        "command after status 7": [
          "0x0",
          "0x4",
        ],
      },
      "virtio-blk transitional, bus mastering, personality spec": {
        "command after status 3": [
          "0x0",
          "0x4",
        ],
        "command after status 7": [
          "0x0",
          "0x4",
        ],
      },
    },
  },
];

// What our virtio block device and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "virtio, personality spec: queue_notify_off of a queue that there is not",
    "ours": "0",
    "qemu": "the queue's number",
    "why": "Without meaning: queue_size is 0",
    "seen": {
      "virtio-blk registers after reset, personality spec": {
        "queue 1": [
          "0x0 0x0 0x0",
          "0x0 0x0 0x1",
        ],
        "queue 2": [
          "0x0 0x0 0x0",
          "0x0 0x0 0x2",
        ],
        "queue 1024": [
          "0x0 0x0 0x0",
          "0x0 0x0 0x2",
        ],
        "queue 65535": [
          "0x0 0x0 0x0",
          "0x0 0x0 0x2",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: queue_enable of a queue that there is not",
    "ours": "stays 0",
    "qemu": "reads 1",
    "why": "§4.1.4.3: such a queue cannot be enabled",
    "seen": {
      "virtio-blk queue registers, personality spec": {
        "an absent queue stays absent": [
          "0x0 0x0",
          "0x0 0x1",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: features that cannot be",
    "ours": "FEATURES_OK does not stay set",
    "qemu": "accepted",
    "why": "§2.2.2: a device should refuse what it did not offer, and a driver without VERSION_1",
    "seen": {
      "virtio-blk status, personality spec": {
        "status when the driver accepts nothing": [
          "0x3",
          "0xb",
        ],
        "status when the driver accepts ACCESS_PLATFORM alone": [
          "0x3",
          "0xb",
        ],
        "status when the driver accepts what was not offered": [
          "0x3",
          "0xb",
        ],
        "status when the driver accepts unknown high bits": [
          "0x3",
          "0xb",
        ],
        "status f reads": [
          "0x7",
          "0xf",
        ],
        "status 4f reads": [
          "0x7",
          "0x4f",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: configuration behind the end",
    "ours": "zeros; 60 bytes and more",
    "qemu": "57 bytes; all ones for an access that runs past them",
    "why": "§5.2.4 has more fields; what is not there reads 0",
    "seen": {
      "virtio-blk registers after reset, personality spec": {
        "configuration bytes": [
          "000800000000000000000000fe0000000200103f00020000000000000000000001000100ffff3f000100000001000000ffff3f000100000001000000",
          "000800000000000000000000fe0000000200103f00020000000000000000000001000100ffff3f000100000001000000ffff3f000100000001ffffff",
        ],
        "configuration 56 in 4": [
          "0x1",
          "0xffffffff",
        ],
        "configuration 56 in 2": [
          "0x1",
          "0xffff",
        ],
        "configuration 57 in 1": [
          "0x0",
          "0xff",
        ],
        "configuration 60 in 4": [
          "0x0",
          "0xffffffff",
        ],
        "configuration 256 in 4": [
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
      "virtio-blk accesses of another width, personality spec": {
        "read 6 in 2": [
          "0x3000",
          "0x0",
        ],
        "read 16 in 4": [
          "0x1ffff",
          "0xffff",
        ],
        "read 24 in 4": [
          "0xffff0100",
          "0x100",
        ],
        "read 25 in 1": [
          "0x1",
          "0x0",
        ],
        "queue_size and vector after 4 bytes": [
          "0x8 0x1",
          "0x8 0xffff",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: sizes of a queue",
    "ours": "a power of two, at most what was offered",
    "qemu": "anything up to 1024",
    "why": "§2.7: a size is a power of two; §4.1.4.3: and not more than the device's",
    "seen": {
      "virtio-blk queue registers, personality spec": {
        "queue_size 3": [
          "0x100",
          "0x3",
        ],
        "queue_size 512": [
          "0x100",
          "0x200",
        ],
        "queue_size 1024": [
          "0x100",
          "0x400",
        ],
        "queue_size 2048": [
          "0x100",
          "0x400",
        ],
        "queue_size 4096": [
          "0x100",
          "0x400",
        ],
        "queue_size 65535": [
          "0x100",
          "0x400",
        ],
        "queue_size 0": [
          "0x100",
          "0x400",
        ],
      },
    },
  },
  {
    "what": "virtio-blk, personality spec: SCSI requests",
    "ours": "UNSUPP",
    "qemu": "IOERR",
    "why": "A legacy feature that neither offers. QEMU looks at the request before it says so",
    "seen": {
      "virtio-blk requests, personality spec": {
        "type 2: status byte": [
          "0x2",
          "0x1",
        ],
      },
    },
  },
  {
    "what": "virtio-blk, personality spec: bit 31 of the type (BARRIER)",
    "ours": "an unknown type",
    "qemu": "ignored: reads sector 0",
    "why": "Legacy only, and not offered",
    "seen": {
      "virtio-blk requests, personality spec": {
        "type 2147483648: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "type 2147483648: status byte": [
          "0x2",
          "0x0",
        ],
        "type 2147483648: data": [
          "cccccccccccccccc",
          "0000000000000000",
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
      "virtio-blk requests, personality spec": {
        "type 2: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "type 10: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "type 12: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "type 14: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "type 99: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "read beyond the end: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "read across the end: used": [
          "0x0 0x0",
          "0x0 0x401",
        ],
        "read at the last sector number: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "read of 100 bytes: used": [
          "0x0 0x0",
          "0x0 0x65",
        ],
      },
    },
  },
  {
    "what": "virtio-blk, personality spec: a discard segment cut short",
    "ours": "IOERR",
    "qemu": "DEVICE_NEEDS_RESET",
    "why": "§5.2.6 has a status for it",
    "seen": {
      "virtio-blk discard and write zeroes, personality spec": {
        "half a segment: used": [
          "0x0 0x1",
          "null",
        ],
        "half a segment: status byte": [
          "0x1",
          "0xff",
        ],
        "half a segment: device status": [
          "0xf",
          "0x4f",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: INDIRECT that was not negotiated, or together with NEXT",
    "ours": "DEVICE_NEEDS_RESET",
    "qemu": "executed",
    "why": "§2.7.5.3.1 forbids both to drivers",
    "seen": {
      "virtio-blk broken chains, personality spec": {
        "indirect without the feature: device status": [
          "0x4f",
          "0xf",
        ],
        "indirect without the feature: isr": [
          "0x3",
          "0x1",
        ],
        "indirect without the feature: used": [
          "0x0 0x0 0x0",
          "0x1 0x0 0x201",
        ],
        "indirect without the feature: status byte and data": [
          "ff cccccccc",
          "00 00000000",
        ],
        "indirect with next: device status": [
          "0x4f",
          "0xf",
        ],
        "indirect with next: isr": [
          "0x3",
          "0x1",
        ],
        "indirect with next: used": [
          "0x0 0x0 0x0",
          "0x1 0x0 0x201",
        ],
        "indirect with next: status byte and data": [
          "ff cccccccc",
          "00 00000000",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: direct descriptors before an indirect one",
    "ours": "works",
    "qemu": "DEVICE_NEEDS_RESET",
    "why": "§2.7.5.3.2: a device must take it",
    "seen": {
      "virtio-blk broken chains, personality spec": {
        "a direct header, then an indirect table: device status": [
          "0xf",
          "0x4f",
        ],
        "a direct header, then an indirect table: isr": [
          "0x1",
          "0x3",
        ],
        "a direct header, then an indirect table: used": [
          "0x1 0x0 0x201",
          "0x0 0x0 0x0",
        ],
        "a direct header, then an indirect table: status byte and data": [
          "00 00000000",
          "ff cccccccc",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: memory that a device cannot reach",
    "ours": "data: IOERR; header or status byte: DEVICE_NEEDS_RESET",
    "qemu":
      "looks well: a header reads as zeros (sector 0 is read), data that is read and a status byte are lost, data that is written is zeros",
    "why": "QEMU bounces what is no memory and forgets how that went",
    "seen": {
      "virtio-blk broken chains, personality spec": {
        "a header nowhere: device status": [
          "0x4f",
          "0xf",
        ],
        "a header nowhere: isr": [
          "0x3",
          "0x1",
        ],
        "a header nowhere: used": [
          "0x0 0x0 0x0",
          "0x1 0x0 0x201",
        ],
        "a header nowhere: status byte and data": [
          "ff cccccccc",
          "00 00000000",
        ],
        "data nowhere: used": [
          "0x1 0x0 0x0",
          "0x1 0x0 0x201",
        ],
        "data nowhere: status byte and data": [
          "01 cccccccc",
          "00 cccccccc",
        ],
        "a status byte nowhere: device status": [
          "0x4f",
          "0xf",
        ],
        "a status byte nowhere: isr": [
          "0x3",
          "0x1",
        ],
        "a status byte nowhere: used": [
          "0x0 0x0 0x0",
          "0x1 0x0 0x201",
        ],
      },
    },
  },
  {
    "what": "virtio, personality spec: WRITE in used descriptors of a packed ring",
    "ours": "set when something was written",
    "qemu": "never",
    "why": "A used descriptor says with WRITE that its length counts (§2.8)",
    "seen": {
      "virtio-blk packed ring, personality spec": {
        "three slots: slots": [
          "00003000000000000102000007008280 00003100000000000002000007008300 00003200000000000100000007008200 00000000000000000000000000000000",
          "00003000000000000102000007008080 00003100000000000002000007008300 00003200000000000100000007008200 00000000000000000000000000000000",
        ],
        "across the end: slots": [
          "00003100000000000002000009000380 00003200000000000100000009000280 00003200000000000100000007008200 00003000000000000102000009008280",
          "00003100000000000002000009000380 00003200000000000100000009000280 00003200000000000100000007008200 00003000000000000102000009008080",
        ],
        "flush: slots": [
          "00003100000000000002000009000380 00003200000000000100000009000280 00003000000000000100000001000200 00003200000000000100000001000280",
          "00003100000000000002000009000380 00003200000000000100000009000280 00003000000000000100000001000000 00003200000000000100000001000280",
        ],
      },
    },
  },
  {
    "what": "virtio-blk, personality qemu: data that leaves memory by more than a page",
    "ours": "IOERR",
    "qemu": "DEVICE_NEEDS_RESET",
    "why":
      "QEMU has one bounce buffer of a page for what is no memory; the second cannot be had, and that it takes for a broken driver",
    "seen": {
      "virtio-blk broken chains, personality qemu": {
        "more than 4 GiB in all: device status": ["0xf", "0x4f"],
        "more than 4 GiB in all: isr": ["0x1", "0x3"],
        "more than 4 GiB in all: used": ["0x1 0x0 0xffffffff", "0x0 0x0 0x0"],
        "more than 4 GiB in all: status byte and data": ["01 cccccccc", "ff cccccccc"],
      },
    },
  },
];

// What our virtio block device and QEMU's do differently behind an IOMMU.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "virtio: a ring that is not mapped",
    "ours": "DEVICE_NEEDS_RESET at the first kick",
    "qemu": "nothing: the queue stands still",
    "why": "§2.1.2: a device that cannot go on says so",
    "seen": {
      "virtio-blk behind an AMD IOMMU, personality qemu": {
        "the ring not mapped when the queue is enabled: device status": [
          "0x4f",
          "0xf",
        ],
      },
      "virtio-blk behind an AMD IOMMU, personality spec": {
        "the ring not mapped when the queue is enabled: device status": [
          "0x4f",
          "0xf",
        ],
      },
    },
  },
  {
    "what": "virtio-blk, personality qemu: data of a write that is not mapped",
    "ours": "the sector keeps its bytes, though the request looks well",
    "qemu": "zeros are written",
    "why": "Not copied: nobody can want it",
    "seen": {
      "virtio-blk behind an AMD IOMMU, personality qemu": {
        "sector 3": [
          "0405060708090a0b",
          "0000000000000000",
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
      "virtio-blk behind an AMD IOMMU, personality spec": {
        "data not mapped, read: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "data not mapped, read: status byte": [
          "0x1",
          "0x0",
        ],
        "data not mapped, written: status byte": [
          "0x1",
          "0x0",
        ],
        "data for reading only, read: used": [
          "0x0 0x0",
          "0x0 0x201",
        ],
        "data for reading only, read: status byte": [
          "0x1",
          "0x0",
        ],
        "data for writing only, written: status byte": [
          "0x1",
          "0x0",
        ],
        "the second page of data not mapped: used": [
          "0x0 0x1000",
          "0x0 0x2001",
        ],
        "the second page of data not mapped: status byte": [
          "0x1",
          "0x0",
        ],
        "the header not mapped: device status": [
          "0x4f",
          "0xf",
        ],
        "the header not mapped: used": [
          "null",
          "0x0 0x201",
        ],
        "the header not mapped: status byte": [
          "0xff",
          "0x0",
        ],
        "the header not mapped: memory": [
          "cccccccccccccccc",
          "0102030405060708",
        ],
        "the status byte not mapped: device status": [
          "0x4f",
          "0xf",
        ],
        "the status byte not mapped: used": [
          "null",
          "0x0 0x201",
        ],
        "the header for writing only: device status": [
          "0x4f",
          "0xf",
        ],
        "the header for writing only: used": [
          "null",
          "0x0 0x201",
        ],
        "the header for writing only: status byte": [
          "0xff",
          "0x0",
        ],
        "the header for writing only: memory": [
          "cccccccccccccccc",
          "0102030405060708",
        ],
        "sector 3": [
          "0405060708090a0b",
          "0000000000000000",
        ],
      },
    },
  },
];

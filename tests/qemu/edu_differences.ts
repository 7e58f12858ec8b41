// What our edu and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "edu: a read that the bus refuses",
    "ours": "leaves the device's buffer as it was",
    "qemu": "fills it with zeros",
    "why":
      "Undefined for the device. QEMU reads zeros where a device may not read; our bus tells the device, and edu stops",
    "seen": {
      "edu transfers": {
        "a read where there is no memory": [
          "000306090c0f1215",
          "0000000000000000",
        ],
      },
    },
  },
  {
    "what": "edu: the upper half of a 64-bit register in an access of 4 bytes",
    "ours": "the upper half",
    "qemu": "all ones; a write is ignored",
    "why":
      "The device's documentation allows 4 bytes at a register's start only; two halves are what an access of 8 bytes is here",
    "seen": {
      "edu configuration space and registers": {
        "DMA source in two halves": [
          "0xdeadbeef 0x0",
          "0xdeadbeef 0xffffffff",
        ],
      },
    },
  },
  {
    "what": "edu: accesses of 1 and 2 bytes",
    "ours": "all ones",
    "qemu": "zeros",
    "why": "Neither is allowed; nothing answers on a bus as all ones",
    "seen": {
      "edu configuration space and registers": {
        "one byte of liveness": [
          "0xff",
          "0x0",
        ],
        "two bytes of the DMA source": [
          "0xffff",
          "0x0",
        ],
      },
    },
  },
];

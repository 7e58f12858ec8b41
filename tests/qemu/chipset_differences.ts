// What the chips of our PCs and of QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "pc, q35: functions that are there whatever is asked for",
    "ours": "an IDE function when the manifest has an `ide`; no AHCI, no SMBus",
    "qemu": "IDE at 00:01.1 of pc, AHCI and SMBus at 00:1f.2 and 00:1f.3 of q35",
    "why": "A machine has what its manifest says",
    "seen": {
      "pc configuration space of its own functions": {
        "who is at 9": [
          "0xffffffff",
          "0x70108086",
        ],
      },
      "q35 configuration space of its own functions": {
        "who is at fa": [
          "0xffffffff",
          "0x29228086",
        ],
        "who is at fb": [
          "0xffffffff",
          "0x29308086",
        ],
      },
    },
  },
  {
    "what": "pc, q35: reserved bits of the configuration address",
    "ours": "read 0",
    "qemu": "as written",
    "why": "PCI 3.0 §3.2.2.3.2: bits 30:24 are reserved",
    "seen": {
      "pc configuration space of its own functions": {
        "the address register after ones": [
          "0x80ffffff",
          "0xffffffff",
        ],
      },
      "q35 configuration space of its own functions": {
        "the address register after ones": [
          "0x80ffffff",
          "0xffffffff",
        ],
      },
    },
  },
  {
    "what": "pc, q35: reserved bits of a redirection entry",
    "ours": "read 0",
    "qemu": "as written",
    "why": "82093AA §3.2.4: bits 55:17 are reserved",
    "seen": {
      "pc interrupt controllers": {
        "I/O APIC: entry 1 after ones": [
          "0x1afff 0xffffffff",
          "0xffffafff 0xffffffff",
        ],
      },
      "q35 interrupt controllers": {
        "I/O APIC: entry 1 after ones": [
          "0x1afff 0xffffffff",
          "0xffffafff 0xffffffff",
        ],
      },
    },
  },
];

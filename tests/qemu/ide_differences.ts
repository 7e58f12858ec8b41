// What our IDE controller and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "IDE: registers of an absent device 1",
    "ours": "device 0's, which answers for it",
    "qemu": "its own, with the signature FFFFh",
    "why": "ATA: with one device its registers are read. Only after resets and diagnostics can it be told",
    "seen": {
      "IDE software reset, personality qemu": {
        "a command to an absent device: task file": [
          "0x1 0x5 0x0 0x0 0xb0",
          "0x1 0x1 0xff 0xff 0xb0",
        ],
      },
      "IDE software reset, personality spec": {
        "a command to an absent device: task file": [
          "0x1 0x5 0x0 0x0 0xb0",
          "0x1 0x1 0xff 0xff 0xb0",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: a channel without devices",
    "ours": "7Fh",
    "qemu": "0",
    "why": "A pull-down holds bit 7 of an empty cable, nobody drives the others",
    "seen": {
      "IDE registers, personality spec": {
        "secondary task file": [
          "0x7f 0x7f 0x7f 0x7f 0x7f 0x7f 0x7f",
          "0x0 0x0 0x0 0x0 0x0 0x0 0x0",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: bus-master command and status in accesses of 2 and 4 bytes",
    "ours": "byte by byte",
    "qemu": "all ones",
    "why": "82371SB allows them",
    "seen": {
      "IDE registers, personality spec": {
        "bus master in other widths": [
          "0xff00 0xff00ff00 0xff00",
          "0xffff 0xffffffff 0xffff",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: IDENTIFY word 105",
    "ours": "8 blocks of a TRIM",
    "qemu": "0: it says nothing",
    "why": "ACS: a limit must be told",
    "seen": {
      "IDE identification and features, personality spec": {
        "word 105": [
          "0x8",
          "nothing",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: transfer modes that IDENTIFY does not list",
    "ours": "refused",
    "qemu": "accepted",
    "why": "ATA: a mode that is not supported is aborted",
    "seen": {
      "IDE identification and features, personality spec": {
        "SET FEATURES 3 27": [
          "0x41 0x4 0x41",
          "0x50 0x0 0x50",
        ],
        "modes after 3 27": [
          "0x7 0x7 0x4021 0x3f",
          "0x7 0x8007 0x4021 0x3f",
        ],
        "SET FEATURES 3 47": [
          "0x41 0x4 0x41",
          "0x50 0x0 0x50",
        ],
        "modes after 3 47": [
          "0x7 0x7 0x4021 0x3f",
          "0x7 0x7 0x4021 0x803f",
        ],
        "modes after 2 0": [
          "0x7 0x7 0x4021 0x3f",
          "0x7 0x7 0x4021 0x803f",
        ],
        "modes after 82 0": [
          "0x7 0x7 0x4001 0x3f",
          "0x7 0x7 0x4001 0x803f",
        ],
        "modes after aa 0": [
          "0x7 0x7 0x4001 0x3f",
          "0x7 0x7 0x4001 0x803f",
        ],
        "modes after 55 0": [
          "0x7 0x7 0x4001 0x3f",
          "0x7 0x7 0x4001 0x803f",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: READ VERIFY",
    "ours": "looks at address and medium",
    "qemu": "does nothing",
    "why": "ATA: it reads and does not transfer",
    "seen": {
      "IDE programmed transfers, personality spec": {
        "command 40: task file": [
          "0x0 0x1 0x0 0x0 0xe0",
          "0x1 0x0 0x0 0x0 0xe0",
        ],
        "command 41: task file": [
          "0x0 0x1 0x0 0x0 0xe0",
          "0x1 0x0 0x0 0x0 0xe0",
        ],
        "command 42: status": [
          "0x41",
          "0x50",
        ],
        "command 42: error": [
          "0x10",
          "0x0",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: bit 4 of the status after power commands",
    "ours": "set",
    "qemu": "clear",
    "why": "Obsolete since ATA-4; drives leave it set. Personality qemu clears it",
    "seen": {
      "IDE programmed transfers, personality spec": {
        "command e0: status": [
          "0x50",
          "0x40",
        ],
        "command e1: status": [
          "0x50",
          "0x40",
        ],
        "command e2: status": [
          "0x50",
          "0x40",
        ],
        "command e3: status": [
          "0x50",
          "0x40",
        ],
        "command e6: status": [
          "0x50",
          "0x40",
        ],
        "command 94: status": [
          "0x50",
          "0x40",
        ],
        "command 95: status": [
          "0x50",
          "0x40",
        ],
        "command 96: status": [
          "0x50",
          "0x40",
        ],
        "command 97: status": [
          "0x50",
          "0x40",
        ],
        "command 99: status": [
          "0x50",
          "0x40",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: an address beyond the medium",
    "ours": "error 10h (IDNF), the engine stays active; seen before the table",
    "qemu": "error 04h (ABRT), after the table",
    "why": "ATA: IDNF. A drive knows nothing of the table",
    "seen": {
      "IDE programmed transfers, personality spec": {
        "read across the end, end: error": [
          "0x10",
          "0x4",
        ],
        "read beyond the end, end: error": [
          "0x10",
          "0x4",
        ],
      },
      "IDE PRD outcomes, personality spec": {
        "shorter and beyond the end: status": [
          "0x41",
          "0x50",
        ],
        "shorter and beyond the end: error": [
          "0x10",
          "0x0",
        ],
        "shorter and beyond the end: bus master": [
          "0x9 0x5",
          "0x9 0x0",
        ],
        "shorter and beyond the end: interrupt": [
          "true",
          "false",
        ],
        "beyond the end: error": [
          "0x10",
          "0x4",
        ],
        "beyond the end: bus master": [
          "0x9 0x5",
          "0x9 0x4",
        ],
        "across the end: error": [
          "0x10",
          "0x4",
        ],
        "across the end: bus master": [
          "0x9 0x5",
          "0x9 0x4",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: a table that describes less than the command moves",
    "ours": "what it describes is moved, the drive goes on waiting",
    "qemu": "nothing is moved, the drive is idle",
    "why": "SFF-8038i: both status bits are 0, and the drive knows nothing of it",
    "seen": {
      "IDE PRD outcomes, personality spec": {
        "shorter: status": [
          "0x58",
          "0x50",
        ],
        "shorter: memory 0": [
          "0900000043444546",
          "cccccccccccccccc",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: an odd address of a region",
    "ours": "bit 0 is taken as 0",
    "qemu": "kept",
    "why": "82371SB: word-aligned",
    "seen": {
      "IDE PRD outcomes, personality spec": {
        "an odd address: memory 0": [
          "050000002728292a",
          "cc05000000272829",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: a region or a table across 64 KiB",
    "ours": "a bus error",
    "qemu": "linear",
    "why": "SFF-8038i forbids both; what chips do differs",
    "seen": {
      "IDE PRD outcomes, personality spec": {
        "a region across 64 KiB: status": [
          "0x58",
          "0x50",
        ],
        "a region across 64 KiB: task file": [
          "0x2 0x5 0x0 0x0 0xe0",
          "0x0 0x7 0x0 0x0 0xe0",
        ],
        "a region across 64 KiB: bus master": [
          "0x9 0x2",
          "0x9 0x4",
        ],
        "a region across 64 KiB: interrupt": [
          "false",
          "true",
        ],
        "a region across 64 KiB: memory 0": [
          "cccccccccccccccc",
          "050000002728292a",
        ],
        "a region across 64 KiB: memory 1": [
          "cccccccccccccccc",
          "060000002e2f3031",
        ],
        "a table across 64 KiB: status": [
          "0x58",
          "0x50",
        ],
        "a table across 64 KiB: task file": [
          "0x2 0x5 0x0 0x0 0xe0",
          "0x0 0x7 0x0 0x0 0xe0",
        ],
        "a table across 64 KiB: bus master": [
          "0x9 0x2",
          "0x9 0x4",
        ],
        "a table across 64 KiB: interrupt": [
          "false",
          "true",
        ],
        "a table across 64 KiB: memory 1": [
          "cccccccccccccccc",
          "060000002e2f3031",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: memory that a transfer cannot reach",
    "ours": "a bus error: ERR, no interrupt, nothing behind it moves, the medium keeps its bytes",
    "qemu": "looks well: reads are lost, zeros go to the disk, a missing table sends data to address 0",
    "why": "82371SB, SFF-8038i. QEMU has no path that sets ERR",
    "seen": {
      "IDE PRD outcomes, personality spec": {
        "nowhere, to memory: status": [
          "0x58",
          "0x50",
        ],
        "nowhere, to memory: task file": [
          "0x1 0x5 0x0 0x0 0xe0",
          "0x0 0x6 0x0 0x0 0xe0",
        ],
        "nowhere, to memory: bus master": [
          "0x9 0x2",
          "0x9 0x4",
        ],
        "nowhere, to memory: interrupt": [
          "false",
          "true",
        ],
        "nowhere, from memory: status": [
          "0x58",
          "0x50",
        ],
        "nowhere, from memory: task file": [
          "0x1 0x3c 0x0 0x0 0xe0",
          "0x0 0x3d 0x0 0x0 0xe0",
        ],
        "nowhere, from memory: bus master": [
          "0x1 0x2",
          "0x1 0x4",
        ],
        "nowhere, from memory: interrupt": [
          "false",
          "true",
        ],
        "what is on the disk then: memory 0": [
          "3c000000a8a9aaab",
          "0000000000000000",
        ],
        "good, bad, good: status": [
          "0x58",
          "0x50",
        ],
        "good, bad, good: task file": [
          "0x3 0x14 0x0 0x0 0xe0",
          "0x0 0x17 0x0 0x0 0xe0",
        ],
        "good, bad, good: bus master": [
          "0x9 0x2",
          "0x9 0x4",
        ],
        "good, bad, good: interrupt": [
          "false",
          "true",
        ],
        "good, bad, good: memory 2": [
          "cccccccccccccccc",
          "160000009e9fa0a1",
        ],
        "the table nowhere: status": [
          "0x58",
          "0x50",
        ],
        "the table nowhere: task file": [
          "0x1 0x5 0x0 0x0 0xe0",
          "0x0 0x6 0x0 0x0 0xe0",
        ],
        "the table nowhere: bus master": [
          "0x9 0x2",
          "0x9 0x5",
        ],
        "the table nowhere: interrupt": [
          "false",
          "true",
        ],
        "the table nowhere: memory 0": [
          "cccccccccccccccc",
          "050000002728292a",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: the engine started in the wrong direction",
    "ours": "a bus error",
    "qemu": "the command decides",
    "why": "Undefined in data sheets; refusing shows the mistake",
    "seen": {
      "IDE PRD outcomes, personality spec": {
        "the wrong direction: status": [
          "0x58",
          "0x50",
        ],
        "the wrong direction: task file": [
          "0x1 0x5 0x0 0x0 0xe0",
          "0x0 0x6 0x0 0x0 0xe0",
        ],
        "the wrong direction: bus master": [
          "0x1 0x2",
          "0x1 0x4",
        ],
        "the wrong direction: interrupt": [
          "false",
          "true",
        ],
        "the wrong direction: memory 0": [
          "cccccccccccccccc",
          "050000002728292a",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: the engine without bus mastering",
    "ours": "waits",
    "qemu": "ends, and nothing has moved",
    "why": "PCI: without the bit a function makes no accesses",
    "seen": {
      "IDE PRD outcomes, personality spec": {
        "without bus mastering: status": [
          "0x58",
          "0x50",
        ],
        "without bus mastering: task file": [
          "0x1 0x5 0x0 0x0 0xe0",
          "0x0 0x6 0x0 0x0 0xe0",
        ],
        "without bus mastering: bus master": [
          "0x9 0x1",
          "0x9 0x5",
        ],
        "without bus mastering: interrupt": [
          "false",
          "true",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: an interrupt that came up while nIEN was set",
    "ours": "comes when nIEN is cleared",
    "qemu": "never comes",
    "why": "ATA: nIEN only holds the pin back",
    "seen": {
      "IDE engine, personality spec": {
        "nIEN off again: bus master": [
          "0x9 0x4",
          "0x9 0x0",
        ],
        "nIEN off again: interrupt": [
          "true",
          "false",
        ],
      },
    },
  },
  {
    "what": "IDE, personality spec: software reset",
    "ours": "BSY while SRST is set, over when it falls, no interrupt",
    "qemu": "over as soon as SRST rises, and interrupts",
    "why": "ATA: BSY from the rise to the end of the reset, and no interrupt",
    "seen": {
      "IDE software reset, personality spec": {
        "status while SRST is set": [
          "0xd0",
          "0x50",
        ],
        "after SRST: bus master": [
          "0x0 0x0",
          "0x0 0x4",
        ],
        "after SRST: interrupt": [
          "false",
          "true",
        ],
      },
    },
  },
];

// What our AMD IOMMU and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "AMD IOMMU: features",
    "ours": "neither GTSup nor GASup, but PprAutoRspSup",
    "qemu": "GTSup and GASup, no PprAutoRspSup",
    "why": "Each says what it has, but for GTSup, which QEMU claims without an implementation",
    "seen": {
      "amd-iommu registers": {
        "EFR": [
          "0x20000000943",
          "0x29d3",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: reserved bits and pointers of its registers",
    "ours": "reserved bits read 0; a ring pointer beyond its ring is ignored",
    "qemu": "bits are stored as written",
    "why": "AMD 48882: reserved bits read 0. QEMU 7.2 masks little",
    "seen": {
      "amd-iommu registers": {
        "device table base after ones": [
          "0xffffffffff1f0",
          "0xfffffffffffffff0",
        ],
        "command base after ones": [
          "0xf0ffffffffff000",
          "0xfffffffffffffff0",
        ],
        "event base after ones": [
          "0xf0ffffffffff000",
          "0xfffffffffffffff0",
        ],
        "exclusion base after ones": [
          "0xffffffffff000",
          "0x0",
        ],
        "exclusion limit after ones": [
          "0xffffffffff000",
          "0xfffffffffffffff0",
        ],
        "command head after ones": [
          "0x0",
          "0xfffffffffffffff0",
        ],
        "command tail after ones": [
          "0x0",
          "0xfffffffffffffff0",
        ],
        "event head after ones": [
          "0x0",
          "0xfffffffffffffff0",
        ],
        "control after ones, all but the enables": [
          "0x480003c0ffa",
          "0xffffffffffff0ffa",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: event log",
    "ours": "each fault is an event",
    "qemu": "never an event",
    "why": "QEMU 7.2 takes an overflow for present before it writes (fixed later: “Fix event log generation”)",
    "seen": {
      "amd-iommu rights and faults": {
        "TV = 0 without rights: events": [
          "20000000050020200010800000000000",
          "",
        ],
        "TV = 0 with rights: events": [
          "20000000050020200010800000000000",
          "",
        ],
        "mode 0, reading only: events": [
          "20000000050070200010800000000000",
          "",
        ],
        "mode 7: events": [
          "20000000000020100010000000000000",
          "",
        ],
        "an entry for reading only: events": [
          "20000000050070200010000000000000",
          "",
        ],
        "a device for reading only: events": [
          "20000000050070200010000000000000",
          "",
        ],
        "a directory for reading only: events": [
          "20000000050070200010000000000000",
          "",
        ],
        "an entry that is all zeroes: events": [
          "20000000050020200010000000000000",
          "",
        ],
        "an entry with rights and PR = 0: events": [
          "20000000050020200010000000000000",
          "",
        ],
        "a directory that is all zeroes: events": [
          "20000000050020200010000000000000",
          "",
        ],
        "a reserved bit in an entry (52): events": [
          "200000000500b0200010000000000000",
          "",
        ],
        "an address beyond one level: events": [
          "20000000050020200010200000000000",
          "",
        ],
        "a table that names its own level: events": [
          "20000000050030200010000000000000",
          "",
        ],
        "a skipped level whose bits are set: events": [
          "20000000050020200010200000000000",
          "",
        ],
        "a table where there is no memory: events": [
          "20000000050020420800007000000000",
          "",
        ],
      },
      "amd-iommu cached translations": {
        "after INVALIDATE_IOMMU_PAGES of everything: events": [
          "20000000050020200020000000000000",
          "",
        ],
      },
      "amd-iommu commands": {
        "events": [
          "00000000000000502000410000000000",
          "",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: status after events",
    "ours": "EventLogInt is set",
    "qemu": "no event, no bit",
    "why": "As above: no event is ever written",
    "seen": {
      "amd-iommu rights and faults": {
        "status": [
          "0x1a",
          "0x18",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: V = 1, TV = 0 with IR and IW",
    "ours": "target abort and an event",
    "qemu": "passes untranslated",
    "why": "AMD 48882: requests are aborted without TV",
    "seen": {
      "amd-iommu rights and faults": {
        "TV = 0 with rights": [
          "blocked",
          "landed",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: an entry with rights and PR = 0",
    "ours": "not present",
    "qemu": "translated",
    "why": "§2.2.3: PR decides first. QEMU 7.2 looks at rights only",
    "seen": {
      "amd-iommu rights and faults": {
        "an entry with rights and PR = 0": [
          "blocked",
          "landed",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: reserved bits of an entry",
    "ours": "fault with RZ = 1",
    "qemu": "ignored",
    "why": "§2.2.3: reserved bits must be zero",
    "seen": {
      "amd-iommu rights and faults": {
        "a reserved bit in an entry (52)": [
          "blocked",
          "landed",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: an address beyond the table's levels",
    "ours": "fault",
    "qemu": "cut off and translated",
    "why": "§2.2.3: address bits above the mode's must be zero",
    "seen": {
      "amd-iommu rights and faults": {
        "an address beyond one level": [
          "blocked",
          "landed",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: a directory whose NextLevel is its own level",
    "ours": "fault",
    "qemu": "walked as if it were right; a table that names itself is walked for ever, so that is not tried",
    "why": "§2.2.3: NextLevel must be smaller",
    "seen": {
      "amd-iommu rights and faults": {
        "a table that names its own level": [
          "blocked",
          "landed",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: address bits of a skipped level",
    "ours": "fault",
    "qemu": "ignored",
    "why": "§2.2.3: they must be zero",
    "seen": {
      "amd-iommu rights and faults": {
        "a skipped level whose bits are set": [
          "blocked",
          "landed",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: INVALIDATE_IOMMU_PAGES of one page",
    "ours": "drops that page",
    "qemu": "drops the whole domain",
    "why": "Both are allowed: more may always be dropped. Ours shows what software forgot to invalidate",
    "seen": {
      "amd-iommu cached translations": {
        "after INVALIDATE_IOMMU_PAGES of the first page: the second page": [
          "landed",
          "blocked",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: an illegal command",
    "ours": "logged, and the processor stops there",
    "qemu": "skipped, the next one is executed",
    "why": "AMD 48882: an illegal command halts command processing",
    "seen": {
      "amd-iommu commands": {
        "an opcode that there is not, then COMPLETION_WAIT: all executed": [
          "false",
          "true",
        ],
        "an opcode that there is not, then COMPLETION_WAIT: head": [
          "0x20",
          "0x40",
        ],
        "an opcode that there is not, then COMPLETION_WAIT: status": [
          "0xa",
          "0x1c",
        ],
        "whether the wait was executed": [
          "0x123456780abcdef0",
          "0x1",
        ],
      },
    },
  },
  {
    "what": "AMD IOMMU: ComWaitInt",
    "ours": "cleared by writing 1",
    "qemu": "never cleared",
    "why": "The bit is RW1C. QEMU 7.2 does not decode writes to the status (fixed later)",
    "seen": {
      "amd-iommu commands": {
        "status after ComWaitInt is acknowledged": [
          "0x18",
          "0x1c",
        ],
        "once round the ring: status": [
          "0x18",
          "0x1c",
        ],
      },
    },
  },
];

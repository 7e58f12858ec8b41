// What our pseries hypervisor and QEMU's do differently.

import type { Explanation } from "@iova/qtest/testing";

export const EXPLANATIONS: Explanation[] = [
  {
    "what": "edu: a read that the bus refuses",
    "ours": "leaves the device's buffer as it was",
    "qemu": "fills it with zeros",
    "why":
      "Undefined for the device. QEMU reads zeros where a device may not read; our bus tells the device, and edu stops",
    "seen": {
      "the probe behind TCE tables, profile qemu-tcg": {
        "a device reads where it may do 0": [
          "dddddddddddddddd",
          "0000000000000000",
        ],
        "a device reads where it may do 2": [
          "dddddddddddddddd",
          "0000000000000000",
        ],
      },
      "the probe behind TCE tables, profile lopar": {
        "a device reads where it may do 0": [
          "dddddddddddddddd",
          "0000000000000000",
        ],
        "a device reads where it may do 2": [
          "dddddddddddddddd",
          "0000000000000000",
        ],
      },
    },
  },
  {
    "what": "pseries: ibm,query-pe-dma-window with six results",
    "ours": "status −3",
    "qemu": "answered, with a largest block of 64 bits",
    "why": "LoPAR: only where `ibm,ddw-extensions` says so. QEMU 7.2 does, our device tree does not",
    "seen": {
      "windows by RTAS, profile qemu-tcg": {
        "query with six results": [
          "0x0 -3 0x0 0x0 0x0 0x0 0x0",
          "0x0 0x0 0x1 0x20 0x0 0x107 0x0",
        ],
      },
      "windows by RTAS, profile lopar": {
        "query with six results": [
          "0x0 -3 0x0 0x0 0x0 0x0 0x0",
          "0x0 0x0 0x1 0x20 0x0 0x107 0x0",
        ],
      },
    },
  },
  {
    "what": "pseries, profile lopar: a third window",
    "ours": "status −3",
    "qemu": "status −1",
    "why": "LoPAR: asking for more than is available is a parameter error; QEMU answers −1",
    "seen": {
      "windows by RTAS, profile lopar": {
        "create another": [
          "0x0 -3 0x0 0x0 0x0",
          "0x0 -1 0x0 0x0 0x0",
        ],
      },
    },
  },
  {
    "what": "pseries, profile lopar: bus addresses that are no page",
    "ours": "H_PARAMETER",
    "qemu": "low bits are dropped",
    "why": "LoPAR is silent; refusing shows the mistake. Profile qemu-tcg does as QEMU",
    "seen": {
      "H_PUT_TCE and H_GET_TCE, profile lopar": {
        "an address that is no page": [
          "-4",
          "0x0",
        ],
        "an address that is no page: entry": [
          "0x0",
          "0x5003",
        ],
        "H_GET_TCE of an address that is no page": [
          "status -4",
          "0x3456003",
        ],
      },
      "H_STUFF_TCE, profile lopar": {
        "from an address that is no page": [
          "-4",
          "0x0",
        ],
        "from an address that is no page: entries": [
          "0x0 0x0 0x0",
          "0x5003 0x5003 0x0",
        ],
      },
      "H_PUT_TCE_INDIRECT, profile lopar": {
        "from an address that is no page": [
          "-4",
          "0x0",
        ],
        "from an address that is no page: entries": [
          "0x0 0x0",
          "0x100003 0x101003",
        ],
      },
    },
  },
  {
    "what": "pseries, profile lopar: pages and lists that are not the partition's",
    "ours": "H_PARAMETER, nothing stored",
    "qemu": "stored",
    "why": "LoPAR: the page must belong to the partition. QEMU does not look",
    "seen": {
      "H_PUT_TCE and H_GET_TCE, profile lopar": {
        "a page beyond memory": [
          "-4",
          "0x0",
        ],
        "a page beyond memory: entry": [
          "0x0",
          "0x300000003",
        ],
        "a page with bits above 52": [
          "-4",
          "0x0",
        ],
        "a page with bits above 52: entry": [
          "0x0",
          "0xfff0000000005003",
        ],
      },
      "H_PUT_TCE_INDIRECT, profile lopar": {
        "a list beyond memory": [
          "-4",
          "0x0",
        ],
        "a page beyond memory among good ones": [
          "-4",
          "0x0",
        ],
        "a page beyond memory among good ones: entries": [
          "0x0 0x0 0x0",
          "0x100003 0x300000003 0x102003",
        ],
      },
    },
  },
  {
    "what": "pseries, profile lopar: a count of 0",
    "ours": "success",
    "qemu": "H_PARAMETER",
    "why": "LoPAR: nothing is done",
    "seen": {
      "H_STUFF_TCE, profile lopar": {
        "none": [
          "0x0",
          "-4",
        ],
      },
      "H_PUT_TCE_INDIRECT, profile lopar": {
        "none": [
          "0x0",
          "-4",
        ],
      },
    },
  },
  {
    "what": "pseries, profile lopar: H_STUFF_TCE of more than 512 entries",
    "ours": "H_P4",
    "qemu": "done, up to the size of the table",
    "why": "LoPAR has a limit of 512",
    "seen": {
      "H_STUFF_TCE, profile lopar": {
        "513": [
          "-57",
          "0x0",
        ],
        "513: entries": [
          "0x0 0x0",
          "0x5003 0x5003",
        ],
        "513 times zero": [
          "-57",
          "0x0",
        ],
        "513 times zero: entries": [
          "0x5003 0x0",
          "0x0 0x0",
        ],
        "more than the table": [
          "-57",
          "-4",
        ],
      },
    },
  },
  {
    "what": "pseries, profile lopar: a range that leaves the table",
    "ours": "nothing stored",
    "qemu": "stored up to the end",
    "why": "LoPAR: the whole range is checked first",
    "seen": {
      "H_STUFF_TCE, profile lopar": {
        "across the end: entries": [
          "0x0",
          "0xaaaa000",
        ],
      },
      "H_PUT_TCE_INDIRECT, profile lopar": {
        "across the end: entries": [
          "0x0",
          "0x100003",
        ],
      },
    },
  },
  {
    "what": "pseries, profile lopar: a negative LIOBN",
    "ours": "H_FUNCTION",
    "qemu": "H_PARAMETER",
    "why": "LoPAR: the multi-table option's way to say that there is none",
    "seen": {
      "H_PUT_TCE_INDIRECT, profile lopar": {
        "a negative table": [
          "-2",
          "-4",
        ],
      },
    },
  },
];

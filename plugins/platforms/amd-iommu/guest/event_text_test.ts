import { assertEquals } from "@std/assert";
import { eventDevice, formatEvent } from "./event_text.ts";

/** The bytes of an event from its two 64-bit words. */
function event(q0: bigint, q1: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, q0, true);
  view.setBigUint64(8, q1, true);
  return new Uint8Array(view.buffer);
}

const CASES: [bigint, bigint, string][] = [
  [
    0x2020_0005_0000_0028n,
    0x4000n,
    "IO_PAGE_FAULT device=0000:00:05.0 domain=0x0005 address=0x4000 flags=0x0020",
  ],
  [
    0x2070_0005_0000_0328n,
    0xffff_ffff_ffff_f000n,
    "IO_PAGE_FAULT device=0000:03:05.0 domain=0x0005 address=0xfffffffffffff000 flags=0x0070",
  ],
  [
    0x1080_0000_0000_0028n,
    0x1000n,
    "ILLEGAL_DEV_TABLE_ENTRY device=0000:00:05.0 pasid=0x00000 address=0x1000 flags=0x0080",
  ],
  [0x3200_0000_0000_0029n, 0x10_0500n, "DEV_TAB_HARDWARE_ERROR device=0000:00:05.1 address=0x100500 flags=0x0200"],
  [
    0x4220_0005_0000_0028n,
    0x70_0008n,
    "PAGE_TAB_HARDWARE_ERROR device=0000:00:05.0 pasid=0x0005 address=0x700008 flags=0x0220",
  ],
  [0x5000_0000_0000_0000n, 0x40_0020n, "ILLEGAL_COMMAND_ERROR address=0x400020"],
  [0x6200_0000_0000_0000n, 0x40_0020n, "COMMAND_HARDWARE_ERROR address=0x400020 flags=0x0200"],
  [0x7000_0000_0000_0028n, 0x40_0010n, "IOTLB_INV_TIMEOUT device=0000:00:05.0 address=0x400010"],
  [
    0x8100_0000_0000_0028n,
    0x1000n,
    "INVALID_DEVICE_REQUEST device=0000:00:05.0 pasid=0x00000 address=0x1000 flags=0x0100",
  ],
  [
    0x9000_0003_0000_0028n,
    0x9000n,
    "INVALID_PPR_REQUEST device=0000:00:05.0 pasid=0x00000 address=0x9000 flags=0x0000 tag=0x003",
  ],
  [
    0xb000_0000_0000_0001n,
    2n,
    "UNKNOWN event[0]=0x00000001 event[1]=0xb0000000 event[2]=0x00000002 event[3]=0x00000000",
  ],
];

Deno.test("events are reported in Linux's words", () => {
  for (const [q0, q1, text] of CASES) assertEquals(formatEvent(event(q0, q1)), `AMD-Vi: Event logged [${text}]`);
});

Deno.test("an event names its device, unless it is about a command", () => {
  assertEquals(eventDevice(event(0x2020_0005_0000_0028n, 0n)), 0x28);
  assertEquals(eventDevice(event(0x5000_0000_0000_0000n, 0n)), null);
});

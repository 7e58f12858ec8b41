/** What the driver's side does with a function that lies about its registers. */

import { assertEquals, assertThrows } from "@std/assert";
import { pciWorld } from "@iova/pci/testing";
import { VirtioPciTransport } from "./driver_pci.ts";
import { VirtioPciLegacyTransport } from "./driver_pci_legacy.ts";
import { VirtioPciCap, VirtioPciNotifyCap } from "./layout_pci.ts";

type Cap = Partial<{ cfg_type: number; bar: number; offset: number; length: number; multiplier: number }>;

/** The four capabilities of an honest device behind a BAR of 16 KiB. */
const HONEST: readonly Cap[] = [
  { cfg_type: 1, bar: 4, offset: 0, length: 0x1000 },
  { cfg_type: 3, bar: 4, offset: 0x1000, length: 0x1000 },
  { cfg_type: 4, bar: 4, offset: 0x2000, length: 8 },
  { cfg_type: 2, bar: 4, offset: 0x3000, length: 0x1000, multiplier: 4 },
];

/** A function with these capabilities; registers answer `values` by offset, else 0, and writes are noted. */
function world(caps: readonly Cap[], values: Record<number, number> = {}) {
  const w = pciWorld();
  const writes: [offset: number, value: number][] = [];
  w.bus.addFunction({
    id: "liar",
    vendor: 0x1af4,
    device: 0x1042,
    classCode: 0x010000,
    bars: [{
      index: 4,
      kind: "memory",
      size: 0x4000,
      block: {
        read: (offset) => values[offset] ?? 0,
        write: (offset, _width, value) => void writes.push([offset, value]),
      },
    }],
    capabilities: caps.map(({ multiplier = 0, ...cap }) => {
      const bytes = new Uint8Array(VirtioPciCap.size + VirtioPciNotifyCap.size);
      bytes.set(VirtioPciCap.encode({ cap_vndr: 9, cap_len: bytes.length, ...cap }));
      bytes.set(VirtioPciNotifyCap.encode({ notify_off_multiplier: multiplier }), VirtioPciCap.size);
      return { id: 9, body: bytes.subarray(2) };
    }),
  });
  w.pci.enumerate();
  return { ...w, writes, make: () => new VirtioPciTransport({ guest: w.guest, requester: 8 }) };
}

/** The honest list with one capability changed. */
const changed = (index: number, change: Cap) => HONEST.map((cap, i) => i === index ? { ...cap, ...change } : cap);

Deno.test("registers that a capability puts outside their BAR, or into none, are not used", () => {
  assertEquals(world(HONEST).make().type, 2);
  for (const [index, name] of [[0, "common"], [1, "interrupt status"], [3, "notification"]] as const) {
    for (
      const lie of [
        { offset: 0x4000 },
        { offset: 0x3fff, length: 0x1000 },
        { offset: 0xffff_f000, length: 0x2000 },
        { length: 0xffff_ffff },
        { length: 0 },
        { bar: 5 },
        { bar: 6 },
        { bar: 0xff },
      ]
    ) {
      assertThrows(() => world(changed(index, lie)).make(), RangeError, `it has no ${name} registers`);
    }
  }
});

Deno.test("of several capabilities of one type the first that is usable counts", () => {
  const { make, writes } = world([...HONEST, { cfg_type: 1, bar: 4, offset: 0x9000, length: 0x1000 }]);
  make().writeStatus(1);
  assertEquals(writes, [[0x14, 1]]);
});

Deno.test("a doorbell outside the region is refused, whatever offset and multiplier make of it", () => {
  for (const [off, multiplier] of [[0x1000, 4], [0xffff, 0xffff], [1, 0xffff_ffff], [1, 0xfff]]) {
    const { make } = world(changed(3, { multiplier }), { 0x1e: off });
    assertThrows(() => make().notifier(0), RangeError, "puts the doorbell of queue 0 outside its registers");
  }
  const { make, writes } = world(changed(3, { multiplier: 2 }), { 0x1e: 0x7ff });
  make().notifier(0)();
  assertEquals(writes.at(-1), [0x3ffe, 0]);
});

Deno.test("the device configuration is not read or written behind its end", () => {
  const { make, writes } = world(HONEST, { 0x2004: 7, 0x2008: 9 });
  const transport = make();
  assertEquals([transport.readConfig(4, 4), transport.readConfig(6, 4), transport.readConfig(8, 4)], [7, 0, 0]);
  transport.writeConfig(8, 1, 1);
  transport.writeConfig(7, 1, 1);
  assertEquals(writes, [[0x2007, 1]]);
  const without = world(HONEST.filter(({ cfg_type }) => cfg_type !== 4)).make();
  assertEquals(without.readConfig(0, 4), 0);
});

Deno.test("a short common configuration has no features of registers that it lacks", () => {
  const all = { 0x04: 0xffff_ffff };
  assertEquals(world(HONEST, all).make().offered().value, 2n ** 64n - 1n);
  const short = world(changed(0, { length: 0x38 }), all).make().offered();
  assertEquals([39, 40, 38, 33].map((bit) => short.has(bit)), [false, false, true, true]);
});

Deno.test("a function without a legacy BAR of ports has no legacy interface", () => {
  const { guest } = world(HONEST);
  assertThrows(() => new VirtioPciLegacyTransport({ guest, requester: 8 }), RangeError, "no legacy interface");
});

import { assertEquals } from "@std/assert";
import { Errno } from "@iova/core";
import { addressesOf, bringUp, letterWorld, ringOf } from "./testdata/letters.ts";

/** A world whose device has a legacy interface, with its I/O ports. */
function world(options: Parameters<typeof letterWorld>[0] = {}) {
  const w = letterWorld({ transport: "legacy", ...options, driverInterface: "legacy" });
  const fn = w.pci.function(w.requester);
  const port = fn.bar(0).address;
  return {
    ...w,
    fn,
    in: (at: number, width: 1 | 2 | 4) => w.guest.ioRead(port + at, width),
    out: (at: number, width: 1 | 2 | 4, value: number) => w.guest.ioWrite(port + at, width, value),
  };
}

Deno.test("a legacy function has the ids of virtio 0.9 and an I/O BAR 0; a transitional one has BAR 4 as well", () => {
  for (const [transport, bars, caps] of [["legacy", [0, 1], false], ["transitional", [0, 1, 4], true]] as const) {
    const { fn } = world({ transport });
    const ids = [fn.vendor, fn.device, fn.configRead(8, 1), fn.configRead(0x2c, 4)];
    assertEquals(ids, [0x1af4, 0x1005, 0, 0x0004_1af4], transport);
    assertEquals([...fn.bars.keys()].sort(), [...bars]);
    assertEquals([fn.bar(0).kind, fn.bar(0).size], ["io", 32]);
    assertEquals(fn.findCapability(9) !== 0, caps);
  }
});

Deno.test("features are word 0 alone, and what was not offered is left out", () => {
  const w = world();
  assertEquals(w.in(0, 4), 0x3800_0008, "bit 3, ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX");
  w.out(4, 4, 0xffff_ffff);
  assertEquals([w.in(4, 4), w.model.accepted.value], [0x3800_0008, 0x3800_0008n]);
  w.out(0x12, 1, 7);
  w.out(4, 4, 0);
  assertEquals(w.in(4, 4), 0x3800_0008, "not after DRIVER_OK");
});

Deno.test("QEMU's bit 30 takes every feature from a driver that accepts it blindly", () => {
  const w = world({ personality: "qemu" });
  assertEquals(w.in(0, 4), 0x7100_0008);
  w.out(4, 4, 0x7100_0008);
  assertEquals(w.in(4, 4), 0);
  w.out(4, 4, 0x3100_0008);
  assertEquals(w.in(4, 4), 0x3100_0008);
});

Deno.test("a page frame number places desc, avail behind it and used at the next page", () => {
  const w = world();
  const ring = ringOf(w, 64, 0x20000);
  bringUp(w, [3]);
  w.out(0x0e, 2, 0);
  assertEquals([w.in(0x0c, 2), w.in(8, 4)], [64, 0]);
  w.out(8, 4, 0x20);
  const [queue] = w.plug.device.queues;
  assertEquals([queue.descLo, queue.driverLo, queue.deviceLo], [0x20000, 0x20400, 0x21000]);
  assertEquals(w.in(8, 4), 0x20);
  ring.chain(0, [{ addr: 0x30000n, len: 1, flags: 2 }]);
  w.out(0x10, 2, 0);
  w.scheduler.settle();
  assertEquals([w.guest.read(0x30000, 1), ring.used(0)], [0x41, [0, 1]], "before DRIVER_OK, as legacy drivers do");
  w.out(8, 4, 0xffff_ffff);
  assertEquals([queue.descHi, queue.descLo, w.in(8, 4)], [0xfff, 0xffff_f000 | 0, 0xffff_ffff]);
  w.out(0x0e, 2, 3);
  assertEquals([w.in(0x0c, 2), w.in(8, 4)], [0, 0], "no such queue");
});

Deno.test("page 0 takes one queue away; QEMU resets the device", () => {
  for (const [personality, left] of [["spec", [7, 0, 1]], ["qemu", [0, 0, 0]]] as const) {
    const w = world({ personality });
    bringUp(w, []);
    for (const [queue, page] of [[0, 0x20], [1, 0x30]]) {
      w.out(0x0e, 2, queue);
      w.out(8, 4, page);
    }
    w.out(0x12, 1, 7);
    w.out(0x0e, 2, 0);
    w.out(8, 4, 0);
    const enabled = w.plug.device.queues.map((queue) => queue.enabled ? 1 : 0);
    assertEquals([w.in(0x12, 1), enabled[0], enabled[1]], [...left], personality);
  }
});

Deno.test("the configuration stands at 0x14, and at 0x18 while MSI-X is enabled", () => {
  const w = world();
  assertEquals([w.in(0x14, 4), w.in(0x18, 2)], [0x0403_0201, 0x0605]);
  w.fn.enableMsix([() => {}, () => {}]);
  assertEquals([w.in(0x14, 4), w.in(0x18, 4), w.in(0x1c, 2)], [0xffff_ffff, 0x0403_0201, 0x0605]);
  w.out(0x1c, 1, 0x55);
  w.out(0x14, 2, 1);
  w.out(0x16, 2, 5);
  assertEquals([w.model.config[4], w.in(0x14, 2), w.in(0x16, 2)], [0x55, 1, 0xffff]);
  w.fn.disableMsix();
  assertEquals(w.in(0x18, 1), 0x55, "and moves back");
});

Deno.test("reading the interrupt status clears it and the pin", () => {
  const w = world({ vectors: 0 });
  bringUp(w, []);
  const line = w.fn.configRead(0x3c, 1);
  w.plug.device.transport!.notifyQueue(0);
  assertEquals([w.interrupts.isAsserted(line), w.in(0x13, 1), w.in(0x13, 1)], [true, 1, 0]);
  assertEquals(w.interrupts.isAsserted(line), false);
  w.out(0x12, 1, 7);
  w.plug.device.configChanged();
  assertEquals(w.in(0x13, 1), 3);
});

Deno.test("accesses of the wrong size are decoded by byte, or by their start as in QEMU", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = world({ personality });
    w.out(0x0e, 2, 1);
    const spec = personality === "spec";
    assertEquals(w.in(0x0c, 4), spec ? 0x0001_0020 : 0x20);
    assertEquals(w.in(0x0d, 1), spec ? 0 : 0xff);
    w.out(0x12, 1, 3);
    assertEquals(w.in(0x12, 2), spec ? 0x0003 : 0x0003);
    assertEquals(w.in(0x18, 4), spec ? 0x0000_0605 : 0xffff_ffff, "beyond the configuration");
  }
});

Deno.test("a broken legacy device falls silent: no status, no interrupt, no more work until a reset", () => {
  const w = world({ vectors: 0 });
  bringUp(w, []);
  const ring = ringOf(w, 64);
  assertEquals(w.transport.enableQueue(0, 64, addressesOf(ring)), 0);
  w.transport.writeStatus(7);
  ring.chain(0, [{ addr: 0x30000n, len: 1 }]);
  w.transport.notifier(0)();
  w.scheduler.settle();
  assertEquals([w.transport.readStatus(), w.in(0x13, 1), ring.usedIdx], [7, 0, 0]);
  assertEquals(w.plug.device.breakdown, "malformed request");
  ring.chain(1, [{ addr: 0x30000n, len: 1, flags: 2 }]);
  w.transport.notifier(0)();
  w.scheduler.settle();
  assertEquals(ring.usedIdx, 0);
  w.transport.writeStatus(0);
  assertEquals(w.plug.device.breakdown, "");
});

Deno.test("without bus mastering there is no access; QEMU gives it to a driver that says ACKNOWLEDGE and DRIVER", () => {
  for (const personality of ["spec", "qemu"] as const) {
    const w = world({ personality });
    w.fn.disableBusMaster();
    bringUp(w, []);
    assertEquals(w.plug.port.busMaster, personality === "qemu");
  }
});

Deno.test("NOTIFY_ON_EMPTY interrupts a driver that wants none when nothing is left", () => {
  for (const features of [[24], []]) {
    const w = world({ personality: "qemu", vectors: 0 });
    bringUp(w, features);
    const ring = ringOf(w, 64);
    w.transport.enableQueue(0, 64, addressesOf(ring));
    w.transport.writeStatus(7);
    ring.availFlags = 1;
    ring.chain(0, [{ addr: 0x30000n, len: 1, flags: 2 }]);
    w.transport.notifier(0)();
    w.scheduler.settle();
    assertEquals(w.in(0x13, 1), features.length);
  }
});

Deno.test("the driver gives up a ring that 32 bits of page frame number do not reach, or that is cut otherwise", () => {
  const { transport } = world();
  const parts = { descLo: 0, driverLo: 0x400, deviceLo: 0x1000 };
  const at = (hi: number) => ({ ...parts, descHi: hi, driverHi: hi, deviceHi: hi });
  assertEquals(transport.enableQueue(0, 64, at(0x1000)), -Errno.E2BIG);
  assertEquals(transport.enableQueue(0, 64, at(-0x8000_0000)), -Errno.E2BIG);
  assertEquals(transport.enableQueue(0, 64, at(0xfff)), 0);
  assertEquals(transport.enableQueue(0, 32, at(0)), -Errno.EINVAL, "the device dictates the size");
  assertEquals(transport.enableQueue(0, 64, { ...at(0), driverLo: 0x800 }), -Errno.EINVAL);
  assertEquals(transport.resetQueue(0), false);
});

Deno.test("a transitional device serves a modern driver as a modern device", () => {
  const w = letterWorld({ transport: "transitional" });
  assertEquals([w.transport.legacy, w.transport.type], [false, 4]);
  bringUp(w, [3, 32, 33]);
  assertEquals(w.transport.readStatus(), 0x0b);
  assertEquals(w.plug.device.legacy, false);
});

import { assertEquals, assertThrows } from "@std/assert";
import { Errno } from "@iova/core";
import { emptyMmioSlot } from "./device_mmio.ts";
import { describeMmioSlot, tellMmioSlots, VirtioMmioTransport } from "./driver_mmio.ts";
import { addressesOf, bringUp, letterWorld, LINE, ringOf, SLOT } from "./testdata/letters.ts";

function world(options: Parameters<typeof letterWorld>[0] = {}) {
  const w = letterWorld({ ...options, mmio: true });
  return {
    ...w,
    get: (at: number, width: 1 | 2 | 4 = 4) => w.guest.read(SLOT + at, width),
    put: (at: number, value: number, width: 1 | 2 | 4 = 4) => w.guest.write(SLOT + at, width, value),
  };
}

Deno.test("a device of version 2 says what it is, and registers below 0x100 take 32-bit accesses only", () => {
  const w = world();
  assertEquals([w.get(0), w.get(4), w.get(8), w.get(0xc)], [0x74726976, 2, 4, 0x1af4]);
  assertEquals([w.get(0, 1), w.get(0, 2), w.get(2), w.get(0x18)], [0, 0, 0, 0]);
  w.put(0x70, 1, 1);
  assertEquals(w.get(0x70), 0);
  assertEquals([w.get(0x100), w.get(0x101, 1), w.get(0x104, 2), w.get(0x104)], [0x0403_0201, 2, 0x0605, 0x0605]);
  assertEquals(
    [w.get(0xb0), w.get(0xb4), w.get(0xb8), w.get(0xbc)],
    new Array(4).fill(0xffff_ffff),
    "no shared memory",
  );
});

Deno.test("features, queues and kicks work through the registers", () => {
  const w = world();
  const words = [0, 1, 2].map((word) => {
    w.put(0x14, word);
    return w.get(0x10);
  });
  assertEquals(words, [0x3000_0008, 0x103, 0]);
  bringUp(w, [3, 32, 33]);
  assertEquals([w.get(0x70), w.model.accepted.value], [0x0b, 0x3_0000_0008n]);
  assertEquals([w.transport.queueSize(0), w.transport.queueSize(1), w.transport.queueSize(2)], [64, 32, 0]);
  const ring = ringOf(w, 16);
  assertEquals(w.transport.enableQueue(0, 16, addressesOf(ring)), 0);
  assertEquals(w.transport.enableQueue(0, 16, addressesOf(ring)), -Errno.EINVAL, "it is live");
  assertEquals(w.transport.enableQueue(1, 64, addressesOf(ring)), -Errno.EINVAL, "too large");
  w.put(0x70, 0x0f);
  let interrupts = 0;
  w.transport.connect([() => interrupts++], () => {});
  ring.chain(0, [{ addr: 0x30000n, len: 1, flags: 2 }]);
  w.transport.notifier(0)();
  w.scheduler.settle();
  assertEquals([w.guest.read(0x30000, 1), ring.used(0), interrupts], [0x41, [0, 1], 1]);
  assertEquals([w.get(0x60), w.interrupts.isAsserted(LINE)], [0, false], "acknowledged");
});

Deno.test("the interrupt status is cleared by what is acknowledged, and the line follows it", () => {
  const w = world();
  bringUp(w, [32, 33]);
  w.put(0x70, 0x0f);
  w.plug.device.configChanged();
  w.plug.device.transport!.notifyQueue(0);
  assertEquals([w.get(0x60), w.interrupts.isAsserted(LINE)], [3, true]);
  w.put(0x64, 1);
  assertEquals([w.get(0x60), w.interrupts.isAsserted(LINE)], [2, true]);
  w.put(0x64, 2);
  assertEquals([w.get(0x60), w.interrupts.isAsserted(LINE)], [0, false]);
  w.plug.device.configChanged();
  w.put(0x70, 0);
  assertEquals([w.get(0x60), w.interrupts.isAsserted(LINE)], [0, false], "a reset takes it back");
});

Deno.test("QueueReady 0 takes a queue back, and so does a reset of the queue", () => {
  const w = world();
  bringUp(w, [32, 33, 40]);
  const ring = ringOf(w, 16);
  assertEquals(w.transport.enableQueue(0, 16, addressesOf(ring)), 0);
  w.put(0x44, 0);
  assertEquals([w.get(0x44), w.model.queueResets], [0, [0]]);
  assertEquals(w.transport.enableQueue(0, 16, addressesOf(ring)), 0);
  assertEquals([w.transport.resetQueue(0), w.get(0x44), w.model.queueResets], [true, 0, [0, 0]]);
});

Deno.test("ConfigGeneration moves once for any number of changes between two looks", () => {
  const w = world();
  assertEquals(w.transport.generation(), 0);
  for (let i = 0; i < 256; i++) w.plug.device.configChanged();
  assertEquals([w.transport.generation(), w.transport.generation()], [1, 1]);
});

Deno.test("version 1 has pages of the size that the driver says, and used rings at its alignment", () => {
  const w = world({ transport: "legacy" });
  assertEquals([w.get(4), w.transport.legacy, w.get(0xfc)], [1, true, 0]);
  bringUp(w, [3]);
  w.put(0x30, 0);
  w.put(0x38, 16);
  w.put(0x28, 0x1000);
  w.put(0x3c, 256);
  w.put(0x40, 0x10);
  const [queue] = w.plug.device.queues;
  assertEquals([queue.descLo, queue.driverLo, queue.deviceLo, w.get(0x40)], [0x10000, 0x10100, 0x10200, 0x10]);
  w.put(0x28, 0x8000_0000);
  w.put(0x40, 3);
  assertEquals([queue.descHi, queue.descLo, w.get(0x40)], [1, 0x8000_0000 | 0, 3]);
  w.put(0x40, 0);
  assertEquals([queue.enabled, w.get(0x70)], [false, 3]);
});

Deno.test("CVE-2017-17381: an alignment of 0, or one that is no power of two, places no ring", () => {
  const w = world({ transport: "legacy" });
  bringUp(w, []);
  for (const align of [0, 3, 0xffff_ffff]) {
    w.put(0x30, 0);
    w.put(0x3c, align);
    w.put(0x40, 0x10);
    assertEquals([w.get(0x40), w.plug.device.queues[0].enabled], [0, false], `${align}`);
  }
});

Deno.test("the driver of version 1 drives rings of 4 KiB pages, and not above 2^44", () => {
  const w = world({ transport: "legacy" });
  bringUp(w, []);
  const ring = ringOf(w, 32);
  assertEquals(w.transport.enableQueue(0, 32, addressesOf(ring)), 0);
  w.transport.writeStatus(7);
  ring.chain(0, [{ addr: 0x30000n, len: 1, flags: 2 }]);
  w.transport.notifier(0)();
  w.scheduler.settle();
  assertEquals(ring.used(0), [0, 1]);
  const high = { ...addressesOf(ring), descHi: 0x1000, driverHi: 0x1000, deviceHi: 0x1000 };
  assertEquals(w.transport.enableQueue(1, 32, high), -Errno.E2BIG);
});

Deno.test("CVE-2026-50626: the largest size of a queue is the device's own; QEMU 7.2 says 1024 whatever it is", () => {
  for (const [personality, most] of [["spec", [64, 32, 0, 0]], ["qemu", [1024, 1024, 0, 0]]] as const) {
    const w = world({ personality });
    assertEquals([0, 1, 2, 0xffff].map((queue) => w.transport.queueSize(queue)), [...most]);
    bringUp(w, [32, 33]);
    w.put(0x30, 0);
    w.put(0x38, 1024);
    assertEquals(w.plug.device.queues[0].size, personality === "spec" ? 64 : 1024);
    w.put(0x38, 2048);
    assertEquals(w.plug.device.queues[0].size, personality === "spec" ? 64 : 1024);
  }
});

Deno.test("an empty slot is passed over, and so is what is no virtio device", () => {
  const w = world();
  w.space.addRegisters(0xd000_0000, 0x200, "empty", emptyMmioSlot());
  w.space.addRegisters(0xd000_0200, 0x200, "other", { read: () => 7, write() {} });
  const slot = (base: number) => ({ base, size: 512, line: 1, requester: 16 });
  assertThrows(() => new VirtioMmioTransport(w.guest, slot(0xd000_0000)), RangeError, "the slot is empty");
  assertThrows(() => new VirtioMmioTransport(w.guest, slot(0xd000_0200)), RangeError, "magic");
});

Deno.test("slots are told in the words of a kernel's command line", () => {
  const { guest } = world();
  assertEquals(describeMmioSlot({ base: 0xfeb0_0200, size: 512, line: 25 }, 1), "512@0xfeb00200:25:1");
  tellMmioSlots(guest, ["0x200@0xfeb00000:24:0", "4K@0xd0000000:30:7"]);
  assertThrows(() => tellMmioSlots(guest, ["512@here:1:0"]), RangeError, "no virtio_mmio slot");
});

Deno.test("QEMU's MMIO has two words of features, no bit 30, and bases of zero for memory that is not shared", () => {
  const modern = world({ personality: "qemu" });
  const words = [0, 1, 2, 0xffff_ffff].map((word) => {
    modern.put(0x14, word);
    return modern.get(0x10);
  });
  assertEquals(words, [0x3000_0008, 0x103, 0x103, 0x103]);
  assertEquals([0xb0, 0xb4, 0xb8, 0xbc].map((at) => modern.get(at)), [0xffff_ffff, 0xffff_ffff, 0, 0]);
  assertEquals(world({ personality: "qemu", transport: "legacy" }).get(0x10), 0x3100_0008);
});

Deno.test("a broken device says so in its status and by a configuration interrupt, until it is reset", () => {
  const w = world();
  bringUp(w, [32, 33]);
  const ring = ringOf(w, 16);
  w.transport.enableQueue(0, 16, addressesOf(ring));
  w.put(0x70, 0x0f);
  ring.offer(16);
  w.put(0x50, 0);
  w.scheduler.settle();
  assertEquals([w.get(0x70), w.get(0x60), ring.usedIdx], [0x4f, 2, 0]);
  w.put(0x70, 0x0f);
  assertEquals(w.get(0x70), 0x4f, "a driver cannot take it back");
  w.put(0x70, 0);
  assertEquals([w.get(0x70), w.get(0x60)], [0, 0]);
});

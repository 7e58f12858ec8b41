import { assert, assertEquals, assertThrows } from "@std/assert";
import { DmaApiError, type DmaStats, dmaStats, Errno, EventStream, type PhysAddr } from "@iova/core";
import type { GuestPort } from "@iova/core";
import { pciWorld } from "@iova/pci/testing";
import { toHex } from "@iova/fields/testing";
import { DmaAddressing, PhysicalAddressing } from "./driver_addressing.ts";
import { BufferList } from "./driver_buffers.ts";
import type { DriverRingOptions } from "./driver_queue.ts";
import { SplitDriverQueue } from "./driver_split.ts";
import { RecordingOps, requestList } from "./testdata/recording_ops.ts";

interface World {
  guest: GuestPort;
  dma: RecordingOps;
  stats: DmaStats;
  queue: SplitDriverQueue;
  /** First byte of the ring. */
  base: PhysAddr;
  /** Times that the doorbell rang. */
  kicks: number;
  ring(offset: number, length: number): string;
}

function world(options: Partial<DriverRingOptions> = {}): World {
  const { guest } = pciWorld();
  const stats = dmaStats();
  const events = new EventStream(() => 0);
  const dma = new RecordingOps({
    guest,
    device: { id: "d", requester: 8 },
    stats,
    upstream: null,
    events,
    warn() {},
  });
  const made: World = {
    guest,
    dma,
    stats,
    queue: null!,
    base: 0,
    kicks: 0,
    ring: (offset, length) => toHex(guest.memory.bytes(made.base + offset, length)),
  };
  made.queue = SplitDriverQueue.create({
    index: 0,
    size: 8,
    guest,
    addressing: new DmaAddressing(dma),
    indirect: false,
    eventIndex: false,
    notify: () => void made.kicks++,
    ...options,
  })!;
  made.base = made.queue.addresses.descLo;
  dma.calls.length = 0;
  return made;
}

/** Places in a ring of 8: available at 128, used at 4096. */
const AVAIL = 128;
const USED = 4096;

/** What the device does: one used element, and the index. */
function use({ guest, base }: World, slot: number, id: number, length: number, idx: number): void {
  guest.memory.write(base + USED + 4 + 8 * slot, 4, id);
  guest.memory.write(base + USED + 8 + 8 * slot, 4, length);
  guest.memory.write(base + USED + 2, 2, idx);
}

Deno.test("C11: queue memory of 256 entries is one zeroed coherent block of 10246 bytes, freed with that size", () => {
  const { queue, dma, guest } = world({ size: 256 });
  const { descHi, descLo, driverLo, deviceLo } = queue.addresses;
  assertEquals(descLo % 0x4000, 0);
  assertEquals([descHi, driverLo - descLo, deviceLo - descLo], [0, 4096, 8192]);
  assert(guest.memory.bytes(descLo, 10246).every((byte) => byte === 0));
  queue.release();
  assertEquals(dma.calls.filter((call) => call.startsWith("free")), ["free 10246"]);
});

Deno.test("C12: a map that fails undoes what was mapped before it, in order, and changes no counter", () => {
  const w = world();
  w.dma.failing = 3;
  assertEquals(w.queue.add(requestList(), 0), -Errno.ENOMEM);
  assertEquals(w.dma.calls, [
    "map 10000 16 to device",
    "map 11000 512 to device",
    "map 12000 512 from device: error",
    "unmap 10000 16 to device",
    "unmap 11000 512 to device",
  ]);
  w.queue.kick();
  assertEquals([w.queue.free, w.kicks, w.stats.maps - w.stats.unmaps], [8, 0, 0]);
  assertEquals(w.ring(AVAIL, 6), "000000000000");
  assertEquals(w.queue.add(requestList(), 0), 0);
  assertEquals(w.ring(AVAIL, 6), "0000" + "0100" + "0000", "the next request uses head 0");
  assertEquals(w.queue.free, 4);
});

Deno.test("C12: with an indirect table, the table's own failed map undoes every entry, a hundred times over", () => {
  const w = world({ indirect: true });
  const undone = ["unmap 10000 16 to device", "unmap 11000 512 to device"];
  undone.push("unmap 12000 512 from device", "unmap 13000 1 from device");
  for (let i = 0; i < 100; i++) {
    w.dma.calls.length = 0;
    w.dma.failing = 5;
    assertEquals(w.queue.add(requestList(), 0), -Errno.ENOMEM);
    assert(/^map [0-9a-f]+ 64 to device: error$/.test(w.dma.calls[4]), w.dma.calls[4]);
    assertEquals(w.dma.calls.slice(5), undone);
  }
  assertEquals([w.queue.free, w.kicks], [8, 0]);
  assertEquals(w.ring(AVAIL, 6), "000000000000");
});

Deno.test("C12: premapped buffers are neither mapped nor unmapped", () => {
  const w = world();
  const list = new BufferList(4).outMapped(1, 0x10000, 16).in(0x12000, 512).inMapped(0, 0x13000, 1);
  w.dma.failing = 1;
  assertEquals(w.queue.add(list, 0), -Errno.ENOMEM);
  assertEquals(w.dma.calls, ["map 12000 512 from device: error"]);
  w.dma.calls.length = 0;
  assertEquals(w.queue.add(list, 5), 0);
  assertEquals(w.ring(0, 16), "0000010001000000" + "10000000" + "0100" + "0100");
  use(w, 0, 0, 1, 1);
  assertEquals(w.queue.poll(), 5);
  assertEquals(w.dma.calls, ["map 12000 512 from device", "unmap 12000 512 from device"]);
});

Deno.test("C13: an indirect request has the bytes of Linux's, and is unmapped from private copies only", () => {
  const w = world({ indirect: true });
  const { heap, memory } = w.guest;
  while (heap.alloc(64)! < 0x20000 - 64);
  assertEquals(w.queue.add(requestList(), 3), 0);
  assertEquals(w.ring(0, 16), "0000020000000000" + "40000000" + "0400" + "0100");
  assertEquals(
    toHex(memory.bytes(0x20000, 64)),
    [
      "0000010000000000" + "10000000" + "0100" + "0100",
      "0010010000000000" + "00020000" + "0100" + "0200",
      "0020010000000000" + "00020000" + "0300" + "0300",
      "0030010000000000" + "01000000" + "0200" + "0400",
    ].join(""),
  );
  assertEquals(w.ring(AVAIL, 6), "0000" + "0100" + "0000");
  assertEquals(w.queue.free, 7);
  // A device that overwrites the ring, and even the table.
  memory.bytes(w.base, 16).fill(0xff);
  memory.bytes(0x20000, 64).fill(0xff);
  use(w, 0, 0, 513, 1);
  w.dma.calls.length = 0;
  assertEquals(w.queue.poll(), 3);
  assertEquals(w.queue.usedLength, 513);
  assertEquals(w.dma.calls, [
    "unmap 20000 64 to device",
    "unmap 10000 16 to device",
    "unmap 11000 512 to device",
    "unmap 12000 512 from device",
    "unmap 13000 1 from device",
  ]);
  assertEquals([w.queue.free, w.queue.poll()], [8, -1]);
  assertEquals(w.queue.add(requestList(), 4), 0);
  assertEquals(w.ring(AVAIL + 4, 4), "00000000", "head 0 is free again, and its table is used again");
});

Deno.test("C13: a used id that is no head breaks the queue, and nothing is unmapped", () => {
  for (const id of [8, 1, 7, 0xffffffff]) {
    const w = world();
    assertEquals(w.queue.add(requestList(), 0), 0);
    w.dma.calls.length = 0;
    use(w, 0, id, 513, 1);
    assertEquals([w.queue.poll(), w.queue.broken], [-1, true], `id ${id}`);
    assertEquals(w.dma.calls, []);
    assertEquals(w.queue.add(requestList(), 1), -Errno.EIO);
  }
});

Deno.test("a head that is used twice, and an index ahead by more than the ring, break the queue", () => {
  const twice = world();
  twice.queue.add(requestList(), 0);
  use(twice, 0, 0, 1, 1);
  assertEquals(twice.queue.poll(), 0);
  use(twice, 1, 0, 1, 2);
  assertEquals([twice.queue.poll(), twice.queue.broken], [-1, true]);
  const jump = world();
  jump.queue.add(requestList(), 0);
  use(jump, 0, 0, 1, 9);
  assertEquals([jump.queue.poll(), jump.queue.broken], [-1, true]);
});

Deno.test("requests complete in any order, and the free list serves both ways across the wrap of the indices", () => {
  const w = world();
  const pair = (i: number) => new BufferList(2).out(0x10000 + i * 64, 8).in(0x20000 + i * 64, 8);
  let slot = 0;
  for (let round = 0; round < 40000; round++) {
    assertEquals(w.queue.add(pair(0), 2 * round), 0);
    const first = w.guest.memory.read(w.base + AVAIL + 4 + 2 * (2 * round & 7), 2);
    assertEquals(w.queue.add(pair(1), 2 * round + 1), 0);
    const second = w.guest.memory.read(w.base + AVAIL + 4 + 2 * (2 * round + 1 & 7), 2);
    use(w, slot++ & 7, second, 8, slot & 0xffff);
    use(w, slot++ & 7, first, 8, slot & 0xffff);
    if (w.queue.poll() !== 2 * round + 1 || w.queue.poll() !== 2 * round) throw new Error(`round ${round}`);
    w.dma.calls.length = 0;
  }
  assertEquals([w.queue.free, w.queue.broken], [8, false]);
});

Deno.test("a full ring answers ENOSPC and kicks for what it holds", () => {
  const w = world();
  assertEquals(w.queue.add(requestList(), 0), 0);
  assertEquals(w.queue.add(requestList(), 1), 0);
  assertEquals(w.kicks, 0);
  assertEquals(w.queue.add(requestList(), 2), -Errno.ENOSPC);
  assertEquals([w.kicks, w.stats.maps], [1, 8]);
});

Deno.test("without a table for want of memory a request takes descriptors of the ring", () => {
  const w = world({ indirect: true });
  while (w.guest.heap.alloc(64) !== null);
  assertEquals(w.queue.add(requestList(), 0), 0);
  assertEquals(w.queue.free, 4);
  assertEquals(w.ring(12, 4), "0100" + "0100");
});

Deno.test("a request longer than a table takes descriptors of the ring", () => {
  const w = world({ indirect: true, tableEntries: 3 });
  assertEquals(w.queue.add(requestList(), 0), 0);
  assertEquals(w.queue.free, 4);
});

Deno.test("kicks follow used.flags without EVENT_IDX, and avail_event with it", () => {
  const flags = world();
  const set = (w: World, at: number, value: number) => w.guest.memory.write(w.base + USED + at, 2, value);
  flags.queue.add(requestList(), 0);
  flags.queue.kick();
  set(flags, 0, 1);
  flags.queue.add(requestList(), 1);
  flags.queue.kick();
  assertEquals(flags.kicks, 1);

  const event = world({ eventIndex: true });
  const one = () => new BufferList(1).in(0x10000, 8);
  const kicks: number[] = [];
  for (const availEvent of [0, 0, 2, 2]) {
    set(event, 4 + 8 * 8, availEvent);
    event.queue.add(one(), 0);
    event.queue.kick();
    kicks.push(event.kicks);
  }
  assertEquals(kicks, [1, 1, 2, 2]);
});

Deno.test("interrupts are asked for through avail.flags without EVENT_IDX, and through used_event with it", () => {
  const flags = world();
  flags.queue.disableInterrupt();
  assertEquals(flags.ring(AVAIL, 2), "0100");
  assertEquals(flags.queue.enableInterrupt(), true);
  assertEquals(flags.ring(AVAIL, 2), "0000");

  const event = world({ eventIndex: true });
  const usedEvent = () => event.guest.memory.read(event.base + AVAIL + 4 + 16, 2);
  event.queue.add(requestList(), 0);
  use(event, 0, 0, 1, 1);
  assertEquals(event.queue.enableInterrupt(), false, "there is a completion already");
  event.queue.poll();
  assertEquals(usedEvent(), 1);
  event.queue.disableInterrupt();
  assertEquals([usedEvent(), event.ring(AVAIL, 2)], [0, "0000"]);
});

Deno.test("after a reset every request that never completed is unmapped and handed back once", () => {
  const w = world({ indirect: true });
  w.queue.add(requestList(), 10);
  w.queue.add(new BufferList(1).in(0x14000, 64), 11);
  const back = [w.queue.detachUnused(), w.queue.detachUnused(), w.queue.detachUnused()];
  assertEquals(back, [10, 11, -1]);
  assertEquals([w.queue.free, w.stats.maps - w.stats.unmaps], [8, 0]);
  const { used } = w.guest.heap;
  w.queue.release();
  assert(w.guest.heap.used < used, "ring and tables are given back");
  assertEquals(w.stats.coherentBytes, 0);
});

Deno.test("with physical addresses nothing is mapped and the ring itself is physical", () => {
  const w = world();
  const queue = SplitDriverQueue.create({
    index: 0,
    size: 8,
    guest: w.guest,
    addressing: new PhysicalAddressing(w.guest.heap),
    indirect: true,
    eventIndex: false,
    notify() {},
  })!;
  assertEquals(queue.add(requestList(), 0), 0);
  assertEquals(queue.detachUnused(), 0);
  assertEquals([w.dma.calls, w.stats.maps], [[], 0]);
  queue.release();
});

Deno.test("a list refuses a buffer to read after one to write, and more buffers than it has room for", () => {
  assertThrows(() => new BufferList(2).in(0, 1).out(0, 1), DmaApiError, "follows one that it writes");
  assertThrows(() => new BufferList(1).in(0, 1).in(0, 1), DmaApiError, "more than 1 buffers");
});

Deno.test("NOTIFICATION_DATA: a kick carries the available index, across its wrap", () => {
  const given: number[] = [];
  const w = world({ notify: (next) => void given.push(next) });
  const one = () => new BufferList(1).in(0x10000, 8);
  for (let i = 0; i < 65536 + 3; i++) {
    w.queue.add(one(), 0);
    w.queue.kick();
    use(w, i & 7, w.guest.memory.read(w.base + AVAIL + 4 + 2 * (i & 7), 2), 8, (i + 1) & 0xffff);
    w.queue.poll();
    w.dma.calls.length = 0;
  }
  assertEquals([given.slice(0, 3), given.slice(65534)], [[1, 2, 3], [65535, 0, 1, 2, 3]]);
});

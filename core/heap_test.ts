import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "./clock.ts";
import { GuestMemoryError } from "./errors.ts";
import { GuestHeap } from "./heap.ts";
import { AddressSpace, RamRegion } from "./memory.ts";

function heap(size = 0x10000): GuestHeap {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(size)));
  return new GuestHeap(space, [[0x1000, size]]);
}

Deno.test("the heap knows what an address is", () => {
  const guest = heap();
  const buffer = guest.alloc(100)!;
  const stack = guest.alloc(64, 16, Infinity, "stack")!;
  assertEquals(guest.kindOf(buffer + 99), "heap");
  assertEquals(guest.kindOf(stack), "stack");
  guest.setKind(buffer, "read-only");
  assertEquals(guest.kindOf(buffer), "read-only");
  guest.free(buffer);
  assertEquals([guest.kindOf(buffer), guest.kindOf(0x9000), guest.kindOf(0x10)], ["freed", "unmanaged", "unmanaged"]);
});

Deno.test("memory is zeroed, aligned and below the limit", () => {
  const guest = heap();
  const first = guest.alloc(32)!;
  guest.memory.bytes(first, 32).fill(0xff);
  guest.free(first);
  const again = guest.alloc(32)!;
  assertEquals([again, guest.memory.bytes(again, 32).every((byte) => byte === 0)], [first, true]);
  assertEquals(guest.alloc(1, 0x4000)! % 0x4000, 0);
  assertEquals(guest.alloc(0x100, 16, 0x1000), null, "nothing that large below the limit");
});

Deno.test("a double free and a wild free are told", () => {
  const guest = heap();
  const buffer = guest.alloc(16)!;
  assertEquals([guest.free(buffer + 16), guest.free(buffer), guest.free(buffer)], [false, true, false]);
});

Deno.test("what cannot be done without says what it was for", () => {
  assertThrows(() => heap().require(1 << 20, "the rings of disk0"), GuestMemoryError, "the rings of disk0");
});

Deno.test("allocations never overlap and everything is given back", () => {
  const guest = heap(0x40000);
  const random = new Random(3);
  const live = new Map<number, number>();
  for (let i = 0; i < 4000; i++) {
    if (random.below(2) === 0) {
      const size = 1 + random.below(5000);
      const address = guest.alloc(size, 1 << (4 + random.below(9)));
      if (address === null) continue;
      for (const [other, length] of live) assert(address >= other + length || other >= address + size, "overlap");
      live.set(address, size);
    } else if (live.size > 0) {
      const address = [...live.keys()][random.below(live.size)];
      assert(guest.free(address));
      live.delete(address);
    }
  }
  for (const address of live.keys()) guest.free(address);
  assertEquals(guest.used, 0);
  assertEquals(guest.alloc(0x30000), 0x1000, "all of it is one block again");
});

Deno.test("a limit holds for the last byte", () => {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(1 << 16)));
  const heap = new GuestHeap(space, [[0, 1 << 16]]);
  assertEquals([heap.alloc(4096, 16, 4094), heap.alloc(4096, 16, 4095)], [null, 0]);
});

Deno.test("memory at a given place is taken whole or not at all, and freed like any other", () => {
  const guest = heap();
  guest.memory.bytes(0x5000, 0x2000).fill(7);
  assertEquals(guest.allocAt(0x5000, 0x2000, "read-only"), true);
  assertEquals([guest.kindOf(0x5000), guest.kindOf(0x6fff), guest.kindOf(0x7000)], [
    "read-only",
    "read-only",
    "unmanaged",
  ]);
  assertEquals(guest.memory.bytes(0x5000, 0x2000).some((byte) => byte !== 0), false);
  for (const [start, size] of [[0x4fff, 2], [0x6fff, 2], [0x5800, 16], [0xff00, 0x101], [0xfff, 2], [0x2000, 0]]) {
    assertEquals(guest.allocAt(start, size), false, `${start} ${size}`);
  }
  const others = [guest.allocAt(0x1000, 0x4000), guest.allocAt(0x7000, 0x9000), guest.alloc(16)];
  assertEquals([others, guest.used], [[true, true, null], 0xf000]);
  assertEquals([guest.free(0x5000), guest.alloc(0x2000, 4096)], [true, 0x5000]);
});

Deno.test("freed pieces that lie side by side are one place", () => {
  const guest = heap();
  const [first, second] = [guest.allocPages(1)!, guest.allocPages(1)!];
  guest.free(first);
  guest.free(second);
  assertEquals(guest.allocAt(first + 0x800, 0x1000), true);
});

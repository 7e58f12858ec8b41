import { assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { testWorld } from "@iova/core/testing";
import { TableMemory } from "./memory.ts";
import { PageTable, Rights } from "./page_table.ts";

const HEAP = 0x10_0000;

/** An empty page table; the root is the heap's first page, tables follow in the order in which they are made. */
function world(mode = 3, maxMode = 6, ram = 0x100_0000) {
  const { guest, space } = testWorld({ ram: [[0, ram]], heapStart: HEAP });
  const table = new PageTable(guest, new TableMemory(space), mode, maxMode);
  const word = (address: number) => space.ram(address)!.view.getBigUint64(address, true);
  /** Every entry that is not zero, by table and index. */
  const entries = (at: number) =>
    Array.from({ length: 512 }, (_, i) => [i, word(at + i * 8)] as const).filter(([, value]) => value !== 0n);
  return { guest, table, word, entries };
}

Deno.test("a page at 0xfffff000 takes three levels, written byte for byte as Linux writes them", () => {
  const { table, entries } = world();
  assertEquals(table.map(0xfffff, 0x12, 1, Rights.BOTH), true);
  assertEquals(table.root, HEAP);
  assertEquals(entries(HEAP), [[3, 0x6000_0000_0010_1401n]]);
  assertEquals(entries(HEAP + 0x1000), [[511, 0x6000_0000_0010_2201n]]);
  assertEquals(entries(HEAP + 0x2000), [[511, 0x7000_0000_0001_2001n]]);
});

Deno.test("the direction is in the rights of the leaf alone: IR to the device, IW from it", () => {
  const { table, entries } = world(1);
  table.map(1, 0x201, 1, Rights.READ);
  table.map(2, 0x202, 1, Rights.WRITE);
  assertEquals(entries(HEAP), [[1, 0x3000_0000_0020_1001n], [2, 0x5000_0000_0020_2001n]]);
});

Deno.test("64 KiB aligned on both sides are sixteen copies of one entry with a size code", () => {
  const { table, entries } = world(1);
  table.map(0x10, 0x200, 16, Rights.BOTH);
  assertEquals(entries(HEAP), Array.from({ length: 16 }, (_, i) => [0x10 + i, 0x7000_0000_0020_7e01n] as const));
  assertEquals(table.frame(0x13), 0x203);
  assertEquals(table.unmap(0x10, 16), 16);
  assertEquals(entries(HEAP), []);
});

Deno.test("2 MiB and 1 GiB are one entry a level higher, 4 MiB two copies at level 2", () => {
  const { table, entries } = world(3);
  table.map(0, 0x4_0000, 0x4_0000, Rights.BOTH);
  assertEquals(entries(HEAP), [[0, 0x7000_0000_4000_0001n]]);
  table.map(0x4_0000, 0x800, 0x200, Rights.BOTH);
  table.map(0x4_0400, 0x800, 0x400, Rights.BOTH);
  assertEquals(entries(HEAP + 0x1000), [
    [0, 0x7000_0000_0080_0001n],
    [2, 0x7000_0000_009f_fe01n],
    [3, 0x7000_0000_009f_fe01n],
  ]);
  assertEquals([table.frame(0x3_ffff), table.frame(0x4_0201), table.frame(0x4_0601)], [0x7_ffff, -1, 0xa01]);
  assertEquals(table.unmap(0x4_0400, 0x400), 0x400);
  assertEquals(entries(HEAP + 0x1000).length, 1);
});

Deno.test("a range that is aligned nowhere is cut into the largest blocks that fit", () => {
  const { table, entries } = world(1);
  table.map(3, 0x203, 6, Rights.BOTH);
  const entry = (low: bigint) => 0x7000_0000_0000_0000n | low;
  assertEquals(entries(HEAP), [
    [3, entry(0x20_3001n)],
    ...[4, 5, 6, 7].map((i) => [i, entry(0x20_5e01n)] as const),
    [8, entry(0x20_8001n)],
  ]);
});

Deno.test("an address beyond the top level puts levels on top: 3 becomes 4 at 2^39 and 6 at the top of 64 bits", () => {
  const { table, word } = world(3);
  table.map(1, 0x201, 1, Rights.BOTH);
  assertEquals([table.mode, table.grown], [3, false]);
  table.map(2 ** 27, 0x202, 1, Rights.BOTH);
  assertEquals([table.mode, table.grown], [4, true]);
  assertEquals(word(table.root), 0x6000_0000_0010_0601n, "the old root is entry 0, at level 3");
  table.map(2 ** 52 - 1, 0x203, 1, Rights.BOTH);
  assertEquals(table.mode, 6);
  assertEquals(word(table.root + 127 * 8) & 0xfffn, 0xa01n, "the last of 128 entries at level 6");
  assertEquals([1, 2 ** 27, 2 ** 52 - 1].map((page) => table.frame(page)), [0x201, 0x202, 0x203]);
});

Deno.test("a table with as many levels as the IOMMU has takes no address beyond them", () => {
  const { table } = world(3, 4);
  assertEquals(table.map(2 ** 36, 1, 1, Rights.BOTH), false);
  assertEquals(table.map(2 ** 36 - 1, 1, 1, Rights.BOTH), true);
});

Deno.test("a large page where a table stood frees the table and says that a flush is due", () => {
  const { table, guest } = world(3);
  table.map(0x200, 0x1, 1, Rights.BOTH);
  table.unmap(0x200, 1);
  const { used } = guest.heap;
  assertEquals(table.replaced, false);
  table.map(0x200, 0x800, 0x200, Rights.BOTH);
  assertEquals([table.replaced, used - guest.heap.used], [true, 4096]);
  assertEquals(table.frame(0x233), 0x833);
  table.unmap(0x200, 0x200);
  table.map(0x200, 0x5, 1, Rights.BOTH);
  assertEquals(table.frame(0x200), 5, "and small pages again");
});

Deno.test("without memory for a table nothing stays mapped, and free gives every table back", () => {
  const { table, guest } = world(3, 6, HEAP + 3 * 4096);
  assertEquals(table.map(0x1fe, 0x77, 4, Rights.BOTH), false, "two tables of level 1 are needed, one is there");
  assertEquals([0x1fe, 0x1ff, 0x200].map((page) => table.frame(page)), [-1, -1, -1]);
  assertEquals(table.map(0x1fe, 0x77, 2, Rights.BOTH), true);
  table.free();
  assertEquals([guest.heap.used, table.tables], [0, 0]);
});

const SEED = 0x7ab1e;

Deno.test(`random blocks lead where they were mapped to, and nowhere else (100,000 pages, seed ${SEED})`, () => {
  const random = new Random(SEED);
  const { table } = world(2);
  const model = new Map<number, number>();
  const live: { page: number; pages: number }[] = [];
  for (let step = 0; step < 20_000; step++) {
    const page = random.below(2 ** 20);
    const pages = 1 + random.below(random.below(2) === 0 ? 4 : 600);
    const frame = random.below(2) === 0 ? page : random.below(2 ** 30);
    if (live.length > 60) {
      const [old] = live.splice(random.below(live.length), 1);
      assertEquals(table.unmap(old.page, old.pages), old.pages);
      for (let i = 0; i < old.pages; i++) model.delete(old.page + i);
    }
    if (live.some((other) => page < other.page + other.pages && other.page < page + pages)) continue;
    assertEquals(table.map(page, frame, pages, Rights.BOTH), true);
    live.push({ page, pages });
    for (let i = 0; i < pages; i++) model.set(page + i, frame + i);
    for (let probe = 0; probe < 5; probe++) {
      const at = random.below(2) === 0 ? random.below(2 ** 20) : page + random.below(pages);
      const expected = model.get(at) ?? -1;
      if (table.frame(at) !== expected) assertEquals(table.frame(at), expected, `page ${at}`);
    }
  }
});

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { IotlbTable } from "./iotlb_table.ts";

/** Every page that is known, as page, guest page and rights. */
function known(table: IotlbTable, pages: number): (readonly [number, number, number])[] {
  const found = [];
  for (let page = 0; page < pages; page++) {
    const guest = table.find(page);
    if (guest >= 0) found.push([page, guest, table.rights] as const);
  }
  return found;
}

Deno.test("a page is found with its rights, and only while it is known", () => {
  const table = new IotlbTable();
  table.insert(5, 1, 77, 1);
  assertEquals([table.find(5), table.rights, table.find(4), table.find(6)], [77, 1, -1, -1]);
  table.insert(5, 1, 78, 2);
  assertEquals([table.find(5), table.rights, table.size], [78, 2, 1]);
  table.remove(5, 5);
  assertEquals([table.find(5), table.size], [-1, 0]);
});

Deno.test("an invalidation in the middle of a large range leaves both of its ends", () => {
  const table = new IotlbTable();
  table.insert(1000, 4096, 50_000, 3);
  table.remove(2000, 2999);
  assertEquals([1999, 2000, 2999, 3000, 5095, 5096].map((page) => table.find(page)), [
    50_999,
    -1,
    -1,
    52_000,
    54_095,
    -1,
  ]);
});

Deno.test("the last page of the address space has a number like any other", () => {
  const table = new IotlbTable();
  const last = 2 ** 52 - 1;
  table.insert(last, 1, 9, 3);
  table.insert(2 ** 47, 65536, 100, 1);
  assertEquals([table.find(last), table.find(2 ** 47 + 65535)], [9, 65635]);
  table.remove(0xfef00, last);
  assertEquals(table.size, 0);
});

Deno.test("what is learned and forgotten in any order is what a plain list says", () => {
  const seed = Date.now() >>> 0;
  const random = new Random(seed);
  const table = new IotlbTable();
  const plain = new Map<number, readonly [number, number]>();
  const PAGES = 512;
  for (let step = 0; step < 3000; step++) {
    const first = random.below(PAGES);
    const count = 1 + random.below(random.below(4) === 0 ? 200 : 8);
    if (random.below(3) > 0) {
      const guest = random.below(1 << 20);
      const rights = 1 + random.below(3);
      table.insert(first, count, guest, rights);
      for (let i = 0; i < count; i++) plain.set(first + i, [guest + i, rights]);
    } else {
      table.remove(first, first + count - 1);
      for (let i = 0; i < count; i++) plain.delete(first + i);
    }
    if (step % 50 > 0) continue;
    const expected = [...plain].filter(([page]) => page < PAGES).sort(([a], [b]) => a - b).map((
      [page, [guest, rights]],
    ) => [page, guest, rights] as const);
    assertEquals(known(table, PAGES), expected, `step ${step} of seed ${seed}`);
  }
});

Deno.test("more pages than are kept push out the oldest, and nothing grows without end", () => {
  const table = new IotlbTable();
  for (let page = 0; page < 70_000; page++) table.insert(page, 1, page, 1);
  assert(table.size <= 65_536);
  assertEquals([table.find(0), table.find(69_999)], [-1, 69_999]);
  for (let i = 0; i < 2000; i++) table.insert(100_000 + i * 100, 100, i, 1);
  assert(table.size <= 65_536 + 1024);
});

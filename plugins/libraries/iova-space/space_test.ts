import { assertEquals, assertThrows } from "@std/assert";
import { Random, Scheduler } from "@iova/core";
import { IovaSpace, NO_IOVA } from "./space.ts";

/** The last page below 4 GiB. */
const LAST32 = 0xfffff;

Deno.test("C8: the first addresses are Linux's: one page, one page, three charged as four, and a freed one again", () => {
  const space = new IovaSpace();
  assertEquals(space.allocate(1, LAST32), 0xfffff);
  assertEquals(space.allocate(1, LAST32), 0xffffe);
  assertEquals(space.allocate(3, LAST32), 0xffff8);
  space.free(0xffffe);
  assertEquals(space.allocate(1, LAST32), 0xffffe, "last in, first out");
  assertEquals(space.allocate(17, LAST32), 0xfffc0, "32 pages, below those four");
  assertEquals(new IovaSpace().allocate(17, LAST32), 0xfffe0);
});

Deno.test("C8: a retired page is not reused before it is recycled: the next one is 0xffff7", () => {
  const space = new IovaSpace();
  space.allocate(1, LAST32);
  space.allocate(1, LAST32);
  space.allocate(3, LAST32);
  space.retire(0xffffe);
  assertEquals(space.allocate(1, LAST32), 0xffff7);
  space.recycle(0xffffe);
  assertEquals(space.allocate(1, LAST32), 0xffffe);
});

Deno.test("C8: page 0 is never handed out, however little is left", () => {
  const space = new IovaSpace();
  const pages = Array.from({ length: 4 }, () => space.allocate(1, 3));
  assertEquals(pages, [3, 2, 1, NO_IOVA]);
  assertThrows(() => new IovaSpace({ start: 0 }), RangeError, "page 1");
});

Deno.test("C10: blocks of three, two and seventeen pages lie where Linux puts them", () => {
  for (const [pages, first] of [[3, 0xffffc], [2, 0xffffe], [17, 0xfffe0]]) {
    assertEquals(new IovaSpace().allocate(pages, LAST32), first);
  }
});

Deno.test("requests of 32 pages and more are not rounded, and are not cached", () => {
  const space = new IovaSpace();
  assertEquals(space.allocate(33, LAST32), 0xfffc0, "aligned to 64 pages");
  assertEquals(space.allocate(1, LAST32), 0xfffbf);
  const pages = [33, 33].map((size) => space.allocate(size, LAST32));
  space.free(pages[0]);
  assertEquals(space.ranges, 3, "back in the tree");
  space.free(0xfffbf);
  assertEquals(space.ranges, 3, "kept in a magazine");
});

Deno.test("above 4 GiB the highest pages of the mask come first", () => {
  const space = new IovaSpace();
  assertEquals(space.allocate(1, 2 ** 52 - 1), 2 ** 52 - 1);
  assertEquals(space.allocate(1, LAST32), LAST32);
  assertEquals(space.allocate(1, 2 ** 52 - 1), 2 ** 52 - 2);
});

Deno.test("a cached range above the limit is passed over, and one below it is found behind it", () => {
  const space = new IovaSpace();
  const high = space.allocate(1, LAST32);
  const low = space.allocate(1, 100);
  space.free(low);
  space.free(high);
  assertEquals(space.allocate(1, 100), low);
  assertEquals(space.allocate(1, 100), 99);
});

Deno.test("a magazine holds 127 ranges; of full ones two stay, the next goes to the depot and comes back last", () => {
  const space = new IovaSpace();
  const pages = Array.from({ length: 127 * 3 }, () => space.allocate(1, LAST32));
  for (const page of pages) space.free(page);
  assertEquals(space.ranges, 127 * 3);
  const again = Array.from({ length: 127 * 3 }, () => space.allocate(1, LAST32));
  const [first, second, third] = [pages.slice(0, 127), pages.slice(127, 254), pages.slice(254)].map((part) =>
    part.reverse()
  );
  assertEquals(again, [...third, ...first, ...second]);
});

Deno.test("a tenth of a second after the last one, the depot is down to one magazine for each CPU", () => {
  const scheduler = new Scheduler();
  const space = new IovaSpace({ after: (delay, work) => scheduler.after(delay, work) });
  const pages = Array.from({ length: 127 * 5 }, () => space.allocate(1, LAST32));
  for (const page of pages) space.free(page);
  const ranges = [space.ranges];
  while (scheduler.step()) ranges.push(space.ranges);
  assertEquals(ranges, [127 * 5, 127 * 4, 127 * 3, 127 * 3]);
  assertEquals(scheduler.now, 300e6);
});

Deno.test("a depot of fixed size gives a full magazine back at once", () => {
  const space = new IovaSpace({ depot: 1 });
  const pages = Array.from({ length: 127 * 5 }, () => space.allocate(1, LAST32));
  for (const page of pages) space.free(page);
  assertEquals(space.ranges, 127 * 3);
});

Deno.test("every CPU has magazines of its own", () => {
  const space = new IovaSpace({ cpus: 2 });
  const page = space.allocate(1, LAST32);
  space.free(page);
  space.caches.cpu = 1;
  assertEquals(space.allocate(1, LAST32), page - 1);
  space.caches.cpu = 0;
  assertEquals(space.allocate(1, LAST32), page);
});

Deno.test("when there is no room, flushing gives what caches keep to whoever needs another size", () => {
  const space = new IovaSpace();
  const pages = Array.from({ length: 15 }, () => space.allocate(1, 15));
  for (const page of pages) space.free(page);
  assertEquals(space.allocate(8, 15), NO_IOVA);
  assertEquals(space.allocate(8, 15, true), 8);
});

Deno.test("freeing what is not the start of a live allocation is refused and changes nothing", () => {
  const space = new IovaSpace();
  const page = space.allocate(4, LAST32);
  assertEquals([space.free(page + 1), space.free(5), space.free(0)], [false, false, false]);
  assertEquals(space.sizeAt(page), 4);
  assertEquals([space.free(page), space.free(page)], [true, false]);
  assertEquals(space.sizeAt(page), 0);
  assertEquals(space.live, 0);
});

const SEED = 0x5face;

Deno.test(`no two live allocations overlap, and every answer is honest (100,000 operations, seed ${SEED})`, () => {
  const random = new Random(SEED);
  const owner = new Map<number, number>();
  const live: { page: number; size: number }[] = [];
  const space = new IovaSpace({ cpus: 2 });
  for (let step = 0; step < 100_000; step++) {
    space.caches.cpu = random.below(2);
    if (live.length > 0 && random.below(100) < (live.length > 400 ? 60 : 45)) {
      const [{ page, size }] = live.splice(random.below(live.length), 1);
      assertEquals(space.sizeAt(page), size);
      assertEquals(space.free(page), true);
      for (let i = 0; i < size; i++) owner.delete(page + i);
      continue;
    }
    const size = 1 + random.below(random.below(8) === 0 ? 70 : 5);
    const last = 2000 + random.below(3000);
    const page = space.allocate(size, last, random.below(2) === 0);
    if (page === NO_IOVA) continue;
    assertEquals(page >= 1 && page + size - 1 <= last, true, `${page} for ${size} below ${last}`);
    assertEquals(page % 2 ** Math.ceil(Math.log2(size)), 0, "size-aligned");
    for (let i = 0; i < size; i++) {
      assertEquals(owner.has(page + i), false, `page ${page + i} is handed out twice`);
      owner.set(page + i, step);
    }
    live.push({ page, size });
  }
  assertEquals(space.live, live.length);
});

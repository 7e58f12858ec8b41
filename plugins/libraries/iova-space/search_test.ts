import { assertEquals, assertThrows } from "@std/assert";
import { Random } from "@iova/core";
import { RangeSearch } from "./search.ts";
import { NIL } from "./tree.ts";

/** The same search as a walk over a sorted list, one range after the other: what the tree must agree with. */
class Walk {
  readonly ranges: { lo: number; hi: number }[] = [{ lo: Number.MAX_SAFE_INTEGER, hi: Number.MAX_SAFE_INTEGER }];
  cached = this.ranges[0];
  cached32 = this.ranges[0];
  hint: number;

  constructor(readonly start: number, readonly boundary: number) {
    this.hint = boundary;
  }

  take(size: number, limit: number): number {
    if (limit <= this.boundary && size >= this.hint) return -1;
    const from = limit <= this.boundary ? this.cached32 : this.cached;
    let found = this.walk(this.ranges.indexOf(from), size, limit, this.start);
    if (found < 0 && from.hi < limit) found = this.walk(0, size, limit, from.hi + 1);
    if (found < 0) {
      this.hint = size;
      return -1;
    }
    const range = { lo: found, hi: found + size - 1 };
    this.ranges.push(range);
    this.ranges.sort((a, b) => b.lo - a.lo);
    if (range.hi < this.boundary) this.cached32 = range;
    else this.cached = range;
    return found;
  }

  walk(i: number, size: number, limit: number, bottom: number): number {
    const align = 2 ** Math.ceil(Math.log2(size));
    for (; i < this.ranges.length; i++) {
      const top = Math.min(limit, this.ranges[i].lo);
      const place = Math.floor((top - size) / align) * align;
      if (place < bottom) return -1;
      if (place > (this.ranges[i + 1]?.hi ?? this.start - 1)) return place;
    }
    return -1;
  }

  give(lo: number): void {
    const i = this.ranges.findIndex((range) => range.lo === lo);
    const [range, above] = [this.ranges[i], this.ranges[i - 1]];
    if (range === this.cached32 || (range.hi < this.boundary && lo >= this.cached32.lo)) this.cached32 = above;
    if (lo < this.boundary) this.hint = this.boundary;
    if (lo >= this.cached.lo) this.cached = above;
    this.ranges.splice(i, 1);
  }
}

const SEED = 0x10a5;

Deno.test(`the tree places ranges where a walk over all of them would (100,000 operations, seed ${SEED})`, () => {
  const random = new Random(SEED);
  for (let round = 0; round < 100; round++) {
    const boundary = 64 << random.below(4);
    const start = 1 + random.below(3);
    const [search, walk] = [new RangeSearch(start, boundary), new Walk(start, boundary)];
    const live: { node: number; lo: number }[] = [];
    for (let step = 0; step < 1000; step++) {
      if (live.length > 0 && random.below(100) < 45) {
        const [{ node, lo }] = live.splice(random.below(live.length), 1);
        search.give(node);
        walk.give(lo);
        continue;
      }
      const size = 1 + random.below(random.below(4) === 0 ? 20 : 4);
      const limit = random.below(3) === 0 ? boundary * 4 : 1 + random.below(boundary);
      const node = search.take(size, limit);
      const place = walk.take(size, limit);
      assertEquals(node === NIL ? -1 : search.tree.lo[node], place, `round ${round}, step ${step}`);
      if (node !== NIL) live.push({ node, lo: place });
    }
    assertEquals(search.tree.size, live.length);
  }
});

Deno.test("free pages above the last placed range are passed over until the space below is exhausted", () => {
  const search = new RangeSearch(1, 8);
  const take = (size: number, limit: number) => search.tree.lo[search.take(size, limit)];
  const upper = search.take(2, 8);
  assertEquals(search.tree.lo[upper], 6);
  assertEquals(take(1, 4), 3, "the search now starts at page 3");
  assertEquals([take(1, 8), take(1, 8)], [2, 1], "although 4 and 5 are free");
  assertEquals([take(1, 8), take(1, 8)], [5, 4], "once more, from the limit");
});

Deno.test("after a failure below 4 GiB, requests as large fail at once until something there is freed", () => {
  const search = new RangeSearch(1, 16);
  const upper = search.take(8, 16);
  search.take(4, 16);
  assertEquals(search.take(8, 16), NIL);
  const { tree } = search;
  const gapBelow = tree.gapBelow;
  tree.gapBelow = () => {
    throw new Error("searched");
  };
  assertEquals(search.take(8, 16), NIL, "no search");
  tree.gapBelow = gapBelow;
  search.give(upper);
  assertEquals(tree.lo[search.take(8, 16)], 8);
});

Deno.test("reserved pages are passed over, and cannot be reserved when taken", () => {
  const search = new RangeSearch(1);
  search.reserve(0xfee00, 0xfeeff);
  const pages = Array.from({ length: 0x1101 }, () => search.tree.lo[search.take(1, 0x100000)]);
  assertEquals(pages.slice(-2), [0xfef00, 0xfedff]);
  assertThrows(() => search.reserve(0xfeeff, 0xfef00), RangeError, "are not all free");
});

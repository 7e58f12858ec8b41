import { assertEquals } from "@std/assert";
import { toDmaAddr } from "@iova/core";
import { InvalidationRange } from "./invalidation_range.ts";

/** The second word of INVALIDATE_IOMMU_PAGES with PDE, as fact sheets print it. */
function q1(range: InvalidationRange): bigint {
  return toDmaAddr(range.hi, range.lo) | 2n | (range.sized ? 1n : 0n);
}

Deno.test("one page is named by its address", () => {
  assertEquals(q1(new InvalidationRange().cover(0xfffff, 1)), 0xffff_f002n);
});

Deno.test("a range is covered by the smallest aligned power of two around it, coded in the address", () => {
  const range = new InvalidationRange();
  assertEquals(q1(range.cover(2, 2)), 0x2003n, "0x2000 to 0x3fff is just that");
  assertEquals(q1(range.cover(3, 2)), 0x3003n, "0x3000 to 0x4fff needs 0x0 to 0x7fff");
  assertEquals(q1(range.cover(0x400, 0x200)), 0x4f_f003n, "2 MiB at 0x400000");
  assertEquals(q1(range.cover(2 ** 51, 2 ** 20)), 0x8000_0000_7fff_f003n, "4 GiB high up");
  assertEquals(q1(range.cover(2 ** 31, 2 ** 20)), 0x800_7fff_f003n, "4 GiB across the halves' seam");
});

Deno.test("2^51 bytes and more, and everything, are Linux's address for all", () => {
  const range = new InvalidationRange();
  assertEquals(q1(range.everything()), 0x7fff_ffff_ffff_f003n);
  assertEquals(q1(range.cover(0, 2 ** 41)), 0x7fff_ffff_ffff_f003n);
});

Deno.test("a range of one page after a larger one carries no size code", () => {
  const range = new InvalidationRange();
  range.everything();
  assertEquals([q1(range.cover(5, 1)), range.sized], [0x5002n, false]);
});

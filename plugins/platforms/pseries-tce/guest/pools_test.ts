import { assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { Bitmap } from "./bitmap.ts";
import { PoolAllocator } from "./pools.ts";

const ANYWHERE = { last: Infinity, boundary: Infinity };

Deno.test("a bitmap finds the first free entry as a walk over all bits does", () => {
  for (const size of [1, 31, 32, 33, 1000, 1024, 32768, 40_000]) {
    const random = new Random(size);
    const bitmap = new Bitmap(size);
    const bits = new Uint8Array(size);
    for (let step = 0; step < 300; step++) {
      const first = random.below(size);
      const count = 1 + random.below(Math.min(size - first, 1 << random.below(12)));
      const taken = random.below(4) !== 0;
      if (taken) bitmap.set(first, count);
      else bitmap.clear(first, count);
      bits.fill(taken ? 1 : 0, first, first + count);
      const from = random.below(size);
      const free = bits.indexOf(0, from);
      assertEquals(bitmap.nextFree(from), free, `size ${size}, step ${step}`);
      const used = bits.indexOf(1, from);
      assertEquals(bitmap.nextUsed(from, size), used < 0 ? size : used);
      assertEquals(bitmap.has(from), bits[from] === 1);
    }
    assertEquals(bitmap.used, bits.reduce((sum, bit) => sum + bit, 0));
  }
});

Deno.test("each CPU begins in the pool that Linux's hash gives it", () => {
  const firsts = [0, 1, 2, 3, 4, 5, 6, 7].map((cpu) => {
    const pools = new PoolAllocator(262144, 12, 0);
    pools.cpu = cpu;
    return Math.floor(pools.take(1, 1, ANYWHERE, 0) / 49152);
  });
  assertEquals(firsts, [0, 1, 3, 0, 2, 3, 1, 2]);
});

Deno.test("windows of less than 1 GiB have one pool, and a quarter for large requests", () => {
  const pools = new PoolAllocator(65536, 12, 0);
  pools.cpu = 1;
  assertEquals([pools.take(1, 1, ANYWHERE, 0), pools.take(16, 1, ANYWHERE, 0)], [1, 49152]);
  const two = new PoolAllocator(524288, 12, 0);
  assertEquals(two.take(16, 1, ANYWHERE, 0) * 4096, 0x6000_0000);
});

Deno.test("a pool that is full is followed by every other and then by the one for large requests", () => {
  const pools = new PoolAllocator(262144, 12, 0);
  const takeAll = () => {
    let count = 0;
    while (pools.take(1, 1, ANYWHERE, 0) >= 0) count++;
    return count;
  };
  // Entry 0, and the last entry of each of the five pools, are never handed out.
  assertEquals(takeAll(), 262144 - 1 - 5);
  assertEquals(pools.used, 262144 - 6);
  pools.give(200_000, 1);
  assertEquals(pools.take(1, 1, ANYWHERE, 0), 200_000);
});

Deno.test("a small request leaves a gap, a large one does not", () => {
  const pools = new PoolAllocator(262144, 12, 0);
  const take = (count: number) => pools.take(count, 1, ANYWHERE, 0);
  assertEquals([take(3), take(15), take(1), take(17), take(16)], [1, 16, 32, 196608, 196625]);
});

Deno.test("what was given back is found again only after the search has come round", () => {
  const pools = new PoolAllocator(65536, 12, 0);
  const first = pools.take(1, 1, ANYWHERE, 0);
  pools.give(first, 1);
  assertEquals(pools.take(1, 1, ANYWHERE, 0), 16);
});

Deno.test("a range neither leaves what the device can address nor crosses its boundary", () => {
  const pools = new PoolAllocator(262144, 12, 0);
  const low = { last: 0xfff, boundary: Infinity };
  // 16 MiB can be addressed: requests of any size come from the start, the last page excluded.
  assertEquals([pools.take(16, 1, low, 0), pools.take(1, 1, low, 0)], [1, 17]);
  assertEquals(pools.take(0xfee, 1, low, 0), -1);
  const bounded = new PoolAllocator(262144, 12, 0);
  const limits = { last: Infinity, boundary: 4 };
  assertEquals([bounded.take(3, 1, limits, 0), bounded.take(4, 1, limits, 0), bounded.take(5, 1, limits, 0)], [
    1,
    16,
    -1,
  ]);
  const odd = new PoolAllocator(262144, 12, 0);
  odd.take(2, 1, limits, 0);
  odd.take(2, 1, limits, 3);
  assertEquals(odd.end, 6);
});

Deno.test("an aligned range begins at a multiple", () => {
  const pools = new PoolAllocator(262144, 12, 0);
  assertEquals([pools.take(4, 4, ANYWHERE, 0), pools.take(2, 32, ANYWHERE, 0)], [4, 32]);
});

Deno.test("the next element of a list continues where the last one ended", () => {
  const pools = new PoolAllocator(262144, 12, 0);
  const first = pools.take(2, 1, ANYWHERE, 0);
  assertEquals([first, pools.end, pools.take(2, 1, ANYWHERE, pools.end)], [1, 3, 3]);
  // A wish outside the pool is not heard.
  assertEquals(pools.take(1, 1, ANYWHERE, 200_000), 16);
});

import { assert, assertEquals } from "@std/assert";
import { DmaHandle, Random } from "@iova/core";
import { AddressCache, PAYLOAD, type Policy } from "./address_cache.ts";

const CASES = 100_000;
const handle = new DmaHandle();

/** A cache that takes bigints, with a number of the test's as payload. */
function cacheOf(entries: number, ways: number, policy: Policy = "lru") {
  const cache = new AddressCache(entries, ways, policy, new Random(3));
  return {
    put(domain: number, address: bigint, shift: number, payload: number): void {
      const { hi, lo } = handle.set(address);
      cache.words[cache.insert(domain, hi, lo, shift) + PAYLOAD] = payload;
    },
    get(domain: number, address: bigint): number {
      const { hi, lo } = handle.set(address);
      const at = cache.find(domain, hi, lo);
      return at < 0 ? 0 : cache.words[at + PAYLOAD];
    },
    drop(domain: number, address: bigint, shift: number): void {
      const { hi, lo } = handle.set(address);
      cache.invalidate(domain, hi, lo, shift);
    },
    clear: () => cache.clear(),
  };
}

Deno.test("an entry answers for its whole block, in its domain only", () => {
  for (const shift of [12, 13, 21, 31, 32, 33, 52, 63]) {
    const cache = cacheOf(64, 4);
    const size = 1n << BigInt(shift);
    const base = shift === 63 ? size : size * 3n % (1n << 63n);
    cache.put(7, base + 0x1000n % size, shift, 42);
    assertEquals([cache.get(7, base), cache.get(7, base + size - 1n)], [42, 42], `2^${shift} bytes`);
    assertEquals([cache.get(8, base), cache.get(7, base ^ size)], [0, 0]);
  }
});

Deno.test("a block of 2^64 bytes answers for every address", () => {
  const cache = cacheOf(64, 4);
  cache.put(7, 0x1234_5678_9abc_def0n, 64, 42);
  assertEquals([cache.get(7, 0n), cache.get(7, 0xffff_ffff_ffff_ffffn), cache.get(6, 0n)], [42, 42, 0]);
});

Deno.test("an empty cache answers nothing, not even for address 0 of domain 0", () => {
  assertEquals(cacheOf(64, 4).get(0, 0n), 0);
});

Deno.test("clearing drops entries that were found by a hint", () => {
  const cache = cacheOf(64, 4);
  cache.put(0, 0n, 12, 42);
  assertEquals(cache.get(0, 0n), 42);
  cache.clear();
  assertEquals(cache.get(0, 0n), 0);
});

Deno.test(`what is found was put there and not dropped since (${CASES} operations, seed 5)`, () => {
  const random = new Random(5);
  const cache = cacheOf(64, 4, "random");
  let model: { domain: number; first: bigint; last: bigint; payload: number }[] = [];
  const place = () => {
    const shift = [12, 12, 12, 13, 16, 21, 30, 32, 40][random.below(9)];
    const size = 1n << BigInt(shift);
    const address = BigInt(random.below(1 << 16)) << BigInt([12, 12, 20, 36][random.below(4)]);
    const first = address - address % size;
    return { domain: random.below(3), shift, address, first, last: first + size - 1n };
  };
  let found = 0;
  for (let payload = 1; payload <= CASES; payload++) {
    const { domain, shift, address, first, last } = place();
    switch (random.below(3)) {
      case 0:
        if (cache.get(domain, address) !== 0) break;
        cache.put(domain, address, shift, payload);
        model.push({ domain, first, last, payload });
        break;
      case 1:
        if (random.below(4) > 0) break;
        cache.drop(domain, address, shift);
        model = model.filter((other) => other.domain !== domain || other.last < first || other.first > last);
        break;
      default: {
        // Half of the questions are about something that may be there.
        const known = random.below(2) === 0
          ? model[model.length - 1 - random.below(Math.min(model.length, 64))]
          : undefined;
        const asked = known === undefined ? { domain, address } : { domain: known.domain, address: known.last };
        const got = cache.get(asked.domain, asked.address);
        if (got === 0) break;
        found++;
        const entry = model.find((other) => other.payload === got);
        if (entry === undefined) throw new Error(`operation ${payload}: a dropped entry was found`);
        assert(entry.domain === asked.domain && asked.address >= entry.first && asked.address <= entry.last);
      }
    }
    if (model.length > 4000) model = model.slice(2000);
  }
  assert(found > CASES / 50, `${found} found`);
});

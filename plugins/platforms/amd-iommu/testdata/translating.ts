/**
 * What the benchmarks of translation have in common: 32 MiB mapped page by page in a table of four levels.
 *
 * @module
 */

import { Access, Random, Transaction, Translation } from "@iova/core";
import { World } from "./world.ts";

/** Pages that are mapped. */
export const PAGES = 8192;
const LEVEL4 = 0x70_0000;
const LEVEL3 = 0x70_1000;
const LEVEL2 = 0x70_2000;
const LEVEL1 = 0x80_0000;
const RW = 0x6000000000000001n;

/** 32 MiB from bus address 0xf000_0000 on, page by page, in a four-level table. */
function mapped(options: ConstructorParameters<typeof World>[0]): World {
  const world = new World(options).start();
  world.dte(RW | 2n | 4n << 9n | BigInt(LEVEL4));
  world.poke(LEVEL4, RW | 3n << 9n | BigInt(LEVEL3));
  world.poke(LEVEL3 + 3 * 8, RW | 2n << 9n | BigInt(LEVEL2));
  for (let page = 0; page < PAGES; page++) {
    const table = page >> 9;
    world.poke(LEVEL2 + (0x180 + table) * 8, RW | 1n << 9n | BigInt(LEVEL1 + table * 4096));
    world.poke(LEVEL1 + page * 8, RW | BigInt(0x10_0000 + page * 4096));
  }
  return world;
}

/** A batch of translations of random ones of the first `pages`. */
export function translating(options: ConstructorParameters<typeof World>[0], pages: number): (n: number) => void {
  const { iommu } = mapped(options);
  const random = new Random(7);
  const order = Int32Array.from({ length: 65536 }, () => 0xf000_0000 + random.below(pages) * 4096 | random.below(64));
  const tx = new Transaction();
  const out = new Translation();
  tx.requester = 0x28;
  tx.length = 64;
  return (n) => {
    for (let i = 0; i < n; i++) {
      tx.hi = 0;
      tx.lo = order[i & 0xffff];
      tx.access = Access.WRITE;
      if (iommu.translate(tx, out) !== 0) throw new Error("not mapped");
    }
  };
}

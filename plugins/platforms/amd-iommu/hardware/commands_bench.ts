/**
 * What an unmap costs the hardware: one page invalidated and waited for.
 *
 * @module
 */

import { suite } from "../../../../tests/bench/harness.ts";
import { PLACE, World } from "../testdata/world.ts";

/** Writes an invalidation and a wait into the ring, moves the tail, and lets the hardware run. */
function invalidating(): (n: number) => void {
  const world = new World().start();
  world.dte(0x6000000000700203n);
  world.poke(PLACE.ROOT + 8, 0x6000000000201001n);
  world.where(0x1000n);
  for (let at = 0; at < 0x1000; at += 32) {
    world.poke(PLACE.COMMANDS + at, 0x3000000500000000n);
    world.poke(PLACE.COMMANDS + at + 8, 0x1002n);
    world.poke(PLACE.COMMANDS + at + 16, 0x1000000000600001n);
  }
  let tail = 0;
  return (n) => {
    for (let i = 0; i < n; i++) {
      tail = tail + 32 & 0xfff;
      world.space.write(PLACE.MMIO + 0x2008, 4, tail);
      world.scheduler.settle();
    }
  };
}

await suite("amd-iommu: commands", [
  { name: "INVALIDATE_IOMMU_PAGES of a page, COMPLETION_WAIT", run: invalidating() },
]);

/**
 * What one translation through an empty bus tree costs: where does this access end? Alone in its process, because a
 * machine without translation sees no other kind of bridge either; `bus_tree_bench.ts` has the others.
 *
 * @module
 */

import { suite } from "../tests/bench/harness.ts";
import { Window } from "./bus.ts";
import { Access, BusStatus, Transaction } from "./bus_translator.ts";
import { testWorld } from "./testing.ts";

const RAM = 4 * 1024 * 1024;
const PAGES = RAM / 4096;

const { root } = testWorld({ ram: [[0, RAM]] });
const tx = new Transaction();
const window = new Window();
tx.requester = 8;
let failures = 0;

/** Asks for one page after another, so that remembering the last answer helps nobody. */
function translate(iterations: number): void {
  for (let i = 0; i < iterations; i++) {
    tx.hi = 0;
    tx.lo = (i & (PAGES - 1)) << 12;
    tx.length = 4096;
    tx.access = Access.READ;
    if (root.resolve(tx, window) !== BusStatus.OK) failures++;
  }
}

await suite("bus", [{ name: "translate, empty tree", run: translate, atMost: 0.2, heapAtMost: 0.5 }]);
if (failures > 0) throw new Error(`${failures} translations failed`);

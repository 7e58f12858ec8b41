/**
 * What one translation costs: the bus tree answers where an access ends. And what it costs a device to be shown, or to
 * read, one piece of memory: the way through its port, with its counters.
 *
 * @module
 */

import { suite } from "../tests/bench/harness.ts";
import { behind, Bridge, Bus, type BusPort, Window } from "./bus.ts";
import { Access, AddressType, BusStatus, type BusTranslator, Transaction } from "./bus_translator.ts";
import type { PieceVisitor } from "./ports.ts";
import { testWorld } from "./testing.ts";

const RAM = 4 * 1024 * 1024;
const PAGES = RAM / 4096;

/** Answers for every address with itself, in 4 KiB frames. */
const identity: BusTranslator = {
  name: "identity",
  translate(tx, out) {
    out.set(tx.hi, tx.lo, 12, Access.READ | Access.WRITE);
    return BusStatus.OK;
  },
};

/** A bus below `depth` translators. */
function busBelow(depth: number): Bus {
  const { root, context } = testWorld({ ram: [[0, RAM]] });
  if (depth === 0) return root;
  let target = behind(identity, root);
  for (let i = 1; i < depth; i++) target = behind(identity, target);
  return new Bus("below", new Bridge(target), null, context);
}

let failures = 0;

/** Asks for one page after another, so that remembering the last answer helps nobody. */
function translations(depth: number): (iterations: number) => void {
  const bus = busBelow(depth);
  const tx = new Transaction();
  const window = new Window();
  tx.requester = 8;
  tx.addressType = AddressType.UNTRANSLATED;
  return (iterations) => {
    for (let i = 0; i < iterations; i++) {
      tx.hi = 0;
      tx.lo = (i & (PAGES - 1)) << 12;
      tx.length = 4096;
      tx.access = Access.READ;
      if (bus.resolve(tx, window) !== BusStatus.OK) failures++;
    }
  };
}

function visits(at: BusPort): (iterations: number) => void {
  let last = 0;
  const visitor: PieceVisitor = { piece: (_bytes, offset) => void (last = offset) };
  return (iterations) => {
    for (let i = 0; i < iterations; i++) at.visit(0, (i & (PAGES - 1)) << 12, 4096, Access.READ, visitor);
    if (last < 0) failures++;
  };
}

function reads(at: BusPort): (iterations: number) => void {
  const into = new Uint8Array(64);
  return (iterations) => {
    for (let i = 0; i < iterations; i++) at.readAt(0, (i & (PAGES - 1)) << 12, into, 0, 16);
  };
}

await suite("bus", [
  { name: "translate, empty tree", run: translations(0), atMost: 0.2, heapAtMost: 0.5 },
  { name: "translate, one translator", run: translations(1), heapAtMost: 0.5 },
  { name: "translate, three nested", run: translations(3), heapAtMost: 0.5 },
  { name: "visit a page, empty tree", run: visits(busBelow(0).attach("dev", 8)), heapAtMost: 0.5 },
  { name: "read 16 bytes, empty tree", run: reads(busBelow(0).attach("dev", 8)), heapAtMost: 0.5 },
]);
if (failures > 0) throw new Error(`${failures} translations failed`);

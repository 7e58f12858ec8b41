/**
 * What a device pays on its way to memory: through no translator, one, and three nested ones; shown the memory, or
 * reading it.
 *
 * @module
 */

import { type Case, suite } from "../tests/bench/harness.ts";
import { behind, Bridge, Bus, type BusPort } from "./bus.ts";
import { Access, BusStatus, type BusTranslator } from "./bus_translator.ts";
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

/** A device below `depth` translators. */
function deviceBelow(depth: number): BusPort {
  const { root, context } = testWorld({ ram: [[0, RAM]] });
  if (depth === 0) return root.attach("dev", 8);
  let target = behind(identity, root);
  for (let i = 1; i < depth; i++) target = behind(identity, target);
  return new Bus("below", new Bridge(target), null, context).attach("dev", 8);
}

function cases(depth: number, what: string): Case[] {
  const port = deviceBelow(depth);
  const into = new Uint8Array(64);
  const nothing: PieceVisitor = { piece() {} };
  return [
    {
      name: `visit a page, ${what}`,
      run(iterations) {
        for (let i = 0; i < iterations; i++) port.visit(0, (i & (PAGES - 1)) << 12, 4096, Access.READ, nothing);
      },
      heapAtMost: 0.5,
    },
    {
      name: `read 16 bytes, ${what}`,
      run(iterations) {
        for (let i = 0; i < iterations; i++) port.readAt(0, (i & (PAGES - 1)) << 12, into, 0, 16);
      },
      heapAtMost: 0.5,
    },
  ];
}

await suite("bus tree", [
  ...cases(0, "empty tree"),
  ...cases(1, "one translator"),
  ...cases(3, "three nested translators"),
]);

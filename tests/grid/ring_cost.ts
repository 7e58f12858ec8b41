/**
 * What rings in memory cost a device: its accesses for each request of a virtio disk, by kind of ring. A device on a real
 * bus pays a round trip for each read, which is why rings in a device's own memory were argued for in 2014.
 *
 * @module
 */

import { type BlockDriver, BlockOp, BlockStatus } from "@iova/block";
import { loadMachine } from "@iova/core";

/** Accesses of a device for one request, on average. */
export interface RingCost {
  /** Kind of ring. */
  readonly ring: string;
  /** Requests in flight. */
  readonly depth: number;
  /** Reads of the ring: indices, slots, descriptors, event structures. */
  readonly ringReads: number;
  /** Reads of indirect tables. */
  readonly tableReads: number;
  /** Writes to the ring: used elements or descriptors, indices, event structures. */
  readonly ringWrites: number;
}

/** Kinds of ring, as options of the disk. */
export const RING_KINDS: readonly (readonly [name: string, options: Record<string, unknown>])[] = [
  ["split", { indirect: false }],
  ["split, indirect", {}],
  ["split, in order", { indirect: false, inOrder: true }],
  ["split, indirect, in order", { inOrder: true }],
  ["packed", { packed: true, indirect: false }],
  // With many requests in flight, a packed ring of this size needs tables for half of them.
  ["packed, tables when short", { packed: true, queueSize: 64 }],
  ["packed, in order", { packed: true, indirect: false, inOrder: true }],
];

const BATCHES = 32;
/** Reads of a request besides rings and tables: its header. */
const HEADER_READS = 1;

/** Measures one kind of ring with `depth` reads at a time. */
export async function ringCost(ring: string, options: Record<string, unknown>, depth: number): Promise<RingCost> {
  const machine = await loadMachine({
    memory: "16MiB",
    platform: "direct",
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "256KiB", ...options } }],
  });
  const { guest, scheduler } = machine;
  const driver = machine.driver<BlockDriver>("disk0");
  const { port } = machine.device("disk0");
  const buffer = guest.heap.require(512 * depth, "buffers", 512);
  driver.onComplete = (_, status) => {
    if (status !== BlockStatus.OK) throw new Error(`a request ended with status ${status}`);
  };
  const before = { ...machine.device("disk0").counters(), reads: port.stats.reads } as Record<string, number>;
  for (let i = 0; i < BATCHES; i++) {
    for (let tag = 0; tag < depth; tag++) {
      if (!driver.submit(BlockOp.READ, tag, buffer + 512 * tag, 512, tag)) throw new Error("the queue is full");
    }
    driver.kick();
    scheduler.settle();
  }
  const after = { ...machine.device("disk0").counters(), reads: port.stats.reads } as Record<string, number>;
  machine.stop();
  const each = (counter: string) => (after[counter] - before[counter]) / (BATCHES * depth);
  return {
    ring,
    depth,
    ringReads: each("ringReads"),
    tableReads: each("reads") - HEADER_READS,
    ringWrites: each("ringWrites"),
  };
}

/** Every kind at every depth. */
export async function ringCosts(depths: readonly number[] = [1, 32]): Promise<RingCost[]> {
  const costs: RingCost[] = [];
  for (const depth of depths) {
    for (const [ring, options] of RING_KINDS) costs.push(await ringCost(ring, options, depth));
  }
  return costs;
}

/** The costs side by side. */
export function costTable(costs: readonly RingCost[]): string {
  const head = ["accesses per request", "depth", "ring reads", "table reads", "all reads", "ring writes"];
  const body = costs.map(({ ring, depth, ringReads, tableReads, ringWrites }) => {
    const figures = [ringReads, tableReads, ringReads + tableReads, ringWrites].map((figure) => figure.toFixed(2));
    return [ring, String(depth), ...figures];
  });
  const all = [head, ...body];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) => row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  "))
    .join("\n");
}

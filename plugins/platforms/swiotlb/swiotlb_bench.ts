/**
 * What bouncing costs: a map and an unmap by themselves, beside direct mappings, and the quickstart's reads at depth 32.
 *
 * @module
 */

import { type BlockDriver, BlockOp, BlockStatus } from "@iova/block";
import { Direction, DmaHandle, loadMachine, type Machine, Random } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { type Case, suite } from "../../../tests/bench/harness.ts";
import swiotlb from "./mod.ts";

const PAGE = 4096;
const DISK = 8 * 1024 * 1024;
const DEPTH = 32;

/** Maps and unmaps `size` bytes, with `live` other mappings in the pool. */
function mapper(options: Record<string, unknown>, size: number, live = 0): (iterations: number) => void {
  const made = testPlatform(swiotlb, { with: options, ram: [[0, 0x1000_0000]] });
  const { dma } = made.device();
  const handle = new DmaHandle();
  for (let i = 0; i < live; i++) dma.mapInto(handle, 0x2_0000, 1, Direction.TO_DEVICE);
  return (iterations) => {
    for (let i = 0; i < iterations; i++) {
      if (!dma.mapInto(handle, 0x1_0000, size, Direction.FROM_DEVICE)) throw new Error("the pool is full");
      dma.unmapFrom(handle, size, Direction.FROM_DEVICE);
    }
  };
}

async function reader(platform: string): Promise<(iterations: number) => void> {
  const devices = [{ id: "disk0", use: "virtio-blk", with: { ram: DISK } }];
  return submitter(await loadMachine({ memory: "64MiB", platform, devices }));
}

/** Reads of 4 KiB at random places, 32 at a time. */
function submitter(machine: Machine): (iterations: number) => void {
  const driver = machine.driver<BlockDriver>("disk0");
  const { scheduler, guest } = machine;
  const random = new Random(1);
  const sectors = Int32Array.from({ length: 65536 }, () => random.below(DISK / PAGE) * (PAGE / 512));
  const buffers = Array.from({ length: DEPTH }, () => guest.heap.require(PAGE, "a buffer", PAGE));
  let left = 0;
  let next = 0;
  const submit = (tag: number) => {
    left--;
    const sector = sectors[next++ & 65535];
    if (!driver.submit(BlockOp.READ, sector, buffers[tag], PAGE, tag)) throw new Error("the queue is full");
  };
  driver.onComplete = (tag, status) => {
    if (status !== BlockStatus.OK) throw new Error(`a request ended with status ${status}`);
    if (left > 0) submit(tag);
  };
  return (iterations) => {
    left = iterations;
    for (let tag = 0; tag < DEPTH && left > 0; tag++) submit(tag);
    driver.kick();
    scheduler.settle();
    if (left > 0) throw new Error(`${left} requests were never made`);
  };
}

/** The reference of the reads: the same on `direct`, and two copies of 4 KiB beside it. */
async function directAndTwoCopies(): Promise<Case> {
  const read = await reader("direct");
  const buffers = new Uint8Array(2 * DEPTH * PAGE).fill(1);
  return {
    name: "direct read + 2 copies",
    run(iterations) {
      read(iterations);
      for (let i = 0; i < 2 * iterations; i++) {
        const from = (i % DEPTH) * PAGE;
        buffers.copyWithin(DEPTH * PAGE + from, from, from + PAGE);
      }
    },
  };
}

await suite("swiotlb", [
  { name: "map + unmap, 4 KiB, both copied", run: mapper({}, PAGE), heapAtMost: 1 },
  { name: "map + unmap, 64 bytes", run: mapper({}, 64), heapAtMost: 1 },
  { name: "  in a pool of 64 MiB", run: mapper({ pool: "64MiB" }, 64), heapAtMost: 1 },
  { name: "  with 30,000 of 32,768 slots in use", run: mapper({ pool: "64MiB" }, 64, 30_000), heapAtMost: 1 },
  { name: "map + unmap, not bounced", run: mapper({ force: false }, PAGE), heapAtMost: 1 },
  await directAndTwoCopies(),
  {
    name: "swiotlb read, 4 KiB, depth 32",
    run: await reader("swiotlb"),
    against: "direct read + 2 copies",
    atMost: 1.3,
  },
]);

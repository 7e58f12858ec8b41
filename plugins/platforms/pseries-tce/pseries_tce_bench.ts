/**
 * What a mapping costs through hypercalls, what a translation costs, and a whole disk's reads against `direct`.
 *
 * @module
 */

import { BlockOp, BlockStatus } from "@iova/block";
import { Access, Direction, dmaBitMask, DmaHandle, loadMachine, Random, Transaction, Translation } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { type Case, suite } from "../../../tests/bench/harness.ts";
import platform from "./mod.ts";

const PAGE = 4096;
const PAGES = 8192;
const { BIDIRECTIONAL } = Direction;

/** A device behind a window of 16 GiB in pages of 4 KiB, which is too small to be a direct one. */
function world(options: Record<string, unknown> = {}) {
  const large = { ddw: true, partition: "64GiB", largestBlock: 2 ** 22, pageSizes: "4KiB" };
  const made = testPlatform(platform, { with: { ...large, ...options } });
  const device = made.device();
  device.dma.setMask(dmaBitMask(64));
  return { ...device, translator: made.translator! };
}

/** Map + unmap of one page while `live` others stay mapped. */
function mapUnmap(live: number, against?: string): Case {
  const { dma } = world();
  const out = new DmaHandle();
  for (let i = 0; i < live; i++) {
    if (!dma.mapInto(out, 0x10_0000, PAGE, BIDIRECTIONAL)) throw new Error("the window is full");
  }
  return {
    name: `map + unmap a page, ${live} live`,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        dma.mapInto(out, 0x20_0000, PAGE, BIDIRECTIONAL);
        dma.unmapFrom(out, PAGE, BIDIRECTIONAL);
      }
    },
    ...(against && { against, atMost: 2 }),
  };
}

/** Translations of random pages of 32 MiB, in buffers of 2 MiB. */
function translations(name: string, options: Record<string, unknown>): Case {
  const { dma, translator } = world(options);
  const out = new DmaHandle();
  const his = new Int32Array(PAGES);
  const los = new Int32Array(PAGES);
  for (let i = 0; i < PAGES; i++) {
    if (i % 512 === 0 && !dma.mapInto(out, (i % 4096) * PAGE, 512 * PAGE, BIDIRECTIONAL)) throw new Error("full");
    his[i] = out.hi;
    los[i] = out.lo + (i % 512) * PAGE;
  }
  const random = new Random(1);
  const order = Int32Array.from({ length: 65536 }, () => random.below(PAGES));
  const tx = new Transaction();
  const answer = new Translation();
  tx.length = 64;
  tx.access = Access.READ;
  return {
    name,
    run(iterations) {
      let sum = 0;
      for (let i = 0; i < iterations; i++) {
        const page = order[i & 65535];
        tx.hi = his[page];
        tx.lo = los[page];
        sum += translator.translate(tx, answer);
      }
      if (sum !== 0) throw new Error("a translation failed");
    },
    heapAtMost: 0.5,
  };
}

const DISK = 64 * 1024 * 1024;
const DEPTH = 32;

/** Random reads of 4 KiB, 32 at a time, from a disk behind a platform. */
async function reads(name: string, use: string | { use: string; with: Record<string, unknown> }, aim: Partial<Case>) {
  const machine = await loadMachine({
    memory: "64MiB",
    platform: use,
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: DISK } }],
  });
  // deno-lint-ignore no-explicit-any
  const driver = machine.driver<any>("disk0");
  const { scheduler, guest } = machine;
  const buffers = Array.from({ length: DEPTH }, () => guest.heap.require(PAGE, "a buffer", PAGE));
  const random = new Random(1);
  const sectors = Int32Array.from({ length: 65536 }, () => random.below(DISK / PAGE) * (PAGE / 512));
  let left = 0;
  let next = 0;
  const submit = (tag: number) => {
    left--;
    if (!driver.submit(BlockOp.READ, sectors[next++ & 65535], buffers[tag], PAGE, tag)) throw new Error("queue full");
  };
  driver.onComplete = (tag: number, status: number) => {
    if (status !== BlockStatus.OK) throw new Error(`request ended with status ${status}`);
    if (left > 0) submit(tag);
  };
  const run = (iterations: number) => {
    left = iterations;
    for (let tag = 0; tag < DEPTH && left > 0; tag++) submit(tag);
    driver.kick();
    scheduler.settle();
    if (left > 0) throw new Error(`${left} requests were never made`);
  };
  return { name, run, ...aim };
}

await suite("pseries-tce", [
  mapUnmap(1000),
  mapUnmap(1_000_000, "map + unmap a page, 1000 live"),
  translations("translate, table of 2^22 entries", {}),
  translations("translate, direct window", { largestBlock: 0x8000_0000, pageSizes: "16MiB" }),
]);

const against = "direct";

await suite("pseries-tce, random reads of 4 KiB, 32 at a time", [
  await reads("direct", "direct", {}),
  await reads("default window", "pseries-tce", { against, atMost: 1.8 }),
  await reads("direct window", { use: "pseries-tce", with: { ddw: true } }, { against, atMost: 1.8 }),
], { rounds: 35, batch: 40 });

/**
 * What an IDE request costs, driver and device together: ten port accesses to begin it, a table fetched entry by entry, the
 * copy, an interrupt and four more accesses to end it.
 *
 * @module
 */

import { BlockOp, BlockStatus } from "@iova/block";
import { loadMachine, type Machine, Random } from "@iova/core";
import { type Case, suite } from "../../../tests/bench/harness.ts";
import type { IdeDriver } from "./mod.ts";

const MIB = 1024 * 1024;
const KIB = 1024;
/** Larger than any cache. */
const DISK = 64 * MIB;

async function machine(options: Record<string, unknown> = {}): Promise<Machine> {
  return await loadMachine({
    memory: "64MiB",
    platform: "direct",
    devices: [{ id: "disk0", use: "ide", with: { ram: DISK, ...options } }],
  });
}

/** Reads of `length` bytes, `depth` at a time, one behind the other. */
function reader(machine: Machine, length: number, depth: number): (iterations: number) => void {
  const driver = machine.driver<IdeDriver>("disk0");
  const { scheduler, guest } = machine;
  const buffers = Array.from({ length: depth }, () => guest.heap.require(length, "a buffer", 65536));
  let position = -length;
  let left = 0;
  const submit = (tag: number) => {
    left--;
    position = (position + length) % DISK;
    if (!driver.submit(BlockOp.READ, position / 512, buffers[tag], length, tag)) throw new Error("the queue is full");
  };
  driver.onComplete = (tag, status) => {
    if (status !== BlockStatus.OK) throw new Error(`a request ended with status ${status}`);
    if (left > 0) submit(tag);
  };
  return (iterations) => {
    left = iterations;
    for (let tag = 0; tag < depth && left > 0; tag++) submit(tag);
    driver.kick();
    // Bursts take time; the watch over requests is cancelled when none is left.
    while (scheduler.step()) { /* to the end */ }
    if (left > 0) throw new Error(`${left} requests were never made`);
  };
}

const PLAIN = "plain copy of 128 KiB";

/** The same bytes moved by plain copies between two arrays of the same sizes. */
function plainCopy(): Case {
  const from = new Uint8Array(DISK).fill(1);
  const to = new Uint8Array(4 * 128 * KIB).fill(1);
  let position = -128 * KIB;
  return {
    name: PLAIN,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        position = (position + 128 * KIB) % DISK;
        to.set(from.subarray(position, position + 128 * KIB), (i & 3) * 128 * KIB);
      }
    },
  };
}

const random = new Random(1);
const scattered = Int32Array.from({ length: 4096 }, () => random.below(DISK / 4096));
let next = 0;

/** Reads of 4 KiB at random. */
function random4k(machine: Machine): (iterations: number) => void {
  const driver = machine.driver<IdeDriver>("disk0");
  const buffer = machine.guest.heap.require(4096, "a buffer", 4096);
  return (iterations) => {
    let left = iterations;
    const submit = () => {
      left--;
      driver.submit(BlockOp.READ, scattered[next++ & 4095] * 8, buffer, 4096, 0);
      driver.kick();
    };
    driver.onComplete = () => left > 0 && submit();
    submit();
    machine.scheduler.settle();
  };
}

await suite("ide", [
  {
    name: "128 KiB DMA read",
    run: reader(await machine(), 128 * KIB, 4),
    against: PLAIN,
    atMost: 1 / 0.5,
  },
  {
    name: "128 KiB DMA read in bursts, leased",
    run: reader(await machine({ burstTime: 1 }), 128 * KIB, 4),
    against: PLAIN,
  },
  plainCopy(),
  { name: "512 KiB DMA read", run: reader(await machine(), 512 * KIB, 2) },
  { name: "4 KiB DMA read", run: random4k(await machine()) },
  { name: "4 KiB PIO read", run: random4k(await machine({ transfers: "pio" })) },
]);

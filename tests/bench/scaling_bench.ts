/**
 * Cost grows with work only: what one request costs does not depend on how many devices and how many mappings there are
 * besides. Random reads of 4 KiB, 32 in flight on each device that is busy.
 *
 * Where all devices are busy, reads and disks are small: otherwise it would be the buffers of 100 devices, 13 MiB, that
 * are timed, which no cache close to the processor holds.
 *
 * @module
 */

import { Direction, DmaHandle, type Machine } from "@iova/core";
import { type Case, suite } from "./harness.ts";
import { diskMachine, RandomReads } from "./disks.ts";

const DEPTH = 32;
const WITHIN = 1.2;
/** Requests of each disk in one iteration, when all are busy. */
const ROUND = 4 * DEPTH;

/** A case against the first one of its series. */
function against(first: string, name: string, run: Case["run"]): Case {
  return name === first ? { name, run } : { name, run, against: first, atMost: WITHIN };
}

/** One disk of `count` is busy. */
async function oneOf(count: number): Promise<Case> {
  const reads = new RandomReads(await diskMachine(count, "direct"), `disk${count - 1}`, DEPTH);
  return against("1 device", `${count} device${count === 1 ? "" : "s, one busy"}`, (n) => reads.run(n));
}

/** All disks of `count` are busy. */
async function allOf(count: number): Promise<Case> {
  const machine = await diskMachine(count, "direct", "16KiB");
  const all = Array.from({ length: count }, (_, i) => new RandomReads(machine, `disk${i}`, DEPTH, 512));
  const run = async (n: number) => {
    await machine.settle(Promise.all(all.map((reads) => reads.start(n * ROUND))));
  };
  const name = `${count} device${count === 1 ? "" : "s"}, all busy, 512 bytes`;
  return { ...against("1 device, all busy, 512 bytes", name, run), operations: count * ROUND };
}

/** Lends `count` buffers of 512 bytes to the device, and leaves it at that. */
function mapMany(machine: Machine, count: number): void {
  const dma = machine.dma("disk0");
  const handle = new DmaHandle();
  for (let i = 0; i < count; i++) {
    const buffer = machine.guest.heap.require(512, "a mapped buffer", 512);
    if (!dma.mapInto(handle, buffer, 512, Direction.FROM_DEVICE)) throw new Error(`mapping ${i} failed`);
  }
}

async function mapped(platform: string, count: number): Promise<Case> {
  const machine = await diskMachine(1, platform);
  mapMany(machine, count);
  const reads = new RandomReads(machine, "disk0", DEPTH);
  const name = (n: number) => `${platform}, ${n} live mapping${n === 1 ? "" : "s"}`;
  return against(name(1), name(count), (n) => reads.run(n));
}

// The first machine of a process teaches the compiler what it knows of the others: it is none of those that are timed.
await new RandomReads(await diskMachine(1, "direct"), "disk0", DEPTH).run(100_000);
const cases: Case[] = [
  await oneOf(1),
  await oneOf(10),
  await oneOf(100),
  await allOf(1),
  await allOf(10),
  await allOf(100),
];
for (const platform of ["direct", "strict"]) {
  for (const count of [1, 100, 10_000]) cases.push(await mapped(platform, count));
}
await suite("scaling", cases, { batch: 20 });

/**
 * Conformance: seeded operations in any order, against a model. The model is the contract's: a mapped buffer's bytes
 * belong to one side at a time, so one copy of them says what either side must find.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { DmaAddr, PhysAddr } from "./address.ts";
import type { Random } from "./clock.ts";
import { Direction } from "./dma_ops.ts";
import { type CaseWorld, expectBytes, type PlatformCase } from "./testing_case.ts";

const { TO_DEVICE, FROM_DEVICE } = Direction;
const SEEDS = [1, 2, 3, 4];
const STEPS = 600;
const BUFFERS = 24;

interface Buffer {
  readonly cpu: PhysAddr;
  readonly size: number;
  /** What whoever owns them must find. */
  readonly bytes: Uint8Array;
  handle: DmaAddr;
  direction: Direction;
  mapped: boolean;
}

/** One run of the generator. */
class Run {
  readonly #buffers: Buffer[];
  readonly #random: Random;

  constructor(readonly at: CaseWorld, random: Random) {
    this.#random = random;
    this.#buffers = Array.from({ length: BUFFERS }, () => this.#buffer());
  }

  /** One operation on one buffer, chosen among those that its state allows. */
  step(): void {
    const buffer = this.#buffers[this.#random.below(BUFFERS)];
    if (!buffer.mapped) return this.#map(buffer);
    const steps = [this.#deviceReads, this.#deviceWrites, this.#lend, this.#unmap];
    steps[this.#random.below(steps.length)].call(this, buffer);
  }

  /** Gives everything back. */
  end(): void {
    for (const buffer of this.#buffers) if (buffer.mapped) this.#unmap(buffer);
    this.at.expectBalance();
    assertEquals(this.at.world.warnings, [], "a driver that keeps the rules is warned about nothing");
  }

  #buffer(): Buffer {
    const random = this.#random;
    const size = 1 + random.below([16, 200, 4096, 9000][random.below(4)]);
    const bytes = new Uint8Array(size);
    random.fill(bytes);
    const cpu = this.at.holding(bytes, random.below(4096));
    return { cpu, size, bytes, handle: 0n, direction: TO_DEVICE, mapped: false };
  }

  #map(buffer: Buffer): void {
    buffer.direction = this.#random.below(3) as Direction;
    buffer.handle = this.at.map(buffer.cpu, buffer.size, buffer.direction);
    buffer.mapped = true;
  }

  #unmap(buffer: Buffer): void {
    this.at.dma.unmapSingle(buffer.handle, buffer.size, buffer.direction);
    buffer.mapped = false;
    expectBytes(this.at.cpuSees(buffer.cpu, buffer.size), buffer.bytes, "a buffer after unmapping");
    this.at.expectUntouchedAround(buffer.cpu, buffer.size);
  }

  #part({ size }: Buffer): [from: number, to: number] {
    const from = this.#random.below(size);
    return [from, from + 1 + this.#random.below(size - from)];
  }

  #deviceReads(buffer: Buffer): void {
    if (buffer.direction === FROM_DEVICE) return;
    const [from, to] = this.#part(buffer);
    const found = this.at.deviceReads(buffer.handle + BigInt(from), to - from);
    expectBytes(found, buffer.bytes.subarray(from, to), "what the device reads");
  }

  #deviceWrites(buffer: Buffer): void {
    if (buffer.direction === TO_DEVICE) return;
    const [from, to] = this.#part(buffer);
    this.#random.fill(buffer.bytes.subarray(from, to));
    this.at.deviceWrites(buffer.handle + BigInt(from), buffer.bytes.subarray(from, to));
  }

  /** Sync for the CPU, look, perhaps write, sync for the device. */
  #lend(buffer: Buffer): void {
    const { handle, direction, cpu, bytes } = buffer;
    const [from, to] = this.#part(buffer);
    const [part, length] = [handle + BigInt(from), to - from];
    this.at.dma.syncSingleForCpu(part, length, direction);
    expectBytes(this.at.cpuSees(cpu + from, length), bytes.subarray(from, to), "what the CPU sees after a sync");
    if (direction !== FROM_DEVICE) {
      this.#random.fill(bytes.subarray(from, to));
      this.at.cpuWrites(cpu + from, bytes.subarray(from, to));
    }
    this.at.dma.syncSingleForDevice(part, length, direction);
  }
}

/** The cases: one for each seed. */
export const generatedCases: readonly PlatformCase[] = SEEDS.map((seed): PlatformCase => ({
  id: `generated-${seed}`,
  name: `${STEPS} operations in an order of chance (seed ${seed}) show both sides the bytes of the model`,
  run: (at) => {
    const random = at.world.services(`generated ${seed}`).random;
    for (let i = 0; i < seed * 16; i++) random.next();
    const run = new Run(at, random);
    for (let i = 0; i < STEPS; i++) run.step();
    run.end();
  },
}));

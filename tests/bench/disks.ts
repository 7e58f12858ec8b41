/**
 * Machines with memory-backed disks, for benchmarks: random reads, as many as one asks for.
 *
 * @module
 */

import { loadMachine, type Machine, type Manifest, Random } from "@iova/core";
import { type BlockDriver, BlockOp, BlockStatus, NextRequest, RequestPump, type RequestSlot } from "@iova/block";

/** Devices on one bus; the rest goes below the next bridge. */
const PER_BUS = 20;

/** A machine with `count` disks of `size`, every one of them below a bridge. */
export function diskMachine(count: number, platform: Manifest["platform"], size = "1MiB"): Promise<Machine> {
  const buses = Array.from({ length: Math.ceil(count / PER_BUS) }, (_, i) => `bus${i}`);
  return loadMachine({
    memory: "64MiB",
    platform,
    bus: { bridges: buses.map((id) => ({ id })) },
    devices: Array.from({ length: count }, (_, i) => ({
      id: `disk${i}`,
      use: "virtio-blk",
      bus: buses[Math.floor(i / PER_BUS)],
      with: { ram: size },
    })),
  });
}

/** Random reads on one disk of a machine. */
export class RandomReads {
  readonly #pump: RequestPump;
  readonly #random = new Random(1);
  readonly #places: number;
  #left = 0;

  /** Of `length` bytes each, as many as `depth` in flight. */
  constructor(readonly machine: Machine, readonly id: string, depth: number, readonly length = 4096) {
    const driver = machine.driver<BlockDriver>(id);
    this.#places = driver.capacity * 512 / length;
    this.#pump = new RequestPump(driver, machine.guest, depth, length, "a benchmark's buffers");
  }

  /** Starts `count` reads; resolves when they are done, while the machine runs. */
  async start(count: number): Promise<void> {
    this.#left = count;
    const { id } = this;
    if (!await this.#pump.run(this)) throw new Error(`the driver of ${id} refused a request`);
  }

  /** Makes `count` reads. */
  run(count: number): Promise<void> {
    return this.machine.settle(this.start(count));
  }

  /** See `RequestSource`. */
  next(slot: RequestSlot): NextRequest {
    if (this.#left === 0) return NextRequest.END;
    this.#left--;
    slot.op = BlockOp.READ;
    slot.sector = this.#random.below(this.#places) * (this.length / 512);
    slot.length = this.length;
    return NextRequest.READY;
  }

  /** See `RequestSource`. */
  completed(_slot: RequestSlot, status: BlockStatus): void {
    if (status !== BlockStatus.OK) throw new Error(`a read of ${this.id} failed with status ${status}`);
  }
}

/** The machine P-swi of the DMA API's conformance cases: a forced pool of 2048 slots at 0x0400_0000, one area. */

import {
  type BusPort,
  BusStatus,
  type DmaAddr,
  dmaBitMask,
  type DmaOps,
  type DmaStats,
  type PhysAddr,
} from "@iova/core";
import { type TestWorld, testWorld } from "@iova/core/testing";
import { CopyRules, type Regression } from "../guest_copies.ts";
import { SwiotlbDmaOps } from "../guest.ts";
import { allocPoolAt, IoTlb } from "../guest_tlb.ts";

/** Where the pool is. */
export const POOL = 0x0400_0000;
/** Where drivers' buffers are: above what a device of 32 bits reaches. */
export const HIGH = 0x1_0000_0000;
/** As the failure value is written in the cases. */
export const FAIL = 0xffff_ffff_ffff_ffffn;

export interface Swi {
  world: TestWorld;
  tlb: IoTlb;
  dma: DmaOps;
  port: BusPort;
  stats: DmaStats;
  /** The pool's bytes from `offset` on. */
  pool(offset: number, length: number): Uint8Array;
  /** Fills a buffer. */
  fill(cpu: PhysAddr, length: number, byte: number): Uint8Array;
  /** The device writes. */
  write(address: DmaAddr, bytes: number[] | Uint8Array): void;
  /** The device reads. */
  read(address: DmaAddr, length: number): number[];
}

export interface SwiOptions {
  slots?: number;
  areas?: number;
  force?: boolean;
  dynamic?: boolean;
  regression?: Regression;
  /** RAM for pools that are added, behind the first one, in bytes. */
  more?: number;
}

export function pSwi(options: SwiOptions = {}): Swi {
  const { slots = 2048, areas = 1, force = true, dynamic = false, regression = "none", more = 0 } = options;
  const world = testWorld({
    // 8 GiB of address space, of which the ends, the pool and the buffers are there.
    ram: [[0, 0x10_0000], [POOL, slots * 2048 + more], [HIGH, 0x10_0000], [0x1_fff0_0000, 0x10_0000]],
    heapStart: POOL,
  });
  const memory = allocPoolAt(world.guest, POOL, slots * 2048, areas)!;
  const tlb = new IoTlb(world.guest, world.events, memory, { areas, dynamic });
  const context = world.dmaContext("dev", 8);
  const dma = new SwiotlbDmaOps(context, tlb, { force, rules: new CopyRules(regression), cpu: 0 });
  const port = world.root.attach("dev", 8);
  dma.setMask(dmaBitMask(32));
  return {
    world,
    tlb,
    dma,
    port,
    stats: context.stats,
    pool: (offset, length) => world.bytes(POOL + offset, length),
    fill: (cpu, length, byte) => world.bytes(cpu, length).fill(byte),
    write(address, bytes) {
      const status = port.write(address, Uint8Array.from(bytes));
      if (status !== BusStatus.OK) throw new Error(`the device's write ended with status ${status}`);
    },
    read(address, length) {
      const bytes = new Uint8Array(length);
      const status = port.read(address, bytes);
      if (status !== BusStatus.OK) throw new Error(`the device's read ended with status ${status}`);
      return [...bytes];
    },
  };
}

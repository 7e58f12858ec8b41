/**
 * Who makes the addresses that a driver tells its device: the platform's `DmaOps`, or nobody (virtio 1.4 §6.1:
 * without ACCESS_PLATFORM the device uses CPU physical addresses, whatever the platform says).
 *
 * @module
 */

import {
  coherentAlign,
  type Direction,
  dmaBitMask,
  type DmaHandle,
  type DmaOps,
  type DriverContext,
  type GuestHeap,
  highHalf,
  lowHalf,
  type PhysAddr,
} from "@iova/core";
import { Feature, type FeatureSet } from "./layout_features.ts";

/** Memory of a ring: shared with the device for as long as the queue lives. Owned by the queue. */
export interface RingMemory {
  /** Where the CPU sees it: page-aligned, zeroed. */
  readonly cpu: PhysAddr;
  /** What the device is told, bits 63:32, signed. */
  readonly hi: number;
  /** Bits 31:0, signed. */
  readonly lo: number;
  /** Bytes. */
  readonly size: number;
  /** Gives it back. The device must have forgotten it. */
  free(): void;
}

/** How a queue makes addresses. Sizes are bytes. */
export interface Addressing {
  /** See {@linkcode DmaOps.mapInto}. */
  map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean;
  /** See {@linkcode DmaOps.unmapFrom}. */
  unmap(handle: DmaHandle, size: number, direction: Direction): void;
  /** Memory for a ring; null when there is none. */
  ring(size: number): RingMemory | null;
  /** The largest buffer that can be mapped at once. */
  readonly maxSize: number;
}

/** Addresses from `DmaOps`: what a driver does when ACCESS_PLATFORM is negotiated, or no other addresses are good. */
export class DmaAddressing implements Addressing {
  readonly #dma: DmaOps;
  readonly maxSize: number;

  /** Addresses from `dma`. */
  constructor(dma: DmaOps) {
    this.#dma = dma;
    this.maxSize = dma.maxMappingSize();
  }

  map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
    return this.#dma.mapInto(out, cpu, size, direction);
  }

  unmap(handle: DmaHandle, size: number, direction: Direction): void {
    this.#dma.unmapFrom(handle, size, direction);
  }

  ring(size: number): RingMemory | null {
    const block = this.#dma.allocCoherent(size);
    if (block === null) return null;
    const { cpu, handle } = block;
    return {
      cpu,
      hi: Number(BigInt.asIntN(32, handle >> 32n)),
      lo: Number(BigInt.asIntN(32, handle)),
      size,
      free: () => this.#dma.freeCoherent(size, cpu, handle),
    };
  }
}

/** CPU physical addresses, and no map calls at all. */
export class PhysicalAddressing implements Addressing {
  readonly maxSize: number = Number.MAX_SAFE_INTEGER;
  readonly #heap: GuestHeap;

  /** Rings come from `heap`. */
  constructor(heap: GuestHeap) {
    this.#heap = heap;
  }

  map(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu);
    return true;
  }

  unmap(): void {}

  ring(size: number): RingMemory | null {
    const cpu = this.#heap.alloc(size, coherentAlign(size));
    if (cpu === null) return null;
    return { cpu, hi: highHalf(cpu), lo: lowHalf(cpu), size, free: () => void this.#heap.free(cpu) };
  }
}

/** Who is to make a driver's addresses; see the option of this name. */
export type DriverAddressing = "dma-api" | "physical" | "always-dma-api" | "restricted";

/** Bits of an address that a legacy ring can have: a 32-bit number of pages of 4 KiB. */
const LEGACY_RING_BITS = 44;

/**
 * Chooses the addressing of a driver from what was negotiated, and sets the platform's masks: 64 bits, else 32, else go
 * on with a warning, as Linux's virtio does. The rings of a legacy interface are asked for below 2^44.
 */
export function chooseAddressing(
  { dma, guest, warn }: DriverContext,
  features: FeatureSet,
  choice: DriverAddressing = "dma-api",
): Addressing {
  const wide = dma.setMaskAndCoherent(dmaBitMask(64)) === 0;
  if (!wide && dma.setMaskAndCoherent(dmaBitMask(32)) !== 0) {
    warn("dma-mask", "Failed to enable 64-bit or 32-bit DMA.  Trying to continue, but this might not work.");
  }
  if (wide && !features.has(Feature.VERSION_1)) dma.setCoherentMask(dmaBitMask(LEGACY_RING_BITS));
  const asks = features.has(Feature.ACCESS_PLATFORM) || dma.mandatory === true;
  const platform = choice === "always-dma-api" || (choice !== "physical" && asks);
  return platform ? new DmaAddressing(dma) : new PhysicalAddressing(guest.heap);
}

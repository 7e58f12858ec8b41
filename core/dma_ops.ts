/**
 * `DmaOps`: what a driver calls before it tells a device where a buffer is.
 *
 * The vocabulary is Linux's (Documentation/core-api/dma-api.rst, include/linux/dma-mapping.h). Every platform plugin has
 * an implementation of this interface as its guest half; a driver is bound to one per device and never branches on which.
 *
 * **Who owns a buffer.** Between map and unmap the *device* owns it: the CPU must not touch it, except between a
 * `sync…ForCpu` and the matching `sync…ForDevice`. The direction names what the *device* may do: with
 * {@linkcode Direction.TO_DEVICE} it reads, with {@linkcode Direction.FROM_DEVICE} it writes. Coherent memory belongs to
 * both at all times. Each successful map needs exactly one unmap with the same handle, size and direction.
 *
 * **What fails.** A map can fail at any call, because IOVA space, bounce slots, table entries or references ran out. Failure
 * is a value that the driver must test ({@linkcode DmaOps.mappingError}), never an exception. Address 0 can be valid; the
 * only failure value is {@linkcode DMA_MAPPING_ERROR}. Exceptions ({@linkcode DmaApiError}) are for programming errors.
 *
 * ```ts
 * import { Direction, type DmaOps, type PhysAddr } from "@iova/core";
 *
 * // A driver lends 512 bytes at `buffer` to a device that will write them.
 * function receive(dma: DmaOps, buffer: PhysAddr, start: (address: bigint) => void): boolean {
 *   const handle = dma.mapSingle(buffer, 512, Direction.FROM_DEVICE);
 *   if (dma.mappingError(handle)) return false; // out of resources: try again later
 *   start(handle); //                               the device's descriptor gets the handle, never `buffer`
 *   dma.unmapSingle(handle, 512, Direction.FROM_DEVICE); // after completion: the bytes are the CPU's again
 *   return true;
 * }
 * ```
 *
 * @module
 */

import type { DmaAddr, DmaHandle, PhysAddr } from "./address.ts";

/** Who moves data, named from the device's side (include/linux/dma-direction.h). */
export const Direction = {
  /** The device reads and writes. */
  BIDIRECTIONAL: 0,
  /** The device reads; the CPU has written. */
  TO_DEVICE: 1,
  /** The device writes; the CPU will read. */
  FROM_DEVICE: 2,
  /** Never mappable: a debugging value. */
  NONE: 3,
} as const;
/** One of {@linkcode Direction}'s values. */
export type Direction = typeof Direction[keyof typeof Direction];

/** Attribute bits, to be or-ed (Linux Documentation/core-api/dma-attributes.rst; same bit positions). */
export const DmaAttr = {
  /** Reads and writes to the mapping may pass each other. */
  WEAK_ORDERING: 1 << 1,
  /** Writes may be buffered. */
  WRITE_COMBINE: 1 << 2,
  /** No CPU mapping is wanted for coherent memory. */
  NO_KERNEL_MAPPING: 1 << 4,
  /** No ownership transfer on this map or unmap: the driver syncs by itself. */
  SKIP_CPU_SYNC: 1 << 5,
  /** Coherent memory must be physically contiguous. */
  FORCE_CONTIGUOUS: 1 << 6,
  /** Coherent memory in single pages is good enough. */
  ALLOC_SINGLE_PAGES: 1 << 7,
  /** Do not report a failure. */
  NO_WARN: 1 << 8,
  /** Accessible to privileged device accesses only. */
  PRIVILEGED: 1 << 9,
} as const;

/** The one handle that means "not mapped": all ones. */
export const DMA_MAPPING_ERROR: DmaAddr = 0xffff_ffff_ffff_ffffn;

/** Linux error numbers used by the DMA API; they are returned negated. */
export const Errno = {
  EIO: 5,
  ENOMEM: 12,
  EFAULT: 14,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  E2BIG: 7,
  EREMOTEIO: 121,
} as const;

/** The mask with the low `bits` bits set: what a device that drives `bits` address lines can reach. */
export function dmaBitMask(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}

/** Memory that CPU and device share without syncs. Owned by the driver until it is freed. */
export interface CoherentBuffer {
  /** Where the CPU sees it: page-aligned, zeroed. */
  readonly cpu: PhysAddr;
  /** What the device is told. */
  readonly handle: DmaAddr;
  /** The size asked for, in bytes; freeing must repeat it. */
  readonly size: number;
}

/** One entry of a scatterlist. The CPU fields are the driver's; mapping fills in the DMA fields and nothing else. */
export interface ScatterEntry {
  /** First byte, as the CPU sees it. */
  cpu: PhysAddr;
  /** Length in bytes. */
  length: number;
  /** The list's end mark. Absent is right everywhere; if set anywhere it must be set on the last entry only. */
  end?: boolean;
  /** Set by mapping: bus address of DMA segment i in entry i, for i below the returned count; else all ones. */
  dmaAddress?: DmaAddr;
  /** Set by mapping: length in bytes of DMA segment i; 0 beyond the returned count. */
  dmaLength?: number;
}

/** What the device can take, set by its driver before mapping (struct device_dma_parameters). */
export interface DmaParameters {
  /** Longest DMA segment in bytes. Default 64 KiB. */
  maxSegmentSize: number;
  /** No DMA segment may cross a multiple of this + 1. Default all ones: no boundary. */
  segmentBoundaryMask: bigint;
  /** Low address bits that a bounced address must keep. Default 0. */
  minAlignMask: number;
}

/** The DMA operations of one device. See the module's text for ownership and failure. */
export interface DmaOps {
  /** Device limits that map calls honour. The driver may change them while nothing is mapped. */
  readonly params: DmaParameters;
  /**
   * True: a physical address is no bus address here, not even for a device that is addressed physically by its nature.
   * Absent: such a device takes physical addresses.
   */
  readonly mandatory?: boolean;

  /**
   * Allocates `size` bytes of zeroed memory that CPU and device share. Both addresses are aligned to the smallest power
   * of two of pages that is at least `size`. Below the *coherent* mask. Null when there is none.
   */
  allocCoherent(size: number, attrs?: number): CoherentBuffer | null;
  /** Frees coherent memory; all three values must repeat the allocation's. */
  freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr, attrs?: number): void;

  /**
   * Gives `size` bytes at `cpu`, physically contiguous, to the device. Never blocks.
   *
   * @returns the handle, or {@linkcode DMA_MAPPING_ERROR}; test it with {@linkcode DmaOps.mappingError}.
   * @throws {DmaApiError} when the direction is {@linkcode Direction.NONE} or out of range.
   */
  mapSingle(cpu: PhysAddr, size: number, direction: Direction, attrs?: number): DmaAddr;
  /** Takes the buffer back; the device's writes are visible afterwards. Repeat handle, size and direction exactly. */
  unmapSingle(handle: DmaAddr, size: number, direction: Direction, attrs?: number): void;
  /** As {@linkcode DmaOps.mapSingle}, for the bytes from `offset` in the page at `page`. */
  mapPage(page: PhysAddr, offset: number, size: number, direction: Direction, attrs?: number): DmaAddr;
  /** As {@linkcode DmaOps.unmapSingle}. */
  unmapPage(handle: DmaAddr, size: number, direction: Direction, attrs?: number): void;

  /**
   * {@linkcode DmaOps.mapSingle} without allocation, for data paths: writes the handle's halves into `out`, which stays
   * the caller's.
   *
   * @returns whether the buffer is mapped; false is this form's failure value, and testing it is the error check.
   */
  mapInto(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs?: number): boolean;
  /** {@linkcode DmaOps.unmapSingle} without allocation; `handle` is only read. */
  unmapFrom(handle: DmaHandle, size: number, direction: Direction, attrs?: number): void;

  /**
   * Maps every entry of `list`; a platform may merge neighbours.
   *
   * @returns how many DMA segments there are, in the list's first entries; 0 when nothing is mapped.
   */
  mapSg(list: ScatterEntry[], direction: Direction, attrs?: number): number;
  /** As {@linkcode DmaOps.mapSg}, but failure is −EINVAL or −EREMOTEIO (never retry), −ENOMEM (retry) or −EIO. */
  mapSgTable(list: ScatterEntry[], direction: Direction, attrs?: number): number;
  /** Unmaps a list: the *whole* list as it was given to map, not the returned count. */
  unmapSg(list: ScatterEntry[], direction: Direction, attrs?: number): void;

  /** Lends a mapped range, or a part of it, back to the CPU. */
  syncSingleForCpu(handle: DmaAddr, size: number, direction: Direction): void;
  /** Hands a mapped range, or a part of it, to the device again. */
  syncSingleForDevice(handle: DmaAddr, size: number, direction: Direction): void;
  /** {@linkcode DmaOps.syncSingleForCpu} for a whole mapped list. */
  syncSgForCpu(list: ScatterEntry[], direction: Direction): void;
  /** {@linkcode DmaOps.syncSingleForDevice} for a whole mapped list. */
  syncSgForDevice(list: ScatterEntry[], direction: Direction): void;

  /** Maps another device's registers (never RAM) for peer-to-peer access; never bounced. */
  mapResource(registers: PhysAddr, size: number, direction: Direction, attrs?: number): DmaAddr;
  /** Undoes {@linkcode DmaOps.mapResource}. */
  unmapResource(handle: DmaAddr, size: number, direction: Direction, attrs?: number): void;

  /** 0 when `handle` is good, −ENOMEM when it is the failure value. The only legal way to test a handle. */
  mappingError(handle: DmaAddr): number;

  /** Says which addresses the device can drive for streaming mappings. 0, or −EIO and the old mask stays. Default 32 bits. */
  setMask(mask: bigint): number;
  /** As {@linkcode DmaOps.setMask}, for coherent memory. */
  setCoherentMask(mask: bigint): number;
  /** Sets the streaming mask and then the coherent mask, whose result it ignores, as Linux does. */
  setMaskAndCoherent(mask: bigint): number;
  /** The smallest mask with which this device needs no bouncing. */
  requiredMask(): bigint;
  /** The largest single mapping in bytes; `Number.MAX_SAFE_INTEGER` when there is no limit. */
  maxMappingSize(): number;
  /** The largest mapping in bytes that is still cheap. */
  optMappingSize(): number;
  /** The granule − 1 to which scatterlist entries may be merged; 0 when this platform cannot merge. */
  mergeBoundary(): number;
  /** Whether this mapping needs syncs at all; false lets a driver skip them. */
  needSync(handle: DmaAddr): boolean;
}

/** What a `DmaOps` counts; the report prints it. */
export interface DmaStats {
  /** Successful maps, one for each buffer or scatterlist entry. */
  maps: number;
  /** Unmaps. */
  unmaps: number;
  /** Maps that found no resources. */
  mapFailures: number;
  /** Syncs, in either direction. */
  syncs: number;
  /** Mappings that were bounced. */
  bounces: number;
  /** Bytes copied for bounced mappings, in either direction. */
  bouncedBytes: number;
  /** Calls to the hypervisor. */
  hypercalls: number;
  /** Bytes of coherent memory held now. */
  coherentBytes: number;
}

/** Fresh counters. */
export function dmaStats(): DmaStats {
  return {
    maps: 0,
    unmaps: 0,
    mapFailures: 0,
    syncs: 0,
    bounces: 0,
    bouncedBytes: 0,
    hypercalls: 0,
    coherentBytes: 0,
  };
}

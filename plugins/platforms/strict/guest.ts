/**
 * The guest half of `strict`: every buffer is copied into private memory when it is mapped, has an address that no
 * mapping ever had or will have, and every departure from the DMA API's contract is reported under the ids of Linux's
 * own DMA debugging.
 *
 * @module
 */

import {
  BaseDmaOps,
  checkDirection,
  type CoherentBuffer,
  Direction,
  type DmaAddr,
  DmaApiError,
  DmaAttr,
  dmaBitMask,
  type DmaContext,
  type DmaCosts,
  DmaHandle,
  type DmaOps,
  PAGE_SIZE,
  type PhysAddr,
} from "@iova/core";
import type { Reach } from "./guest_addresses.ts";
import type { StrictGuest } from "./guest_bridge.ts";
import { CoherentMemory } from "./guest_coherent.ts";
import { copyMemory, sameMemory } from "./guest_copies.ts";
import { Reports } from "./guest_reports.ts";
import { Kind, LEAST_ORDER, Mapping } from "./guest_table.ts";
import { MAX_SIZE } from "./layout.ts";

/** Nanoseconds. Placeholders: a doorbell and a register read for each map and unmap. */
const COSTS: DmaCosts = { map: 200, unmap: 200, sync: 20 };
/** Nanoseconds a byte. Placeholder: 10 GB/s. */
const COPY_COST = 0.1;

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** The largest mapping whose memory is kept for reuse. */
const CHEAP_SIZE = 0x10_0000;

/** See the module's text. */
export class StrictDmaOps extends BaseDmaOps {
  protected override costs: DmaCosts = COSTS;
  readonly #bridge: StrictGuest;
  readonly #above: DmaOps | null;
  readonly #reports: Reports;
  readonly #coherent: CoherentMemory;
  readonly #mapping = new Mapping();
  readonly #frame = new DmaHandle();
  #reach: Reach | null;
  #coherentReach: Reach | null;

  /** The operations of one device behind `bridge`. */
  constructor(context: DmaContext, bridge: StrictGuest) {
    super(context);
    this.#bridge = bridge;
    this.#above = context.upstream;
    this.#reports = new Reports(context);
    this.#mapping.device = bridge.enlist(context.device.id);
    this.#mapping.requester = context.device.requester;
    this.#coherent = new CoherentMemory(context, bridge, this.#mapping.device, this.#reports);
    this.#reach = this.#coherentReach = bridge.addresses.reach(dmaBitMask(32));
    // The bridge reaches as far as what is above it does, whatever the device can drive.
    if (this.#above?.setMaskAndCoherent(dmaBitMask(64)) !== 0) this.#above?.setMaskAndCoherent(dmaBitMask(32));
  }

  override mapInto(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs = 0): boolean {
    if (!(size > 0)) throw new DmaApiError(`${size} bytes cannot be mapped`);
    return super.mapInto(out, cpu, size, direction, attrs);
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    const mapping = this.#mapping;
    const resource = mapping.kind === Kind.RESOURCE;
    const keep = resource ? PAGE_SIZE - 1 : this.params.minAlignMask;
    mapping.low = cpu & keep;
    if (mapping.low + size > MAX_SIZE) return this.#reports.refused(attrs, "too-large", "the mapping is too large");
    mapping.cpu = cpu;
    mapping.size = size;
    mapping.direction = direction;
    mapping.fit(Math.max(LEAST_ORDER, 32 - Math.clz32(keep)));
    if (resource) return this.#enterResource(out, attrs);
    const region = this.guest.memory.ram(cpu);
    if (region === null || cpu + size > region.end) return this.#reports.notMemory(attrs, cpu, size);
    const block = this.#bridge.take(mapping.low + size, false);
    if (block < 0) return this.#reports.refused(attrs, "full", `no memory to copy a buffer to (sz: ${size} bytes)`);
    mapping.block = block;
    // All of it, whatever the direction: a device that writes less must not leave foreign bytes behind.
    this.#copy(block + mapping.low, cpu, size);
    if (this.#enter(out, attrs)) return true;
    this.#bridge.give(block, mapping.low + size, true);
    return false;
  }

  protected unmap(handle: DmaHandle, size: number, direction: Direction, attrs: number): void {
    const slot = this.#expect(handle, size, direction);
    if (slot < 0) return;
    const { table, commands } = this.#bridge;
    const idle = commands.remove(handle);
    this.#frame.setHalves(table.aboveHi[slot], table.aboveLo[slot]);
    if (table.kind[slot] === Kind.SINGLE) this.#takeBack(slot, attrs, idle);
    else this.#above?.unmapResource(this.#frame.value, table.size[slot], table.direction[slot] as Direction);
    table.release(slot);
  }

  protected override syncForCpu(handle: DmaHandle, size: number, direction: Direction): void {
    const slot = this.#containing(handle, size, direction);
    if (slot < 0) return;
    const { table } = this.#bridge;
    const at = handle.lo - table.lo[slot];
    const length = Math.min(size, table.size[slot] - at);
    table.lent[slot] = 1;
    if (table.direction[slot] === TO_DEVICE) return;
    this.#above?.syncSingleForCpu(this.#partAbove(slot, at), length, table.direction[slot] as Direction);
    this.#copy(table.cpu[slot] + at, this.#bytesOf(slot) + at, length);
  }

  protected override syncForDevice(handle: DmaHandle, size: number, direction: Direction): void {
    const slot = this.#containing(handle, size, direction);
    if (slot < 0) return;
    const { table } = this.#bridge;
    const at = handle.lo - table.lo[slot];
    const length = Math.min(size, table.size[slot] - at);
    if (length === table.size[slot]) table.lent[slot] = 0;
    // What the device has written since is not overwritten.
    if (table.direction[slot] === FROM_DEVICE) return;
    this.#copy(this.#bytesOf(slot) + at, table.cpu[slot] + at, length);
    this.#above?.syncSingleForDevice(this.#partAbove(slot, at), length, table.direction[slot] as Direction);
  }

  override mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    this.#mapping.kind = Kind.RESOURCE;
    try {
      return super.mapResource(registers, size, direction, attrs);
    } finally {
      this.#mapping.kind = Kind.SINGLE;
    }
  }

  override unmapResource(handle: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.#mapping.kind = Kind.RESOURCE;
    try {
      super.unmapResource(handle, size, direction, attrs);
    } finally {
      this.#mapping.kind = Kind.SINGLE;
    }
  }

  override allocCoherent(size: number, attrs = 0): CoherentBuffer | null {
    return this.#coherent.alloc(size, attrs, this.#coherentReach);
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr): void {
    this.#coherent.free(size, cpu, handle);
  }

  protected override acceptsMask(mask: bigint): boolean {
    return this.#bridge.addresses.reach(mask) !== null;
  }

  override setMask(mask: bigint): number {
    const result = super.setMask(mask);
    if (result === 0) this.#reach = this.#bridge.addresses.reach(BigInt.asUintN(64, mask));
    return result;
  }

  override setCoherentMask(mask: bigint): number {
    const result = super.setCoherentMask(mask);
    if (result === 0) this.#coherentReach = this.#bridge.addresses.reach(BigInt.asUintN(64, mask));
    return result;
  }

  /** Addresses are made to fit, as an IOMMU makes them. */
  override requiredMask(): bigint {
    return dmaBitMask(32);
  }

  override maxMappingSize(): number {
    return Math.min(MAX_SIZE - this.params.minAlignMask, this.#above?.maxMappingSize() ?? MAX_SIZE);
  }

  override optMappingSize(): number {
    return Math.min(CHEAP_SIZE, this.maxMappingSize());
  }

  override needSync(handle: DmaAddr): boolean {
    const slot = this.#bridge.exact(this.#frame.set(handle), this.#mapping.device);
    return slot < 0 || this.#bridge.table.kind[slot] === Kind.SINGLE;
  }

  /** Enters a mapping whose bytes are in its block. */
  #enter(out: DmaHandle, attrs: number): boolean {
    const { frame, block, low, size, direction } = this.#mapping;
    if (this.#above === null) frame.setNumber(block + low);
    else if (!this.#above.mapInto(frame, block + low, size, direction, attrs)) return false;
    const failure = this.#bridge.enter(out, this.#mapping, this.#reach);
    if (failure !== null) {
      this.#above?.unmapFrom(frame, size, direction, attrs | DmaAttr.SKIP_CPU_SYNC);
      return this.#reports.refused(attrs, "full", failure);
    }
    this.stats.bounces++;
    this.stats.bouncedBytes += size;
    return true;
  }

  /** Enters registers: they are reached where they are. */
  #enterResource(out: DmaHandle, attrs: number): boolean {
    const mapping = this.#mapping;
    const { cpu, size, direction, frame } = mapping;
    frame.set(this.#above?.mapResource(cpu, size, direction, attrs) ?? BigInt(cpu));
    const failure = this.#bridge.enter(out, mapping, this.#reach);
    return failure === null || this.#reports.refused(attrs, "full", failure);
  }

  /** Gives a buffer back to the CPU: copies what the device wrote, poisons the block. */
  #takeBack(slot: number, attrs: number, idle: boolean): void {
    const { table } = this.#bridge;
    const direction = table.direction[slot] as Direction;
    const size = table.size[slot];
    const cpu = table.cpu[slot];
    const skip = (attrs & DmaAttr.SKIP_CPU_SYNC) !== 0;
    this.#above?.unmapFrom(this.#frame, size, direction, attrs);
    if (direction !== TO_DEVICE) {
      if (!skip) this.#copy(cpu, this.#bytesOf(slot), size);
    } else if (!skip && table.lent[slot] === 0 && !sameMemory(this.guest.memory, cpu, this.#bytesOf(slot), size)) {
      this.#reports.cpuWrote(cpu, size);
    }
    this.#bridge.give(table.block[slot], table.low[slot] + size, idle);
  }

  /** The slot of the mapping that an unmap names, or −1. What does not match is reported. */
  #expect(handle: DmaHandle, size: number, direction: Direction): number {
    const { table } = this.#bridge;
    const slot = this.#bridge.exact(handle, this.#mapping.device);
    if (slot < 0) {
      this.#reports.notMapped(handle, size);
      return -1;
    }
    if (table.size[slot] !== size) this.#reports.otherSize(handle, table.size[slot], size);
    if (table.kind[slot] !== this.#mapping.kind) {
      this.#reports.otherKind(handle, size, table.kind[slot], this.#mapping.kind);
      if (table.kind[slot] === Kind.COHERENT) return -1;
    }
    if (table.direction[slot] !== direction) {
      this.#reports.otherDirection(handle, size, table.direction[slot], direction);
    }
    return slot;
  }

  /** The slot of the buffer that a sync lies in, or −1. What does not match is reported. */
  #containing(handle: DmaHandle, size: number, direction: Direction): number {
    checkDirection(direction);
    const { table } = this.#bridge;
    const slot = table.find(handle.hi, handle.lo);
    const at = slot < 0 ? -1 : handle.lo - table.lo[slot];
    if (at < 0 || at >= table.size[slot] || table.device[slot] !== this.#mapping.device) {
      this.#reports.syncOfNothing(handle, size);
      return -1;
    }
    if (table.kind[slot] !== Kind.SINGLE) return -1;
    if (at + size > table.size[slot]) this.#reports.syncPastEnd(handle, table.size[slot], at + size);
    const mapped = table.direction[slot];
    if (mapped !== direction && mapped !== BIDIRECTIONAL) this.#reports.syncDirection(handle, size, mapped, direction);
    return slot;
  }

  /** Where the bytes of a mapping are. */
  #bytesOf(slot: number): PhysAddr {
    return this.#bridge.table.block[slot] + this.#bridge.table.low[slot];
  }

  /** The platform above's handle for a part of a mapping. */
  #partAbove(slot: number, at: number): DmaAddr {
    const { aboveHi, aboveLo } = this.#bridge.table;
    return this.#frame.setHalves(aboveHi[slot], aboveLo[slot]).value + BigInt(at);
  }

  #copy(to: PhysAddr, from: PhysAddr, length: number): void {
    this.guest.spend(length * COPY_COST);
    copyMemory(this.guest.memory, to, from, length);
  }
}

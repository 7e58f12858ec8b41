/**
 * The operations of a device whose backend keeps pages mapped: buffers are copied through {@linkcode PersistentPages}.
 *
 * @module
 */

import {
  coherentAlign,
  type CoherentBuffer,
  Direction,
  type DmaAddr,
  DmaAttr,
  type DmaContext,
  DmaHandle,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
} from "@iova/core";
import { GRANT_HIGH, OFFSET_MASK, REF_HIGH_MASK, REF_HIGH_SCALE, REF_SHIFT } from "../layout.ts";
import { copyMemory } from "./copies.ts";
import { GUEST_COSTS } from "./costs.ts";
import type { Frontend } from "./frontend.ts";
import { GrantDmaOps, type GrantOptions } from "./grant_ops.ts";
import { PersistentPages } from "./pages.ts";
import { Kind, Records } from "./records.ts";

/** Bytes of the largest mapping: a part of the pool, so that one driver request does not need all of it. */
const MAX_MAPPING = 0x4_0000;

/** See the module's text. */
export class PersistentGrantDmaOps extends GrantDmaOps {
  readonly #pool: PersistentPages | null;
  /** By page of the pool. */
  readonly #mappings = new Records();
  readonly #handle = new DmaHandle();

  /** The operations of one device; without memory for the pool, buffers are granted one by one. */
  constructor(context: DmaContext, frontend: Frontend, options: GrantOptions, pages: number) {
    super(context, frontend, options);
    this.#pool = PersistentPages.make(context.guest, frontend.table, options.backend, pages);
  }

  /** Ends the pool's grants; false when the backend still holds some. */
  close(): boolean {
    return this.#pool?.end(this.frontend.table) ?? true;
  }

  override maxMappingSize(): number {
    return this.#pool === null ? super.maxMappingSize() : Math.min(MAX_MAPPING, this.#pool.pages * PAGE_SIZE / 4);
  }

  override needSync(handle: DmaAddr): boolean {
    return this.#pageOf(this.#handle.set(handle)) >= 0;
  }

  protected override map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
    const pool = this.#pool;
    if (pool === null) return super.map(out, cpu, size, direction);
    if (size > this.maxMappingSize()) return false;
    const offset = cpu % PAGE_SIZE;
    const page = this.#enter(out, pool, cpu, size, direction, Kind.SINGLE, 1);
    if (page < 0) return false;
    // Also for FROM_DEVICE: what the device does not write must come back as it was.
    this.#copy(pool.base + page * PAGE_SIZE + offset, cpu, size);
    this.stats.bounces++;
    return true;
  }

  protected override unmap(handle: DmaHandle, size: number, direction: Direction, attrs = 0): void {
    const pool = this.#pool;
    const page = this.#pageOf(handle);
    if (pool === null || page < 0) return super.unmap(handle, size, direction);
    const { size: sizes, direction: directions, cpu, kind } = this.#mappings;
    if (kind[page] !== Kind.SINGLE || !this.#isFirst(handle, page)) return this.reports.notMapped(handle, size);
    if (sizes[page] !== size) this.reports.otherSize(handle, sizes[page], size);
    const mapped = directions[page] as Direction;
    if (mapped !== direction) this.reports.otherDirection(handle, mapped, direction);
    if (mapped !== Direction.TO_DEVICE && (attrs & DmaAttr.SKIP_CPU_SYNC) === 0) {
      this.#copy(cpu[page], pool.base + page * PAGE_SIZE + cpu[page] % PAGE_SIZE, sizes[page]);
    }
    this.#leave(pool, page);
  }

  protected override syncForCpu(handle: DmaHandle, size: number, direction?: Direction): void {
    const page = this.#pageOf(handle);
    if (page < 0) return super.syncForCpu(handle, size);
    if (direction !== Direction.TO_DEVICE) this.#sync(handle, page, size, true);
  }

  protected override syncForDevice(handle: DmaHandle, size: number, direction?: Direction): void {
    const page = this.#pageOf(handle);
    if (page < 0) return super.syncForDevice(handle, size);
    if (direction !== Direction.FROM_DEVICE) this.#sync(handle, page, size, false);
  }

  /** From the pool as well: the backend may have mapped it by the time that it is freed. */
  override allocCoherent(size: number): CoherentBuffer | null {
    const pool = this.#pool;
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    const out = this.#handle;
    if (pool === null || bytes > pool.pages * PAGE_SIZE) return super.allocCoherent(size);
    const align = coherentAlign(size) / PAGE_SIZE;
    const page = this.#enter(out, pool, 0, bytes, Direction.BIDIRECTIONAL, Kind.COHERENT, align);
    if (page < 0) return super.allocCoherent(size);
    const cpu = pool.base + page * PAGE_SIZE;
    this.#mappings.cpu[page] = cpu;
    this.guest.memory.bytes(cpu, bytes).fill(0);
    this.stats.coherentBytes += bytes;
    this.tell("alloc-coherent", out, size, cpu);
    return { cpu, handle: out.value, size };
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr): void {
    const pool = this.#pool;
    const page = this.#pageOf(this.#handle.set(handle));
    if (pool === null || page < 0) return super.freeCoherent(size, cpu, handle);
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    const { kind, size: sizes, cpu: cpus } = this.#mappings;
    if (kind[page] !== Kind.COHERENT || sizes[page] !== bytes || cpus[page] !== cpu) {
      return this.reports.notMapped(this.#handle, size);
    }
    this.stats.coherentBytes -= bytes;
    this.tell("free-coherent", this.#handle, size, cpu);
    this.#leave(pool, page);
  }

  #enter(
    out: DmaHandle,
    pool: PersistentPages,
    cpu: PhysAddr,
    size: number,
    direction: Direction,
    kind: number,
    align: number,
  ): number {
    const offset = cpu % PAGE_SIZE;
    const pages = Math.ceil((offset + size) / PAGE_SIZE);
    const page = pool.take(pages, align);
    if (page < 0) return -1;
    this.#mappings.add(page, pages, cpu, size, direction, kind, this.device);
    const ref = pool.firstRef + page;
    out.setHalves(GRANT_HIGH | (ref / REF_HIGH_SCALE), ref << REF_SHIFT | offset);
    return page;
  }

  #leave(pool: PersistentPages, page: number): void {
    const pages = this.#mappings.pages[page];
    this.#mappings.remove(page);
    pool.give(page, pages);
  }

  /** The first page of the mapping that a handle leads into, or −1. */
  #pageOf({ hi, lo }: DmaHandle): number {
    if (this.#pool === null || (hi & ~REF_HIGH_MASK) !== GRANT_HIGH) return -1;
    const page = (hi & REF_HIGH_MASK) * REF_HIGH_SCALE + (lo >>> REF_SHIFT) - this.#pool.firstRef;
    return page >= 0 && page < this.#pool.pages ? this.#mappings.find(page) : -1;
  }

  #isFirst({ lo }: DmaHandle, page: number): boolean {
    const ref = this.#pool!.firstRef + page;
    return (ref << REF_SHIFT | this.#mappings.cpu[page] % PAGE_SIZE) === lo;
  }

  /** Copies the part of a mapping that a sync names, clamped to the mapping. */
  #sync({ hi, lo }: DmaHandle, page: number, size: number, toCpu: boolean): void {
    const pool = this.#pool!;
    const { cpu, size: sizes } = this.#mappings;
    const at = (hi & REF_HIGH_MASK) * REF_HIGH_SCALE + (lo >>> REF_SHIFT) - pool.firstRef;
    const slot = pool.base + at * PAGE_SIZE + (lo & OFFSET_MASK);
    const within = slot - pool.base - page * PAGE_SIZE - cpu[page] % PAGE_SIZE;
    if (this.#mappings.kind[page] !== Kind.SINGLE || within < 0) return;
    const length = Math.min(size, sizes[page] - within);
    if (toCpu) this.#copy(cpu[page] + within, slot, length);
    else this.#copy(slot, cpu[page] + within, length);
  }

  #copy(to: PhysAddr, from: PhysAddr, length: number): void {
    if (length <= 0) return;
    this.guest.spend(length * GUEST_COSTS.copyByte);
    this.stats.bouncedBytes += length;
    copyMemory(this.guest.memory, to, from, length);
  }
}

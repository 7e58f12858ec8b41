/**
 * Coherent memory behind `strict`: blocks of its own, which the CPU and the device both see, at an address that is
 * neither's physical one. Nothing is copied.
 *
 * @module
 */

import {
  type CoherentBuffer,
  type DmaAddr,
  type DmaContext,
  DmaHandle,
  formatAddress,
  PAGE_SHIFT,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
} from "@iova/core";
import type { Reach } from "./guest_addresses.ts";
import type { StrictGuest } from "./guest_bridge.ts";
import { fillMemory } from "./guest_copies.ts";
import type { Reports } from "./guest_reports.ts";
import { Kind, Mapping } from "./guest_table.ts";
import { MAX_SIZE } from "./layout.ts";

/** Coherent memory of one device. */
export class CoherentMemory {
  readonly #context: DmaContext;
  readonly #bridge: StrictGuest;
  readonly #reports: Reports;
  readonly #mapping = new Mapping();
  readonly #handle = new DmaHandle();

  /** For the device with number `device`. */
  constructor(context: DmaContext, bridge: StrictGuest, device: number, reports: Reports) {
    this.#context = context;
    this.#bridge = bridge;
    this.#reports = reports;
    this.#mapping.kind = Kind.COHERENT;
    this.#mapping.device = device;
    this.#mapping.requester = context.device.requester;
  }

  /** See `DmaOps.allocCoherent`. */
  alloc(size: number, attrs: number, reach: Reach | null): CoherentBuffer | null {
    if (!(size > 0 && size <= MAX_SIZE)) return null;
    const mapping = this.#mapping;
    mapping.size = size;
    mapping.fit(PAGE_SHIFT);
    const cpu = this.#take(size, attrs);
    if (cpu === null) return null;
    mapping.cpu = mapping.block = cpu;
    const failure = this.#bridge.enter(this.#handle, mapping, reach);
    if (failure !== null) {
      this.#reports.refused(attrs, "full", failure);
      this.#giveBack(cpu, size, mapping.frame.value, true);
      return null;
    }
    this.#context.stats.coherentBytes += roundUp(size, PAGE_SIZE);
    this.#event("alloc-coherent", cpu, size);
    return { cpu, handle: this.#handle.value, size };
  }

  /** See `DmaOps.freeCoherent`. What does not match the allocation is reported, and what was allocated is freed. */
  free(size: number, cpu: PhysAddr, handle: DmaAddr): void {
    const { table, commands } = this.#bridge;
    const { device } = this.#mapping;
    const address = this.#handle.set(handle);
    const slot = this.#bridge.exact(address, device);
    if (slot < 0) return this.#reports.notMapped(address, size);
    const bytes = table.size[slot];
    if (bytes !== size) this.#reports.otherSize(address, bytes, size);
    if (table.kind[slot] !== Kind.COHERENT) {
      return this.#reports.otherKind(address, size, table.kind[slot], Kind.COHERENT);
    }
    const allocated = table.cpu[slot];
    if (allocated !== cpu) this.#reports.otherCpu(address, size, allocated, cpu);
    this.#event("free-coherent", allocated, bytes);
    this.#mapping.frame.setHalves(table.aboveHi[slot], table.aboveLo[slot]);
    const idle = commands.remove(address);
    table.release(slot);
    this.#giveBack(allocated, bytes, this.#mapping.frame.value, idle);
    this.#context.stats.coherentBytes -= roundUp(bytes, PAGE_SIZE);
  }

  /** Zeroed memory; where its first byte is on the parent bus goes into the mapping. */
  #take(size: number, attrs: number): PhysAddr | null {
    const { upstream, guest } = this.#context;
    const { frame } = this.#mapping;
    if (upstream !== null) {
      const buffer = upstream.allocCoherent(size, attrs);
      if (buffer !== null) frame.set(buffer.handle);
      return buffer?.cpu ?? null;
    }
    const block = this.#bridge.take(Math.max(size, PAGE_SIZE), true);
    if (block < 0) return null;
    fillMemory(guest.memory, block, size, 0);
    frame.setNumber(block);
    return block;
  }

  #giveBack(cpu: PhysAddr, size: number, frame: DmaAddr, idle: boolean): void {
    const { upstream } = this.#context;
    if (upstream === null) this.#bridge.give(cpu, Math.max(size, PAGE_SIZE), idle);
    else upstream.freeCoherent(size, cpu, frame);
  }

  #event(type: string, cpu: PhysAddr, size: number): void {
    const { events, device } = this.#context;
    if (!events.listening) return;
    const handle = formatAddress(this.#handle.value);
    events.emit({ type, device: device.id, cpu: formatAddress(cpu), handle, size, direction: "bidirectional" });
  }
}

/**
 * A restricted pool (device-tree `restricted-dma-pool`, and in effect the pool of a guest whose memory is encrypted):
 * the device reaches the pool and nothing else, so coherent memory comes from it too.
 *
 * @module
 */

import {
  coherentAlign,
  type CoherentBuffer,
  type DmaAddr,
  DmaAttr,
  DmaHandle,
  formatAddress,
  type GuestPort,
  PAGE_SIZE,
  type PhysAddr,
  roundUp,
} from "@iova/core";
import { SwiotlbDmaOps } from "./guest.ts";
import { SET_SIZE } from "./guest_geometry.ts";
import { BufferKind } from "./guest_pool.ts";
import type { PoolMemory } from "./guest_tlb.ts";
import { FirewallRegisters } from "./layout.ts";

/** See the module's text. */
export class RestrictedDmaOps extends SwiotlbDmaOps {
  readonly #handle = new DmaHandle();

  /** At most 256 KiB, a slot set, and within the coherent mask. Zeroed. */
  override allocCoherent(size: number): CoherentBuffer | null {
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    if (bytes > SET_SIZE) return null;
    this.request.coherent(bytes, coherentAlign(size));
    this.request.limit = this.coherentLimit;
    const pool = this.take(this.#handle, DmaAttr.NO_WARN);
    if (pool === null) return null;
    const head = this.tlb.slot;
    pool.enter(head, this.request.slots, BufferKind.COHERENT);
    pool.length[head] = bytes;
    const cpu = pool.start + pool.dataOffset(head);
    this.guest.memory.bytes(cpu, bytes).fill(0);
    this.stats.coherentBytes += bytes;
    const handle = this.#handle.value;
    this.#report("alloc-coherent", cpu, handle, size);
    return { cpu, handle, size };
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr): void {
    this.#report("free-coherent", cpu, handle, size);
    const bytes = roundUp(Math.max(size, 1), PAGE_SIZE);
    const pool = this.tlb.find(this.#handle.set(handle));
    const head = pool === null ? -1 : this.exact(pool, BufferKind.COHERENT);
    if (head < 0) return this.reports.notMapped(this.#handle, bytes);
    if (pool!.length[head] !== bytes) this.reports.otherSize(this.#handle, pool!.length[head], bytes);
    this.stats.coherentBytes -= pool!.length[head];
    this.give(pool!, head);
  }

  #report(type: string, cpu: PhysAddr, handle: DmaAddr, size: number): void {
    const { events, device } = this.context;
    if (!events.listening) return;
    const direction = "bidirectional";
    events.emit({
      type,
      device: device.id,
      cpu: formatAddress(cpu),
      handle: formatAddress(handle),
      size,
      direction,
    });
  }
}

/** What firmware does before drivers start: opens the firewall for the pool, and for nothing else, for good. */
export function restrictTo(guest: GuestPort, registers: PhysAddr, { start, bytes }: PoolMemory): void {
  const { at, mask } = FirewallRegisters;
  guest.write(registers + at.basePage, 4, start / PAGE_SIZE);
  guest.write(registers + at.pages, 4, bytes / PAGE_SIZE);
  guest.write(registers + at.enable, 4, mask.enable | mask.lock);
}

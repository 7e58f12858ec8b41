/**
 * A host bridge below other platforms: what the platform above makes of a buffer's address is what the table names.
 *
 * @module
 */

import {
  BaseDmaOps,
  type CoherentBuffer,
  type Direction,
  type DmaAddr,
  DmaAttr,
  dmaBitMask,
  type DmaContext,
  DmaHandle,
  type DmaOps,
  dmaStats,
  EventStream,
  type PhysAddr,
} from "@iova/core";
import { TceDmaOps } from "./ops.ts";
import type { GuestPhb } from "./phb.ts";

/** Addresses above this are no page numbers that a table takes. */
const HIGHEST = 2 ** 52;

/** The operations of one device; those of the bridge above, if there is one, are asked first. */
export function tceDmaOps(context: DmaContext, phb: GuestPhb): DmaOps {
  return context.upstream === null ? new TceDmaOps(context, phb) : new NestedTceDmaOps(context, phb, context.upstream);
}

/** Counts hypercalls for the device and nothing else: maps and unmaps are counted by who asks. */
function innerContext(context: DmaContext): DmaContext {
  const stats = dmaStats();
  Object.defineProperty(stats, "hypercalls", {
    get: () => context.stats.hypercalls,
    set: (value: number) => context.stats.hypercalls = value,
  });
  return { ...context, stats, events: new EventStream(() => 0) };
}

interface Nested {
  /** The handle of the platform above. */
  readonly upper: DmaAddr;
  /** The handle that was given out. */
  readonly handle: DmaAddr;
  readonly size: number;
}

/**
 * See the module's text. A window of all memory would name memory that the platform above does not, so there is none: a
 * wide mask counts as 32 bits.
 */
export class NestedTceDmaOps extends BaseDmaOps {
  readonly #above: DmaOps;
  readonly #inner: TceDmaOps;
  override readonly params: DmaOps["params"];
  // By the handle that was given out.
  readonly #live = new Map<DmaAddr, Nested>();
  readonly #upper = new DmaHandle();

  /** The operations of one device, over those of the bridge above. */
  constructor(context: DmaContext, phb: GuestPhb, above: DmaOps) {
    super(context);
    this.#above = above;
    this.#inner = new TceDmaOps(innerContext(context), phb);
    this.params = this.#inner.params;
    above.setMaskAndCoherent(dmaBitMask(64));
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    if (!this.#above.mapInto(this.#upper, cpu, size, direction, attrs)) return false;
    const upper = this.#upper.value;
    if (upper < HIGHEST && this.#inner.mapInto(out, Number(upper), size, direction, attrs)) {
      this.#note(out.value, upper, size);
      return true;
    }
    this.#above.unmapSingle(upper, size, direction, attrs | DmaAttr.SKIP_CPU_SYNC);
    return false;
  }

  protected unmap(handle: DmaHandle, size: number, direction: Direction, attrs: number): void {
    const { value } = handle;
    const nested = this.#live.get(value);
    this.#inner.unmapFrom(handle, size, direction, attrs);
    this.#live.delete(value);
    if (nested !== undefined) this.#above.unmapSingle(nested.upper, size, direction, attrs);
  }

  override allocCoherent(size: number, attrs = 0): CoherentBuffer | null {
    const buffer = this.#above.allocCoherent(size, attrs);
    if (buffer === null) return null;
    const out = new DmaHandle();
    if (buffer.handle >= HIGHEST || !this.#inner.mapShared(out, Number(buffer.handle), size)) {
      this.#above.freeCoherent(size, buffer.cpu, buffer.handle, attrs);
      return null;
    }
    this.#note(out.value, buffer.handle, size);
    return { cpu: buffer.cpu, handle: out.value, size };
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr, attrs = 0): void {
    const nested = this.#live.get(handle);
    if (nested === undefined) return this.context.warn("free", "freeCoherent of memory that is not allocated");
    this.#live.delete(handle);
    this.#inner.unmapShared(new DmaHandle().set(handle), size);
    this.#above.freeCoherent(size, cpu, nested.upper, attrs);
  }

  protected override syncForCpu({ value }: DmaHandle, size: number, direction: Direction): void {
    const upper = this.#find(value);
    if (upper !== null) this.#above.syncSingleForCpu(upper, size, direction);
  }

  protected override syncForDevice({ value }: DmaHandle, size: number, direction: Direction): void {
    const upper = this.#find(value);
    if (upper !== null) this.#above.syncSingleForDevice(upper, size, direction);
  }

  override mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    return this.#inner.mapResource(registers, size, direction, attrs);
  }

  protected override acceptsMask(mask: bigint): boolean {
    return this.#inner.setMask(mask < dmaBitMask(32) ? mask : dmaBitMask(32)) === 0;
  }

  override setCoherentMask(mask: bigint): number {
    return this.#inner.setCoherentMask(mask < dmaBitMask(32) ? mask : dmaBitMask(32));
  }

  override requiredMask(): bigint {
    return this.#inner.requiredMask();
  }

  override maxMappingSize(): number {
    return this.#above.maxMappingSize();
  }

  override needSync(handle: DmaAddr): boolean {
    const upper = this.#find(handle);
    return upper !== null && this.#above.needSync(upper);
  }

  #note(handle: DmaAddr, upper: DmaAddr, size: number): void {
    this.#live.set(handle, { upper, handle, size });
  }

  /** The handle of the platform above for a byte of a live mapping, or null. */
  #find(address: DmaAddr): DmaAddr | null {
    for (const { handle, upper, size } of this.#live.values()) {
      if (address >= handle && address < handle + BigInt(size)) return upper + (address - handle);
    }
    return null;
  }
}

/**
 * The operations of one device: machine addresses, and a bounce slot where a buffer is scattered in the machine or beyond
 * the device's mask (Linux drivers/xen/swiotlb-xen.c).
 *
 * @module
 */

import {
  BaseDmaOps,
  checkDirection,
  coherentAlign,
  type CoherentBuffer,
  copyBytes,
  Direction,
  type DmaAddr,
  DmaApiError,
  DmaAttr,
  dmaBitMask,
  type DmaContext,
  type DmaCosts,
  DmaHandle,
  formatAddress,
  PAGE_SIZE,
  type PhysAddr,
  TWO32,
} from "@iova/core";
import { SEGMENT_BYTES } from "./bounce_pool.ts";
import { BOUNCE_COSTS, COSTS } from "./costs.ts";
import { NO_FRAME } from "./p2m.ts";
import type { PvGuest } from "./pv_guest.ts";

/** Slots begin at multiples of this. */
const SLOT = 2048;

/** See the module's text. */
export class PvDmaOps extends BaseDmaOps {
  /** See {@linkcode DmaOps.mandatory}: every bus address is a machine address. */
  readonly mandatory = true;
  protected override costs: DmaCosts = COSTS;
  readonly #pv: PvGuest;
  readonly #force: boolean;
  readonly #handle = new DmaHandle();

  /** The operations of one device. `force`: bounce every buffer. */
  constructor(context: DmaContext, pv: PvGuest, force: boolean) {
    super(context);
    this.#pv = pv;
    this.#force = force;
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    const offset = cpu % PAGE_SIZE;
    const pages = Math.ceil((offset + size) / PAGE_SIZE);
    if (!this.#force && cpu + size <= this.guest.memory.ramEnd) {
      const mfn = this.#pv.frames.run((cpu - offset) / PAGE_SIZE, pages);
      if (mfn !== NO_FRAME && mfn * PAGE_SIZE + offset + size - 1 <= this.limit) {
        out.setNumber(mfn * PAGE_SIZE + offset);
        return true;
      }
    }
    return this.#bounce(out, cpu, size, direction, attrs);
  }

  protected unmap(handle: DmaHandle, _size: number, _direction: Direction, attrs: number): void {
    const pool = this.#pv.pool;
    const slot = this.#slotOf(handle);
    if (pool === null || slot < 0) return;
    if (pool.direction[slot] !== Direction.TO_DEVICE && (attrs & DmaAttr.SKIP_CPU_SYNC) === 0) {
      this.#copy(pool.cpu[slot], pool.cpuOf(slot) + pool.offset[slot], pool.size[slot]);
    }
    pool.give(slot);
  }

  protected override syncForCpu(handle: DmaHandle, size: number, direction: Direction): void {
    if (direction !== Direction.TO_DEVICE) this.#sync(handle, size, true);
  }

  protected override syncForDevice(handle: DmaHandle, size: number, direction: Direction): void {
    if (direction !== Direction.FROM_DEVICE) this.#sync(handle, size, false);
  }

  /** The end of the bounce pool must be within reach. */
  protected override acceptsMask(mask: bigint): boolean {
    return this.#pv.pool === null ? mask >= dmaBitMask(32) : mask >= BigInt(this.#pv.pool.lastMachineByte);
  }

  override requiredMask(): bigint {
    const bits = (this.#pv.info.maxMachineFrame * PAGE_SIZE - 1).toString(2).length;
    return dmaBitMask(Math.max(bits, 32));
  }

  override maxMappingSize(): number {
    return SEGMENT_BYTES - Math.ceil(this.params.minAlignMask / SLOT) * SLOT;
  }

  override needSync(handle: DmaAddr): boolean {
    return this.#slotOf(this.#handle.set(handle)) >= 0;
  }

  /** Registers are where they are: machine address = pseudo-physical address. */
  override mapResource(registers: PhysAddr, _size: number, direction: Direction): DmaAddr {
    checkDirection(direction);
    if (this.guest.memory.ram(registers) !== null) {
      throw new DmaApiError(`mapResource is for registers; ${formatAddress(registers)} is RAM`);
    }
    this.stats.maps++;
    return BigInt(registers);
  }

  override unmapResource(): void {
    this.stats.unmaps++;
  }

  override allocCoherent(size: number): CoherentBuffer | null {
    const align = coherentAlign(size);
    const cpu = this.guest.heap.alloc(align, align);
    if (cpu === null) return null;
    const before = this.#pv.memory.calls;
    const mfn = this.#pv.makeCoherent(cpu, align, this.coherentLimit);
    this.stats.hypercalls += this.#pv.memory.calls - before;
    if (mfn === NO_FRAME) {
      this.guest.heap.free(cpu);
      return null;
    }
    this.stats.coherentBytes += align;
    const handle = BigInt(mfn) * BigInt(PAGE_SIZE);
    this.#tell("alloc-coherent", handle, size, cpu);
    return { cpu, handle, size };
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr): void {
    const bytes = coherentAlign(size);
    if (!this.#pv.isCoherent(cpu, bytes)) {
      this.context.warn("free", `freeCoherent of ${formatAddress(cpu)}, ${formatAddress(handle)}: not allocated`);
      return;
    }
    this.#tell("free-coherent", handle, size, cpu);
    const before = this.#pv.memory.calls;
    this.#pv.freeCoherent(cpu, bytes);
    this.stats.hypercalls += this.#pv.memory.calls - before;
    this.stats.coherentBytes -= bytes;
  }

  /** An event about coherent memory, for those who listen. */
  #tell(type: string, handle: DmaAddr, size: number, cpu: PhysAddr): void {
    const { events, device } = this.context;
    if (!events.listening) return;
    const [from, to] = [formatAddress(cpu), formatAddress(handle)];
    events.emit({ type, device: device.id, cpu: from, handle: to, size, direction: "bidirectional" });
  }

  #bounce(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    const pool = this.#pv.pool;
    const slot = pool?.take(cpu, size, direction, this.params.minAlignMask) ?? -1;
    this.guest.spend(BOUNCE_COSTS.slots);
    if (pool === null || slot < 0) {
      if ((attrs & DmaAttr.NO_WARN) === 0) this.#full(size);
      return false;
    }
    const address = pool.machineOf(slot) + pool.offset[slot];
    if (address + size - 1 > this.limit || !this.#isMemory(cpu, size)) {
      pool.give(slot);
      return false;
    }
    this.#copy(pool.cpuOf(slot) + pool.offset[slot], cpu, size);
    this.stats.bounces++;
    out.setNumber(address);
    return true;
  }

  #full(size: number): void {
    const total = this.#pv.pool?.slots ?? 0;
    this.context.warn("swiotlb-full", `swiotlb buffer is full (sz: ${size} bytes), total ${total} (slots)`);
  }

  /** Only memory can be copied. */
  #isMemory(cpu: PhysAddr, size: number): boolean {
    const { memory } = this.guest;
    return memory.ram(cpu) !== null && memory.ram(cpu + size - 1) !== null;
  }

  /** The first slot of the buffer that a handle leads into; −1 for a handle that is no bounce address. */
  #slotOf({ hi, lo }: DmaHandle): number {
    const pool = this.#pv.pool;
    if (pool === null || hi < 0 || hi >= 0x800) return -1;
    const address = hi * TWO32 + (lo >>> 0);
    // A foreign frame may have the number of a local one: only what both tables agree in is a slot of the pool.
    const pfn = this.#pv.frames.local(Math.floor(address / PAGE_SIZE));
    return pfn === NO_FRAME ? -1 : pool.find(pfn * PAGE_SIZE + address % PAGE_SIZE);
  }

  #sync(handle: DmaHandle, size: number, toCpu: boolean): void {
    const pool = this.#pv.pool;
    const slot = this.#slotOf(handle);
    if (pool === null || slot < 0) return;
    const start = pool.machineOf(slot) + pool.offset[slot];
    const within = handle.hi * TWO32 + (handle.lo >>> 0) - start;
    const length = Math.min(size, pool.size[slot] - within);
    if (within < 0 || length <= 0) return;
    const bytes = pool.cpuOf(slot) + pool.offset[slot] + within;
    if (toCpu) this.#copy(pool.cpu[slot] + within, bytes, length);
    else this.#copy(bytes, pool.cpu[slot] + within, length);
  }

  #copy(to: PhysAddr, from: PhysAddr, length: number): void {
    this.guest.spend(length * BOUNCE_COSTS.copyByte);
    this.stats.bouncedBytes += length;
    const { memory } = this.guest;
    for (let done = 0; done < length;) {
      const source = memory.ram(from + done);
      const target = memory.ram(to + done);
      if (source === null || target === null) return;
      const piece = Math.min(length - done, source.end - from - done, target.end - to - done);
      copyBytes(target.bytes, to + done - target.base, source.bytes, from + done - source.base, piece);
      done += piece;
    }
  }
}

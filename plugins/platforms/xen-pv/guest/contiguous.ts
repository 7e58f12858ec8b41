/**
 * Memory that is contiguous in the machine: the guest exchanges its scattered frames for one extent (Linux's
 * xen_create_contiguous_region). What the pages held is lost, by design.
 *
 * @module
 */

import { type GuestPort, HypercallRegisters, PAGE_SIZE, type PhysAddr } from "@iova/core";
import { DomId, MemoryExchange, XenHypercall, XenMem } from "@iova/xen";
import { type FrameTables, NO_FRAME } from "./p2m.ts";
import type { BootInfo } from "./start_info.ts";

/** Exchanges memory for one guest. */
export class ContiguousMemory {
  /** Hypercalls made. */
  calls = 0;
  readonly #guest: GuestPort;
  readonly #frames: FrameTables;
  readonly #maxOrder: number;
  readonly #registers = new HypercallRegisters();

  constructor(guest: GuestPort, frames: FrameTables, { maxOrder }: BootInfo) {
    this.#guest = guest;
    this.#frames = frames;
    this.#maxOrder = maxOrder;
  }

  /**
   * Makes 2^order pages at `cpu` contiguous in the machine, below `bits` address bits. The pages are zeroed.
   *
   * @returns the first machine frame; {@linkcode NO_FRAME} when it cannot be done, and then the frames are the old ones.
   */
  create(cpu: PhysAddr, order: number, bits: number): number {
    if (order > this.#maxOrder) return NO_FRAME;
    const pfn = cpu / PAGE_SIZE;
    const pages = 2 ** order;
    const old = this.#frames.machine(pfn);
    if (old === NO_FRAME) return NO_FRAME;
    this.#guest.memory.bytes(cpu, pages * PAGE_SIZE).fill(0);
    const given = Array.from({ length: pages }, (_, i) => this.#frames.machine(pfn + i));
    const got = this.#exchange(given, 0, [pfn], order, bits);
    if (got === null) return NO_FRAME;
    for (let i = 0; i < pages; i++) this.#frames.setMachine(pfn + i, got[0] + i);
    return got[0];
  }

  /** Gives an extent back for single frames. The pages are zeroed. */
  destroy(cpu: PhysAddr, order: number): boolean {
    const pfn = cpu / PAGE_SIZE;
    const pages = 2 ** order;
    this.#guest.memory.bytes(cpu, pages * PAGE_SIZE).fill(0);
    const wanted = Array.from({ length: pages }, (_, i) => pfn + i);
    const got = this.#exchange([this.#frames.machine(pfn)], order, wanted, 0, 0);
    got?.forEach((mfn, i) => this.#frames.setMachine(pfn + i, mfn));
    return got !== null;
  }

  /** XENMEM_exchange: the machine frames of what was wanted, or null. */
  #exchange(given: number[], givenOrder: number, wanted: number[], wantedOrder: number, bits: number): number[] | null {
    const { heap, memory } = this.#guest;
    const inBytes = given.length * 8;
    const room = heap.alloc(MemoryExchange.size + inBytes + wanted.length * 8, 16);
    if (room === null) return null;
    const inList = room + MemoryExchange.size;
    const outList = inList + inBytes;
    memory.bytes(room, MemoryExchange.size).set(MemoryExchange.encode({
      in_extent_start: BigInt(inList),
      in_nr_extents: BigInt(given.length),
      in_extent_order: givenOrder,
      in_domid: DomId.SELF,
      out_extent_start: BigInt(outList),
      out_nr_extents: BigInt(wanted.length),
      out_extent_order: wantedOrder,
      out_mem_flags: bits,
      out_domid: DomId.SELF,
    }));
    this.#writeList(inList, given);
    this.#writeList(outList, wanted);
    this.calls++;
    this.#registers.set(0, XenMem.EXCHANGE).set(1, room);
    const status = this.#guest.hypercall(XenHypercall.MEMORY_OP, this.#registers);
    const got = status === 0 ? this.#readList(outList, wanted.length) : null;
    heap.free(room);
    return got;
  }

  #writeList(address: PhysAddr, frames: number[]): void {
    const words = this.#guest.memory.bytes(address, frames.length * 8);
    const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
    frames.forEach((frame, i) => view.setBigUint64(i * 8, BigInt(frame), true));
  }

  #readList(address: PhysAddr, length: number): number[] {
    const words = this.#guest.memory.bytes(address, length * 8);
    const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
    return Array.from({ length }, (_, i) => Number(view.getBigUint64(i * 8, true)));
  }
}

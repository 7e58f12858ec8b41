/**
 * The pools of one platform (Linux's `io_tlb_mem`): where a request finds its slots, and how pools come and go.
 *
 * @module
 */

import {
  type DmaAddr,
  dmaBitMask,
  type DmaHandle,
  type DmaOps,
  type EventStream,
  type GuestPort,
  PAGE_SIZE,
  type PhysAddr,
} from "@iova/core";
import {
  MAX_ADDED_POOL,
  MIN_POOL,
  powerOfTwo,
  roundAreas,
  roundSlots,
  SET_SIZE,
  SET_SLOTS,
  SLOT_SIZE,
  slotsFor,
} from "./guest_geometry.ts";
import { Pool } from "./guest_pool.ts";
import type { SlotRequest } from "./guest_slots.ts";

/** How pools are divided, and whether they grow. */
export interface TlbOptions {
  /** Areas of each pool, before rounding. Default 1. */
  readonly areas?: number;
  /** Pools are added and transient ones made when there is no room (Linux 6.6 and later). Default false. */
  readonly dynamic?: boolean;
}

/** Memory for a pool. */
export interface PoolMemory {
  readonly start: PhysAddr;
  readonly bus: DmaAddr;
  readonly bytes: number;
}

/** Pools lie below 4 GiB, for devices of 32 bits. */
const LOW_LIMIT = 0xffff_ffff;

/** See the module's text. */
export class IoTlb {
  /** Slots of all pools but transient ones (`io_tlb_nslabs`). */
  total = 0;
  /** Slots in use (`io_tlb_used`). */
  used = 0;
  /** Most slots ever in use at once (`io_tlb_used_hiwater`). */
  highWater = 0;
  /** Slots of transient pools (`io_tlb_transient_nslabs`). */
  transientSlots = 0;
  /** The slot that {@linkcode IoTlb.take} found. */
  slot = -1;
  /** Where the address that {@linkcode IoTlb.find} was given lies, in bytes from its pool's start. */
  offset = 0;
  /** Every pool, the first one first; looked through one by one, as Linux does. */
  readonly pools: Pool[] = [];
  readonly #guest: GuestPort;
  readonly #events: EventStream;
  readonly #dynamic: boolean;
  readonly #areas: number;
  #growing = false;

  /** The pools over `memory`; null: there are none, and nothing can be bounced. */
  constructor(guest: GuestPort, events: EventStream, memory: PoolMemory | null, options: TlbOptions = {}) {
    this.#guest = guest;
    this.#events = events;
    this.#dynamic = options.dynamic ?? false;
    this.#areas = roundAreas(options.areas ?? 1);
    if (memory !== null) this.#add(memory);
  }

  /** Whether there is anything to bounce with. */
  get active(): boolean {
    return this.pools.length > 0;
  }

  /**
   * Takes slots for a request; the first is in {@linkcode IoTlb.slot}. Null when there is no room: then, if pools may
   * grow, one is on its way.
   */
  take(request: SlotRequest): Pool | null {
    for (let i = 0; i < this.pools.length; i++) {
      const pool = this.pools[i];
      if (!pool.transient && this.#takeFrom(pool, request)) return pool;
    }
    if (!this.#dynamic || request.slots > SET_SLOTS) return null;
    this.#growLater();
    return this.#transient(request);
  }

  /** Gives a buffer's slots back. */
  release(pool: Pool, head: number): void {
    this.used -= pool.count[head];
    pool.release(head);
    if (pool.transient) this.#discard(pool);
  }

  /** The pool that a bus address lies in, with its place in {@linkcode IoTlb.offset}; null when in none. */
  find(address: DmaHandle): Pool | null {
    for (let i = 0; i < this.pools.length; i++) {
      const offset = this.pools[i].offsetOf(address);
      if (offset >= 0) {
        this.offset = offset;
        return this.pools[i];
      }
    }
    return null;
  }

  #takeFrom(pool: Pool, request: SlotRequest): boolean {
    const slot = pool.slots.take(request);
    if (slot < 0) return false;
    this.slot = slot;
    this.used += request.slots;
    if (this.used > this.highWater) this.highWater = this.used;
    return true;
  }

  #add({ start, bus, bytes }: PoolMemory): void {
    const slots = bytes / SLOT_SIZE;
    const areas = Math.min(this.#areas, slots / SET_SLOTS);
    this.pools.push(new Pool(start, slots, areas, bus));
    this.total += slots;
    if (this.#events.listening) {
      this.#events.emit({ type: "swiotlb-pool", start: hex(start), slots, total: this.total });
    }
  }

  /** A pool is added in the background: whoever ran out now does not wait for it. */
  #growLater(): void {
    if (this.#growing) return;
    this.#growing = true;
    this.#guest.post(() => {
      this.#growing = false;
      const memory = allocPool(this.#guest, clamp(this.total * SLOT_SIZE, MIN_POOL, MAX_ADDED_POOL), this.#areas);
      if (memory !== null) this.#add(memory);
    });
  }

  /** A pool for one buffer, large enough for it wherever its low bits put it. */
  #transient(request: SlotRequest): Pool | null {
    const slots = request.slots + (request.align & request.alignMask);
    const bytes = slots * SLOT_SIZE;
    const align = Math.max(PAGE_SIZE, powerOfTwo(bytes), powerOfTwo(request.alignMask * SLOT_SIZE));
    const start = this.#guest.heap.alloc(bytes, align, request.limit);
    if (start === null) return null;
    const pool = new Pool(start, slots, 1, BigInt(start), true);
    if (!this.#takeFrom(pool, request)) {
      this.#guest.heap.free(start);
      return null;
    }
    this.pools.push(pool);
    this.transientSlots += slots;
    return pool;
  }

  #discard(pool: Pool): void {
    this.pools.splice(this.pools.indexOf(pool), 1);
    this.transientSlots -= pool.slots.count;
    this.#guest.heap.free(pool.start);
  }
}

/**
 * Memory for a pool below 4 GiB, aligned to a slot set. Half as much is tried while there is no room, down to 1 MiB.
 * Null when there is not even that.
 */
export function allocPool(guest: GuestPort, bytes: number, areas: number): PoolMemory | null {
  return halving(bytes, areas, (size) => {
    const start = guest.heap.alloc(size, SET_SIZE, LOW_LIMIT);
    return start === null ? null : { start, bus: BigInt(start), bytes: size };
  });
}

/**
 * {@linkcode allocPool} below another platform: coherent memory of that platform, with addresses of 32 bits if it has any.
 * The platform's coherent mask is left at what it took.
 */
export function allocPoolBelow(above: DmaOps, bytes: number, areas: number): PoolMemory | null {
  for (const bits of [32, 64]) {
    if (above.setCoherentMask(dmaBitMask(bits)) !== 0) continue;
    const memory = halving(bytes, areas, (size) => {
      const coherent = above.allocCoherent(size);
      return coherent === null ? null : { start: coherent.cpu, bus: coherent.handle, bytes: size };
    });
    if (memory !== null) return memory;
  }
  return null;
}

function halving(bytes: number, areas: number, alloc: (size: number) => PoolMemory | null): PoolMemory | null {
  for (let size = bytes;; size /= 2) {
    const memory = alloc(wholePool(size, areas));
    if (memory !== null || size <= MIN_POOL) return memory;
  }
}

function wholePool(bytes: number, areas: number): number {
  return roundSlots(slotsFor(bytes), roundAreas(areas)) * SLOT_SIZE;
}

/** Memory for a pool at `start`, a multiple of 256 KiB and not 0; null when any of it is not there or not free. */
export function allocPoolAt(guest: GuestPort, start: PhysAddr, bytes: number, areas: number): PoolMemory | null {
  const whole = wholePool(bytes, areas);
  return guest.heap.allocAt(start, whole) ? { start, bus: BigInt(start), bytes: whole } : null;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

function hex(address: PhysAddr): string {
  return "0x" + address.toString(16);
}

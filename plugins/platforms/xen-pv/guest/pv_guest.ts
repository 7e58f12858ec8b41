/**
 * What all devices of one PV guest share: its frame tables, its bounce pool, its contiguous memory.
 *
 * @module
 */

import { type GuestPort, PAGE_SIZE, type PhysAddr } from "@iova/core";
import { BouncePool } from "./bounce_pool.ts";
import { ContiguousMemory } from "./contiguous.ts";
import { FrameTables, NO_FRAME } from "./p2m.ts";
import { type BootInfo, readStartInfo } from "./start_info.ts";

/** Coherent memory that is held. */
interface Coherent {
  readonly bytes: number;
  /** Whether its frames were exchanged for an extent. */
  readonly exchanged: boolean;
}

/** See the module's text. */
export class PvGuest {
  /** What it was told at boot. */
  readonly info: BootInfo;
  readonly frames: FrameTables;
  readonly memory: ContiguousMemory;
  /** Null when there is no memory for it: scattered buffers cannot be mapped. */
  readonly pool: BouncePool | null;
  readonly #guest: GuestPort;
  readonly #coherent = new Map<PhysAddr, Coherent>();

  /** Boots: reads where the tables are, sets the bounce pool up. */
  constructor(guest: GuestPort, startInfo: PhysAddr, poolBytes: number) {
    const info = readStartInfo(guest, startInfo);
    this.#guest = guest;
    this.info = info;
    this.frames = new FrameTables(guest, info);
    this.memory = new ContiguousMemory(guest, this.frames, info);
    this.pool = BouncePool.make(guest, this.frames, this.memory, poolBytes);
  }

  /** Makes pages from the heap contiguous in the machine and below `limit`; the first frame, or NO_FRAME. */
  makeCoherent(cpu: PhysAddr, bytes: number, limit: number): number {
    const pages = bytes / PAGE_SIZE;
    const there = this.frames.run(cpu / PAGE_SIZE, pages);
    const isAligned = there % pages === 0;
    if (there !== NO_FRAME && isAligned && there * PAGE_SIZE + bytes - 1 <= limit) {
      this.#coherent.set(cpu, { bytes, exchanged: false });
      return there;
    }
    const bits = limit === Infinity ? 0 : Math.floor(Math.log2(limit + 1));
    const mfn = this.memory.create(cpu, Math.log2(pages), bits);
    if (mfn !== NO_FRAME) this.#coherent.set(cpu, { bytes, exchanged: true });
    return mfn;
  }

  /** Whether coherent memory of this size is held at an address. */
  isCoherent(cpu: PhysAddr, bytes: number): boolean {
    return this.#coherent.get(cpu)?.bytes === bytes;
  }

  /** Gives coherent memory back; an extent that cannot be exchanged again stays what it is. */
  freeCoherent(cpu: PhysAddr, bytes: number): void {
    const { exchanged } = this.#coherent.get(cpu)!;
    this.#coherent.delete(cpu);
    if (exchanged) this.memory.destroy(cpu, Math.log2(bytes / PAGE_SIZE));
    this.#guest.heap.free(cpu);
  }
}

const guests = new WeakMap<GuestPort, PvGuest>();

/** The guest's shared part, made when it is first asked for; `startInfo` says where the guest finds what it is told at boot. */
export function pvGuestOf(guest: GuestPort, startInfo: () => PhysAddr, poolBytes: number): PvGuest {
  let made = guests.get(guest);
  if (made === undefined) guests.set(guest, made = new PvGuest(guest, startInfo(), poolBytes));
  return made;
}

/**
 * Hostile drivers, generated: rings, indirect tables and indices that are mostly nearly sane, so that a device gets deep
 * into them before it notices. The same seed gives the same bytes.
 *
 * @module
 */

import { type AddressSpace, DmaHandle, type PhysAddr, type RamRegion, type Random } from "@iova/core";
import { AVAIL_RING, VirtqAvail, VirtqDesc } from "./layout_ring.ts";
import { PackedDesc, PackedEvent, PackedFlag } from "./layout_packed.ts";
import type { MockRing } from "./testing.ts";
import type { MockPackedRing } from "./testing_packed.ts";

/** Where a hostile driver aims. */
export interface HostileTargets {
  /** Bus addresses worth a descriptor: buffers, tables, registers, the ring itself, holes. */
  readonly addresses: readonly bigint[];
  /** Where tables for indirect descriptors are, as the CPU sees them; their bus addresses belong into `addresses`. */
  readonly tables: readonly PhysAddr[];
  /** Entries of each table. */
  readonly tableEntries: number;
  /** Lengths worth a descriptor, besides those that every device knows. */
  readonly lengths?: readonly number[];
}

/** Lengths around the edges of what rings check. */
const LENGTHS: readonly number[] = [1, 1, 2, 8, 16, 16, 32, 40, 48, 64, 512, 512, 4096, 0, 0x7fff_ffff, 0xffff_ffff];
/** Flags of one descriptor: most are plain. */
const FLAGS: readonly number[] = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6];

/** Writes hostile rings. */
export class HostileDriver {
  readonly #memory: AddressSpace;
  readonly #random: Random;
  readonly #targets: HostileTargets;
  readonly #hi: Int32Array;
  readonly #lo: Int32Array;
  readonly #lengths: readonly number[];

  /** Writes into `memory` what `random` says. */
  constructor(memory: AddressSpace, random: Random, targets: HostileTargets) {
    this.#memory = memory;
    this.#random = random;
    this.#targets = targets;
    const halves = targets.addresses.map((address) => new DmaHandle().set(address));
    this.#hi = Int32Array.from(halves, ({ hi }) => hi);
    this.#lo = Int32Array.from(halves, ({ lo }) => lo);
    this.#lengths = [...LENGTHS, ...targets.lengths ?? []];
  }

  /** Fills a split ring and the tables, and offers something. */
  fillSplit(ring: MockRing): void {
    this.#fillTables(false);
    for (let i = 0; i < ring.size; i++) this.#desc(ring.at.desc + i * VirtqDesc.size, this.#next(i, ring.size));
    const random = this.#random;
    const { view, base } = this.#ram(ring.at.avail);
    const avail = ring.at.avail - base;
    for (let i = 0; i < ring.size; i++) view.setUint16(avail + AVAIL_RING + 2 * i, this.#head(ring.size), true);
    view.setUint16(avail + VirtqAvail.at.flags, random.below(2), true);
    this.advance(ring, 0);
  }

  /** Moves the available index of a split ring on from `from`, mostly by no more than the ring has. */
  advance(ring: MockRing, from: number): void {
    const random = this.#random;
    ring.availIdx = random.below(32) === 0 ? random.next() & 0xffff : (from + random.below(ring.size + 1)) & 0xffff;
  }

  /** Fills a packed ring, from `position` on in lap `wrap`, and the tables. */
  fillPacked(ring: MockPackedRing, position = 0, wrap = 1): void {
    this.#fillTables(true);
    const random = this.#random;
    for (let i = 0; i < ring.size; i++) {
      const slot = (position + i) % ring.size;
      const lap = position + i < ring.size ? wrap : wrap ^ 1;
      const available = random.below(16) === 0
        ? random.next() & 0x8080
        : lap === 1
        ? PackedFlag.AVAIL
        : PackedFlag.USED;
      this.#packedDesc(ring.at.desc + slot * PackedDesc.size, available);
    }
    const { view, base } = this.#ram(ring.at.driver);
    view.setUint16(ring.at.driver - base + PackedEvent.at.off_wrap, random.next() & 0xffff, true);
    view.setUint16(ring.at.driver - base + PackedEvent.at.flags, random.below(4), true);
  }

  /** Writes 16 random bits at a random even place of `length` bytes from `at` on. */
  scribble(at: PhysAddr, length: number): void {
    const { view, base } = this.#ram(at);
    view.setUint16(at - base + 2 * this.#random.below(length >> 1), this.#random.next() & 0xffff, true);
  }

  #fillTables(packed: boolean): void {
    const { tables, tableEntries } = this.#targets;
    for (const table of tables) {
      for (let i = 0; i < tableEntries; i++) {
        const at = table + i * VirtqDesc.size;
        if (packed) this.#packedDesc(at, 0);
        else this.#desc(at, this.#next(i, tableEntries));
      }
    }
  }

  #desc(at: PhysAddr, next: number): void {
    const { view, base } = this.#ram(at);
    this.#buffer(view, at - base);
    view.setUint16(at - base + VirtqDesc.at.flags, this.#flags(), true);
    view.setUint16(at - base + VirtqDesc.at.next, next, true);
  }

  #packedDesc(at: PhysAddr, available: number): void {
    const { view, base } = this.#ram(at);
    this.#buffer(view, at - base);
    view.setUint16(at - base + PackedDesc.at.id, this.#random.next() & 0xffff, true);
    view.setUint16(at - base + PackedDesc.at.flags, (this.#flags() & ~0x8080) | available, true);
  }

  /** Address and length, which lie alike in both kinds of descriptor. */
  #buffer(view: DataView, at: number): void {
    const random = this.#random;
    const target = random.below(this.#lo.length + 1);
    const known = target < this.#lo.length;
    view.setInt32(at, known ? this.#lo[target] : random.next(), true);
    view.setInt32(at + 4, known ? this.#hi[target] : random.next(), true);
    const length = random.below(this.#lengths.length + 1);
    view.setUint32(at + VirtqDesc.at.len, this.#lengths[length] ?? random.next(), true);
  }

  #flags(): number {
    const random = this.#random;
    return random.below(64) === 0 ? random.next() & 0xffff : FLAGS[random.below(FLAGS.length)];
  }

  /** Mostly the descriptor that follows. */
  #next(i: number, size: number): number {
    const random = this.#random;
    const kind = random.below(16);
    if (kind === 0) return random.next() & 0xffff;
    return kind < 5 ? random.below(size + 1) : (i + 1) % size;
  }

  #head(size: number): number {
    return this.#random.below(32) === 0 ? this.#random.next() & 0xffff : this.#random.below(size);
  }

  #ram(at: PhysAddr): RamRegion {
    return this.#memory.ram(at)!;
  }
}

/** The seed that a test was given (`deno test … -- --seed=7`), or a new one. Print it: it is what makes a failure come again. */
export function testSeed(): number {
  const given = Deno.args.find((argument) => argument.startsWith("--seed="));
  return given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(given.slice("--seed=".length));
}

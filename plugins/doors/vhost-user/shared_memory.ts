/**
 * The guest's memory, as the front-end shares it: files mapped as RAM regions of an address space. Nothing that the peer
 * says about them is believed before it is checked.
 *
 * @module
 */

import { type AddressSpace, formatAddress, RamRegion } from "@iova/core";
import { errnoName, type Mapping, mapShared } from "@iova/libc";
import { MemoryRegion } from "./layout.ts";

/** Guest physical addresses end where every platform's do. */
const GUEST_END = 2 ** 52;
/** Most regions at once. */
export const MAX_REGIONS = 128;

/** One region. */
export interface SharedRegion {
  /** Guest physical address. */
  readonly guest: number;
  /** Bytes. */
  readonly size: number;
  /** Address in the front-end. */
  readonly user: number;
  /** Where it is mapped here. */
  readonly mapping: Mapping;
  /** The region of the address space. */
  readonly ram: RamRegion;
}

/** A region as it was said to be. */
export interface AskedRegion {
  /** Guest physical address. */
  readonly guest: number;
  /** Bytes. */
  readonly size: number;
  /** Address in the front-end. */
  readonly user: number;
  /** Offset in its file. */
  readonly offset: number;
}

/** Reads a region out of a message. */
export function readRegion(view: DataView, at: number): AskedRegion {
  const word = (offset: number) => Number(view.getBigUint64(at + offset, true));
  return {
    guest: word(MemoryRegion.at.guest),
    size: word(MemoryRegion.at.size),
    user: word(MemoryRegion.at.user),
    offset: word(MemoryRegion.at.offset),
  };
}

/** Every region of one connection. */
export class SharedMemory {
  /** Regions, by guest address. */
  regions: readonly SharedRegion[] = [];
  /** Whether the front-end could cut a region short, and so kill this program. */
  unsealed = false;
  #recent: SharedRegion | null = null;

  /** No regions yet, in `space`. With `sealed`, files that their owner can shrink are refused. */
  constructor(readonly space: AddressSpace, readonly sealed: boolean) {}

  /** Replaces all regions. What is wrong, or an empty text; then nothing has changed. Descriptors stay the caller's. */
  replace(asked: readonly AskedRegion[], fds: readonly number[]): string {
    const mapped: SharedRegion[] = [];
    for (const [i, region] of asked.entries()) {
      const problem = complaint(region, mapped) || this.#map(region, fds[i], mapped);
      if (problem === "") continue;
      for (const { mapping } of mapped) mapping.release();
      return problem;
    }
    this.clear();
    this.#install(mapped);
    return "";
  }

  /** Adds one region. */
  add(asked: AskedRegion, fd: number): string {
    if (this.regions.length >= MAX_REGIONS) return `more than ${MAX_REGIONS} regions`;
    const mapped: SharedRegion[] = [];
    const problem = complaint(asked, this.regions) || this.#map(asked, fd, mapped);
    if (problem === "") this.#install(mapped);
    return problem;
  }

  /** Takes away the region that has these addresses and this size. */
  remove({ guest, size, user }: AskedRegion): string {
    const region = this.regions.find((one) => one.guest === guest && one.size === size && one.user === user);
    if (region === undefined) return `no region at ${formatAddress(guest)}`;
    this.#drop(region);
    return "";
  }

  /** Takes every region away. */
  clear(): void {
    for (const region of this.regions) this.#drop(region);
    this.unsealed = false;
  }

  /** The guest physical address of `length` bytes at an address of the front-end; −1 outside one region. */
  guestAddress(user: number, length: number): number {
    const region = this.#find(user);
    return region !== null && user - region.user + length <= region.size ? user - region.user + region.guest : -1;
  }

  #find(user: number): SharedRegion | null {
    const recent = this.#recent;
    if (recent !== null && user >= recent.user && user < recent.user + recent.size) return recent;
    for (const region of this.regions) {
      if (user >= region.user && user < region.user + region.size) return this.#recent = region;
    }
    return null;
  }

  #map(asked: AskedRegion, fd: number | undefined, into: SharedRegion[]): string {
    if (fd === undefined) return "a region without a descriptor";
    const { guest, size, user, offset } = asked;
    const mapping = mapShared(fd, size, offset, { sealed: this.sealed });
    if (typeof mapping === "number") {
      return `the region at ${formatAddress(guest)} cannot be mapped (${errnoName(mapping)})`;
    }
    into.push({ guest, size, user, mapping, ram: new RamRegion(guest, mapping.buffer, 0, size) });
    return "";
  }

  #install(regions: readonly SharedRegion[]): void {
    for (const { ram, mapping } of regions) {
      this.space.addRam(ram);
      this.unsealed ||= !mapping.sealed;
    }
    this.regions = [...this.regions, ...regions].sort((a, b) => a.guest - b.guest);
  }

  #drop(region: SharedRegion): void {
    this.regions = this.regions.filter((other) => other !== region);
    this.#recent = null;
    this.space.remove(region.ram);
    region.mapping.release();
  }
}

/** What is wrong with a region, beside others; empty when nothing is. */
function complaint({ guest, size, user, offset }: AskedRegion, others: readonly SharedRegion[]): string {
  const at = formatAddress(guest);
  // Numbers from 2^53 on are rounded, and refused for it: no address and no file is that large.
  if (size === 0) return `the region at ${at} is empty`;
  if (guest + size > GUEST_END) return `the region at ${at} ends behind every memory`;
  if (user + size > Number.MAX_SAFE_INTEGER || offset + size > Number.MAX_SAFE_INTEGER) {
    return `the region at ${at} wraps`;
  }
  for (const other of others) {
    if (guest < other.guest + other.size && other.guest < guest + size) return `the region at ${at} overlaps another`;
    if (user < other.user + other.size && other.user < user + size) {
      return `the region at ${at} overlaps another in the front-end`;
    }
  }
  return "";
}

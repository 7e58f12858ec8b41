/**
 * A guest's memory as a front-end has it: memory files, mapped here and shared with the back-end.
 *
 * @module
 */

import { type AddressSpace, type PhysAddr, RamRegion } from "@iova/core";
import { close, type Mapping, mapShared, memoryFile, SystemError } from "@iova/libc";
import { words32, words64 } from "./frontend.ts";

/** One region of guest memory. */
export interface FrontEndRegion {
  /** Guest physical address. */
  readonly guest: PhysAddr;
  /** Bytes. */
  readonly size: number;
  /** Its file. */
  readonly fd: number;
  /** Where it is mapped here. */
  readonly mapping: Mapping;
}

/** See the module's text. */
export class FrontEndMemory {
  /** The regions, in the order in which they were given. */
  readonly regions: readonly FrontEndRegion[];

  /** Makes `ram` (guest address and bytes of each region) and puts it into `space`. */
  constructor(space: AddressSpace, ram: readonly (readonly [guest: PhysAddr, size: number])[]) {
    this.regions = ram.map(([guest, size]) => {
      const fd = must("memfd_create", memoryFile("guest", size));
      const mapping = mapShared(fd, size, 0);
      if (typeof mapping === "number") throw new SystemError("mmap", mapping);
      space.addRam(new RamRegion(guest, mapping.buffer, 0, size));
      return { guest, size, fd, mapping };
    });
  }

  /** The table, as SET_MEM_TABLE takes it. */
  get table(): Uint8Array {
    const { regions } = this;
    const bytes = new Uint8Array(8 + 32 * regions.length);
    bytes.set(words32(regions.length, 0));
    regions.forEach((region, i) => bytes.set(this.region(region), 8 + 32 * i));
    return bytes;
  }

  /** One region's part of it. */
  region({ guest, size, mapping }: FrontEndRegion): Uint8Array {
    return words64(guest, size, mapping.address, 0);
  }

  /** The files, in the order of the table. */
  get fds(): number[] {
    return this.regions.map(({ fd }) => fd);
  }

  /** The front-end's own address of a guest physical one. @throws {RangeError} where there is no memory. */
  userAddress(guest: PhysAddr): bigint {
    const region = this.regions.find((one) => guest >= one.guest && guest < one.guest + one.size);
    if (region === undefined) throw new RangeError(`no memory at ${guest}`);
    return BigInt(region.mapping.address + guest - region.guest);
  }

  /** Unmaps and closes. */
  close(): void {
    for (const { fd, mapping } of this.regions) {
      mapping.release();
      close(fd);
    }
  }
}

function must(what: string, result: number): number {
  if (result < 0) throw new SystemError(what, result);
  return result;
}

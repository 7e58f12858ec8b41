/**
 * Files mapped into memory, as `ArrayBuffer`s.
 *
 * An access to memory that is no longer mapped kills the program, and JavaScript cannot take an `ArrayBuffer` back. So
 * ending a mapping first puts empty private memory in the place of the file: whoever still holds a view reads zeroes, and
 * the file's pages and descriptor are given up at once. The addresses themselves are freed when the collector has seen
 * the last view go.
 *
 * The other way to die is a file that becomes shorter than what is mapped of it. The size is checked before mapping, and
 * a memory file is sealed against shrinking where its maker allows that.
 *
 * @module
 */

import { fcntl, fileSize, munmap } from "./calls.ts";
import { Fcntl, MapFlags, Protection, Seal } from "./constants.ts";
import { Errno } from "./errno.ts";
import { bytesAt, mmap } from "./ffi.ts";

const PAGE = 4096;
let live = 0;

/** How many mappings have not ended: the same before and after means that none leaked. */
export function liveMappings(): number {
  return live;
}

/** The addresses of ended mappings, until no view is left. */
const graveyard = new FinalizationRegistry<{ address: number; length: number }>(({ address, length }) => {
  munmap(address, length);
});

/** What {@linkcode mapShared} can be told. */
export interface MapOptions {
  /** Map for reading only. A write through a view of it kills the program. Absent: reading and writing. */
  readOnly?: boolean;
  /** Refuse a file that its owner could shrink, with `EPERM`. Absent: such a file is mapped, and `sealed` says so. */
  sealed?: boolean;
}

/** Bytes of a file in memory, shared with whoever else maps it. Made by {@linkcode mapShared}. */
export class Mapping {
  /** The bytes asked for. After the mapping has ended they are zeroes that nobody else sees. */
  readonly buffer: ArrayBuffer;
  #holders = 1;

  /** Made by {@linkcode mapShared} only. */
  constructor(
    /** Address of the first byte of {@linkcode Mapping.buffer}. */
    readonly address: number,
    /** Bytes. */
    readonly length: number,
    /** Whether nobody can shrink the file. */
    readonly sealed: boolean,
    // What was really mapped: from a page boundary on.
    readonly slack: number,
  ) {
    live++;
    this.buffer = bytesAt(address, length);
    addresses.set(this.buffer, address);
  }

  /** Whether it has not ended. */
  get live(): boolean {
    return this.#holders > 0;
  }

  /** One more holder: it ends when each has released it. */
  retain(): this {
    if (this.#holders === 0) throw new RangeError("the mapping has ended");
    this.#holders++;
    return this;
  }

  /** One holder less. */
  release(): void {
    if (this.#holders === 0 || --this.#holders > 0) return;
    live--;
    addresses.delete(this.buffer);
    const place = { address: this.address - this.slack, length: this.length + this.slack };
    const flags = MapFlags.PRIVATE | MapFlags.FIXED | MapFlags.ANONYMOUS | MapFlags.NORESERVE;
    const result = mmap(place.address, place.length, Protection.READ | Protection.WRITE, flags, -1, 0);
    // Without memory for an empty mapping the file stays mapped until the last view is gone.
    if (result >= 0 || result === -Errno.ENOMEM) graveyard.register(this.buffer, place);
  }
}

const addresses = new WeakMap<ArrayBufferLike, number>();

/** The address of the first byte of a mapped buffer; undefined for any other buffer, and after its mapping has ended. */
export function addressOf(buffer: ArrayBufferLike): number | undefined {
  return addresses.get(buffer);
}

/**
 * Maps `length` bytes of a file from `offset` on, shared. The descriptor stays the caller's and may be closed.
 *
 * @returns the mapping, or a negative errno: `EINVAL` for a bad range, `ENXIO` when the file is shorter than that.
 */
export function mapShared(fd: number, length: number, offset: number, options: MapOptions = {}): Mapping | number {
  const whole = Number.isSafeInteger(length) && Number.isSafeInteger(offset) && length > 0 && offset >= 0;
  if (!whole || !Number.isSafeInteger(offset + length)) return -Errno.EINVAL;
  const sealed = sealAgainstShrinking(fd);
  if (!sealed && options.sealed === true) return -Errno.EPERM;
  // Looked at after sealing, so that what was seen stays true.
  const size = fileSize(fd);
  if (size < 0) return size;
  if (size < offset + length) return -Errno.ENXIO;
  const slack = offset % PAGE;
  const protection = options.readOnly ? Protection.READ : Protection.READ | Protection.WRITE;
  const flags = MapFlags.SHARED | MapFlags.NORESERVE;
  const address = mmap(0, length + slack, protection, flags, fd, offset - slack);
  return address < 0 ? address : new Mapping(address + slack, length, sealed, slack);
}

function sealAgainstShrinking(fd: number): boolean {
  const seals = fcntl(fd, Fcntl.GET_SEALS);
  if (seals < 0) return false;
  return (seals & Seal.SHRINK) !== 0 || fcntl(fd, Fcntl.ADD_SEALS, Seal.SHRINK) >= 0;
}

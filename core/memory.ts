/**
 * The CPU's physical address space: RAM over any ArrayBuffer, and register blocks (MMIO); and the I/O port space.
 *
 * RAM is touched through views, never byte by byte through a function. Typed-array views are in host byte order, which
 * is little-endian on every machine that Deno runs on; layouts that are big-endian say so and use a `DataView`.
 *
 * @module
 */

import { formatAddress, PAGE_SIZE, type PhysAddr } from "./address.ts";

/** Bytes in one register access. Wider accesses are made of these, lowest address first. */
export type Width = 1 | 2 | 4;

/** A block of registers. `offset` counts bytes from the block's start; values are unsigned, in CPU byte order. */
export interface RegisterBlock {
  /** Reads a register. Must not throw, whatever the offset. */
  read(offset: number, width: Width): number;
  /** Writes a register. Must not throw, whatever the offset or value. */
  write(offset: number, width: Width, value: number): void;
}

/** A register block at its place. */
export interface RegisterRegion {
  /** What the region is. */
  readonly kind: "registers";
  /** First address. */
  readonly base: PhysAddr;
  /** Bytes. */
  readonly size: number;
  /** What messages call it. */
  readonly name: string;
  /** The registers. */
  readonly block: RegisterBlock;
  /** True while the block handles an access: a device that reaches its own registers by DMA is refused. */
  busy: boolean;
}

/** A piece of RAM. `bytes` and `view` belong to the region; borrow them for one synchronous call. */
export class RamRegion {
  /** What the region is. */
  readonly kind = "ram";
  /** The bytes, first at {@linkcode RamRegion.base}. */
  readonly bytes: Uint8Array;
  /** The same bytes. */
  readonly view: DataView;
  /** The same bytes as 32-bit words in host (little-endian) order; null when the buffer's offset is not aligned. */
  readonly words: Int32Array | null;
  /** Bytes. */
  readonly size: number;
  /** First address after the region. */
  readonly end: PhysAddr;
  #pages: (Uint8Array | undefined)[] | null = null;

  /** A region at `base` over `length` bytes of `buffer`, from `offset`. The buffer may be shared or mapped from outside. */
  constructor(
    readonly base: PhysAddr,
    buffer: ArrayBufferLike,
    offset = 0,
    length: number = buffer.byteLength - offset,
  ) {
    this.bytes = new Uint8Array(buffer, offset, length);
    this.view = new DataView(buffer, offset, length);
    this.words = offset % 4 === 0 ? new Int32Array(buffer, offset, Math.floor(length / 4)) : null;
    this.size = length;
    this.end = base + length;
  }

  /** The view of page `index` of the region: made once, so that whole-page copies allocate nothing. */
  page(index: number): Uint8Array {
    // Of full size from the start: an array that random indices make grow becomes a dictionary.
    this.#pages ??= new Array(Math.ceil(this.size / PAGE_SIZE)).fill(undefined);
    return this.#pages[index] ??= this.bytes.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE);
  }
}

/** The CPU's physical address space. */
export class AddressSpace {
  #ram: RamRegion[] = [];
  #registers: RegisterRegion[] = [];
  #recentRegisters: RegisterRegion | null = null;
  /** The region that {@linkcode AddressSpace.ram} found last: ask it first on hot paths. */
  recent: RamRegion | null = null;

  /** The RAM regions, by address. */
  get ramRegions(): readonly RamRegion[] {
    return this.#ram;
  }

  /** The register blocks, by address. */
  get registerRegions(): readonly RegisterRegion[] {
    return this.#registers;
  }

  /** First address after the last byte of RAM. */
  get ramEnd(): PhysAddr {
    return this.#ram.length === 0 ? 0 : this.#ram[this.#ram.length - 1].end;
  }

  /** Adds RAM. @throws {RangeError} when it overlaps something. */
  addRam(region: RamRegion): RamRegion {
    this.#checkFree(region.base, region.size, "RAM");
    this.#ram = [...this.#ram, region].sort((a, b) => a.base - b.base);
    return region;
  }

  /** Adds a register block. @throws {RangeError} when it overlaps something. */
  addRegisters(base: PhysAddr, size: number, name: string, block: RegisterBlock): RegisterRegion {
    this.#checkFree(base, size, name);
    const region: RegisterRegion = { kind: "registers", base, size, name, block, busy: false };
    this.#registers = [...this.#registers, region].sort((a, b) => a.base - b.base);
    return region;
  }

  /** Takes a region away again. */
  remove(region: RamRegion | RegisterRegion): void {
    this.#ram = this.#ram.filter((other) => other !== region);
    this.#registers = this.#registers.filter((other) => other !== region);
    this.recent = this.#recentRegisters = null;
  }

  /** The RAM region that holds `address`, or null. */
  ram(address: PhysAddr): RamRegion | null {
    const last = this.recent;
    if (last !== null && address >= last.base && address < last.end) return last;
    for (const region of this.#ram) {
      if (address >= region.base && address < region.end) return this.recent = region;
    }
    return null;
  }

  /** The register block that holds `address`, or null. */
  registers(address: PhysAddr): RegisterRegion | null {
    const last = this.#recentRegisters;
    if (last !== null && address >= last.base && address < last.base + last.size) return last;
    let low = 0;
    let high = this.#registers.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const region = this.#registers[middle];
      if (address < region.base) high = middle - 1;
      else if (address >= region.base + region.size) low = middle + 1;
      else return this.#recentRegisters = region;
    }
    return null;
  }

  /** `length` bytes of RAM at `address`, as a view for the current call. @throws {RangeError} outside one region. */
  bytes(address: PhysAddr, length: number): Uint8Array {
    const region = this.ram(address);
    if (region === null || address + length > region.end) {
      throw new RangeError(`no RAM at ${formatAddress(address)} for ${length} bytes`);
    }
    return region.bytes.subarray(address - region.base, address - region.base + length);
  }

  /** A CPU access to registers or RAM. Where nothing answers, reads give all ones and writes are dropped. */
  read(address: PhysAddr, width: Width): number {
    const region = this.registers(address);
    if (region !== null) return readRegisters(region, address - region.base, width) >>> 0;
    const ram = this.ram(address);
    if (ram === null || address + width > ram.end) return ALL_ONES[width];
    const offset = address - ram.base;
    if (width === 1) return ram.view.getUint8(offset);
    return width === 2 ? ram.view.getUint16(offset, true) : ram.view.getUint32(offset, true);
  }

  /** See {@linkcode AddressSpace.read}. */
  write(address: PhysAddr, width: Width, value: number): void {
    const region = this.registers(address);
    if (region !== null) return writeRegisters(region, address - region.base, width, value);
    const ram = this.ram(address);
    if (ram === null || address + width > ram.end) return;
    const offset = address - ram.base;
    if (width === 1) ram.view.setUint8(offset, value);
    else if (width === 2) ram.view.setUint16(offset, value, true);
    else ram.view.setUint32(offset, value, true);
  }

  #checkFree(base: PhysAddr, size: number, name: string): void {
    for (const other of [...this.#ram, ...this.#registers]) {
      if (base < other.base + other.size && other.base < base + size) {
        throw new RangeError(`${name} at ${formatAddress(base)} overlaps what is at ${formatAddress(other.base)}`);
      }
    }
  }
}

/** What a read returns when nothing answers, by width. */
export const ALL_ONES: Readonly<Record<Width, number>> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

/** A register read with the re-entrancy guard: all ones when the block is already handling an access. */
export function readRegisters(region: RegisterRegion, offset: number, width: Width): number {
  if (region.busy) return ALL_ONES[width];
  region.busy = true;
  try {
    return region.block.read(offset, width);
  } finally {
    region.busy = false;
  }
}

/** A register write with the re-entrancy guard: dropped when the block is already handling an access. */
export function writeRegisters(region: RegisterRegion, offset: number, width: Width, value: number): void {
  if (region.busy) return;
  region.busy = true;
  try {
    region.block.write(offset, width, value);
  } finally {
    region.busy = false;
  }
}

/** The 64 KiB space of I/O ports. */
export class IoSpace {
  #ranges: { first: number; last: number; block: RegisterBlock }[] = [];

  /** Puts a register block at `size` ports from `first`. @throws {RangeError} when it overlaps another. */
  add(first: number, size: number, block: RegisterBlock): void {
    const last = first + size - 1;
    if (this.#ranges.some((other) => first <= other.last && other.first <= last)) {
      throw new RangeError(`I/O ports ${formatAddress(first)} to ${formatAddress(last)} are taken`);
    }
    this.#ranges.push({ first, last, block });
  }

  /** Takes a block away from all its ports. */
  remove(block: RegisterBlock): void {
    this.#ranges = this.#ranges.filter((range) => range.block !== block);
  }

  /** Reads a port; all ones where nothing answers. */
  read(port: number, width: Width): number {
    for (const { first, last, block } of this.#ranges) {
      if (port >= first && port <= last) return block.read(port - first, width) >>> 0;
    }
    return ALL_ONES[width];
  }

  /** Writes a port; dropped where nothing answers. */
  write(port: number, width: Width, value: number): void {
    for (const { first, last, block } of this.#ranges) {
      if (port >= first && port <= last) return block.write(port - first, width, value);
    }
  }
}

/** Copies bytes in the cheapest way for the length: a loop when short, cached page views when whole pages. */
export function copyBytes(
  to: Uint8Array,
  toOffset: number,
  from: Uint8Array,
  fromOffset: number,
  length: number,
): void {
  if (length < 64) {
    for (let i = 0; i < length; i++) to[toOffset + i] = from[fromOffset + i];
  } else if (to.buffer === from.buffer && to.byteOffset === from.byteOffset) {
    to.copyWithin(toOffset, fromOffset, fromOffset + length);
  } else if (fromOffset === 0 && length === from.length) {
    to.set(from, toOffset);
  } else {
    to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
  }
}

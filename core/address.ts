/**
 * The two address types of the project, and the signed 32-bit halves that carry a bus address on hot paths.
 *
 * - {@linkcode PhysAddr}: where the CPU, or memory after all translation, sees a byte.
 * - {@linkcode DmaAddr}: what a `DmaOps` hands out, what goes into a descriptor, what a device puts on its bus.
 *
 * They are different primitive types, so passing one where the other belongs does not compile.
 *
 * @module
 */

/** A CPU physical address in bytes. Physical addresses end at bit 51 on every modelled platform, so a number is exact. */
export type PhysAddr = number;

/** A bus (DMA) address in bytes: 64 unsigned bits, opaque to the CPU, valid only for the device it was made for. */
export type DmaAddr = bigint;

/** log2 of {@linkcode PAGE_SIZE}. */
export const PAGE_SHIFT = 12;
/** Bytes in a CPU page. */
export const PAGE_SIZE = 4096;
/** 2^32: the weight of a high half. */
export const TWO32 = 4294967296;

const scratch64 = new BigInt64Array(1);
const scratch32 = new Int32Array(scratch64.buffer);

/** The signed high half (bits 63:32) of a non-negative integer below 2^63. */
export function highHalf(value: number): number {
  return (value / TWO32) | 0;
}

/** The signed low half (bits 31:0) of a non-negative integer below 2^53. */
export function lowHalf(value: number): number {
  return value | 0;
}

/** The unsigned number that two halves stand for. Exact below 2^53; monotonic (rounded) above. */
export function toNumber(hi: number, lo: number): number {
  return (hi >>> 0) * TWO32 + (lo >>> 0);
}

/** The unsigned 64-bit bigint that two halves stand for. */
export function toDmaAddr(hi: number, lo: number): DmaAddr {
  scratch32[0] = lo;
  scratch32[1] = hi;
  return BigInt.asUintN(64, scratch64[0]);
}

/**
 * A bus address as two **signed** 32-bit halves in a reusable record: the form in which addresses travel on hot paths,
 * where a `bigint` per access would cost an allocation. The owner of the record is whoever created it; callees write
 * into it and keep no reference.
 */
export class DmaHandle {
  /** Bits 63:32, signed. */
  hi = 0;
  /** Bits 31:0, signed. */
  lo = 0;

  /** The address as an unsigned 64-bit bigint (allocates). */
  get value(): DmaAddr {
    return toDmaAddr(this.hi, this.lo);
  }

  /** Takes a bigint, normalised to 64 unsigned bits. */
  set(value: DmaAddr): this {
    scratch64[0] = value;
    this.lo = scratch32[0];
    this.hi = scratch32[1];
    return this;
  }

  /** Takes a non-negative integer below 2^53. */
  setNumber(value: number): this {
    this.hi = (value / TWO32) | 0;
    this.lo = value | 0;
    return this;
  }

  /** Takes two signed halves. */
  setHalves(hi: number, lo: number): this {
    this.hi = hi;
    this.lo = lo;
    return this;
  }
}

/** Compares two addresses given as halves, unsigned: negative, zero or positive. */
export function compareHalves(aHi: number, aLo: number, bHi: number, bLo: number): number {
  return aHi === bHi ? (aLo >>> 0) - (bLo >>> 0) : (aHi >>> 0) - (bHi >>> 0);
}

/** Rounds up to a multiple of a power of two. */
export function roundUp(value: number, powerOfTwo: number): number {
  return Math.ceil(value / powerOfTwo) * powerOfTwo;
}

/** `0x` and the hexadecimal digits of either address type; digits are grouped by nothing, as kernels print them. */
export function formatAddress(address: PhysAddr | DmaAddr): string {
  return "0x" + (typeof address === "bigint" ? BigInt.asUintN(64, address) : address).toString(16);
}

/** A size in bytes as people write it: `4 KiB`, `64 MiB`; exact bytes when it is no whole unit. */
export function formatSize(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (unit < units.length - 1 && bytes !== 0 && bytes % 1024 === 0) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes} ${units[unit]}`;
}

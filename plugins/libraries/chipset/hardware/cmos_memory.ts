/**
 * What a PC's battery-backed memory says about the machine.
 *
 * @module
 */

import { Cmos } from "../layout.ts";

const KIB = 1024;
const MIB = KIB * KIB;
const BLOCK = 64 * KIB;
const BASE_KIB = 640;
/** A coprocessor and a mouse. */
const EQUIPMENT = 0x06;
/** Disk, floppy disk, CD: the order in which firmware tries them when nobody says otherwise. */
const BOOT_ORDER = { first: 0x12, last: 0x30 } as const;

/** What {@linkcode fillCmos} is told. */
export interface CmosFacts {
  /** Bytes of RAM below 4 GiB. */
  readonly low: number;
  /** Bytes of RAM from 4 GiB on. */
  readonly high: number;
  /** Processors. */
  readonly cpus: number;
}

/** Writes sizes of memory and what else firmware looks for into the clock's memory. */
export function fillCmos(bytes: Uint8Array, { low, high, cpus }: CmosFacts): void {
  const word = (at: number, value: number) => {
    bytes[at] = value;
    bytes[at + 1] = value >> 8;
  };
  const extended = most16(Math.max(low - MIB, 0) / KIB);
  word(Cmos.BASE_MEMORY, BASE_KIB);
  word(Cmos.EXTENDED_MEMORY, extended);
  word(Cmos.EXTENDED_MEMORY_COPY, extended);
  word(Cmos.MEMORY_ABOVE_16M, most16(Math.max(low - 16 * MIB, 0) / BLOCK));
  word(Cmos.MEMORY_ABOVE_4G, high / BLOCK & 0xffff);
  bytes[Cmos.MEMORY_ABOVE_4G + 2] = high / BLOCK >>> 16;
  bytes[Cmos.EQUIPMENT] = EQUIPMENT;
  bytes[Cmos.BOOT_1_2] = BOOT_ORDER.first;
  bytes[Cmos.BOOT_3] = BOOT_ORDER.last;
  bytes[Cmos.CPUS] = cpus - 1;
}

function most16(value: number): number {
  return Math.min(Math.floor(value), 0xffff);
}

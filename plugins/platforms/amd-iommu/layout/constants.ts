/**
 * Sizes and numbers that several chapters share (AMD 48882 §2, §3).
 *
 * @module
 */

/** Bytes of a device table entry. */
export const DTE_SIZE = 32;
/** Bytes of a command, event or peripheral page request entry. */
export const ENTRY_SIZE = 16;
/** Entries in a page table; 128 of them are used at level 6. */
export const TABLE_ENTRIES = 512;
/** The most levels that a host page table can have. */
export const MAX_LEVELS = 6;
/** Bytes of the register window without performance counters. */
export const MMIO_SIZE = 0x4000;
/** Largest DeviceID: bus, device and function in 16 bits. */
export const MAX_DEVICE_ID = 0xffff;
/** Smallest and largest length code of a ring: 2^code entries. */
export const RING_LENGTH: { readonly min: number; readonly max: number } = { min: 8, max: 15 };
/** The window of interrupt messages, which is never translated. */
export const INTERRUPT_WINDOW: { readonly first: number; readonly last: number } = {
  first: 0xfee0_0000,
  last: 0xfeef_ffff,
};
/** HyperTransport's own ranges: below bit 40, not translated unless EFR2.htRangeIgnore is set. */
export const HT_RANGE: { readonly first: number; readonly last: number } = {
  first: 0xfd_0000_0000,
  last: 0xff_ffff_ffff,
};
/** NextLevel of a page table entry that carries a size code (§2.2.3). */
export const NEXT_LEVEL_SIZED = 7;

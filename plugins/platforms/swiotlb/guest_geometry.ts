/**
 * Slots, slot sets, areas, and how large a pool is (Linux include/linux/swiotlb.h, kernel/dma/swiotlb.c,
 * arch/x86/mm/mem_encrypt.c).
 *
 * @module
 */

/** log2 of {@linkcode SLOT_SIZE}. */
export const SLOT_SHIFT = 11;
/** Bytes of a slot, the unit of allocation. */
export const SLOT_SIZE = 2048;
/** log2 of {@linkcode SET_SLOTS}. */
export const SET_SHIFT = 7;
/** Slots of a set. An allocation never crosses a set's end. */
export const SET_SLOTS = 128;
/** Bytes of a set: the largest mapping, 256 KiB. */
export const SET_SIZE: number = SET_SLOTS * SLOT_SIZE;
/** Linux's default pool, in bytes. */
export const LINUX_POOL = 64 * 1024 * 1024;
/** The smallest pool worth having, in bytes: halving ends here. */
export const MIN_POOL = 1024 * 1024;
/** The largest piece that the page allocator gives at run time, in bytes: a pool that is added has no more. */
export const MAX_ADDED_POOL = 4 * 1024 * 1024;
/** The largest pool, in bytes. */
export const MAX_POOL: number = 1024 * 1024 * 1024;

/** Slots that hold `bytes`, at most 2^31. */
export function slotsFor(bytes: number): number {
  return (bytes + SLOT_SIZE - 1) >>> SLOT_SHIFT;
}

/**
 * The pool when nobody says otherwise, in bytes: Linux's, but no more than a 64th of RAM, which is what small machines
 * can spare; at least 1 MiB.
 */
export function defaultPool(ramBytes: number): number {
  return Math.max(Math.min(LINUX_POOL, Math.floor(ramBytes / 64)), MIN_POOL);
}

/** The pool of a guest that keeps its memory to itself, in bytes: 6 % of RAM, at least 64 MiB, at most 1 GiB. */
export function encryptedPool(ramBytes: number): number {
  return Math.min(Math.max(Math.floor(ramBytes * 6 / 100), LINUX_POOL), MAX_POOL);
}

/** Areas are a power of two. */
export function roundAreas(areas: number): number {
  return powerOfTwo(areas);
}

/** Slots are a multiple of a set; in several areas a power of two, and at least a set in each. */
export function roundSlots(slots: number, areas: number): number {
  const whole = Math.ceil(slots / SET_SLOTS) * SET_SLOTS;
  return areas === 1 ? whole : powerOfTwo(Math.max(whole, areas * SET_SLOTS));
}

/** The smallest power of two that is at least `value`. */
export function powerOfTwo(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  return power;
}

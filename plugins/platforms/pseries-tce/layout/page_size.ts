/**
 * I/O page sizes and the mask by which RTAS names them (LoPAR, `ibm,query-pe-dma-window`).
 *
 * @module
 */

/** log2 of a page size in bytes, and its bit in the mask. 2 MiB came last, hence out of order. */
export const IO_PAGE_SIZES: readonly (readonly [shift: number, bit: number])[] = [
  [12, 0x001],
  [16, 0x002],
  [24, 0x004],
  [25, 0x008],
  [26, 0x010],
  [27, 0x020],
  [28, 0x040],
  [34, 0x080],
  [21, 0x100],
];

/** The page size of every default window. */
export const DEFAULT_PAGE_SHIFT = 12;

/** Whether `mask` names the page size 2^shift. */
export function offersPageSize(mask: number, shift: number): boolean {
  return IO_PAGE_SIZES.some(([size, bit]) => size === shift && (mask & bit) !== 0);
}

/** log2 of the largest page size that `mask` names, or 0 when it names none. */
export function largestPageShift(mask: number): number {
  return Math.max(0, ...IO_PAGE_SIZES.filter(([, bit]) => (mask & bit) !== 0).map(([shift]) => shift));
}

/**
 * The I/O virtual address allocator of Linux's IOMMU layer (drivers/iommu/iova.c): which pages of a device's address
 * space the next mapping gets. Top-down, size-aligned, from where the last search ended, with per-CPU caches in front;
 * the addresses are Linux's to the digit, and a search costs O(log n) where Linux's may walk every range.
 *
 * Pages are plain numbers, exact below 2^52. Nothing is allocated in the steady state.
 *
 * ```ts
 * import { IovaSpace } from "@iova/iova-space";
 *
 * const space = new IovaSpace();
 * const first = space.allocate(1, 0xfffff); // page 0xfffff: the last one below 4 GiB
 * const three = space.allocate(3, 0xfffff); // 0xffff8: aligned to, and charged as, four pages
 * space.free(first);
 * space.free(three);
 * ```
 *
 * @module
 */

export { type DepotPolicy, type IovaCacheOptions, IovaCaches, MAGAZINE_SIZE } from "./caches.ts";
export { type IovaOptions, IovaSpace, NO_IOVA } from "./space.ts";
export { ANCHOR, NIL, RangeTree } from "./tree.ts";
export { RangeSearch } from "./search.ts";

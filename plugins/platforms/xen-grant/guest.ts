/**
 * The guest half: what a Xen frontend's DMA layer does.
 *
 * @module
 */

export { type Frontend, frontendOf } from "./guest/frontend.ts";
export { GrantDmaOps, type GrantOptions } from "./guest/grant_ops.ts";
export { PersistentGrantDmaOps } from "./guest/persistent.ts";

/**
 * The guest half: what a paravirtualised Linux does.
 *
 * @module
 */

export { PvDmaOps } from "./guest/pv_ops.ts";
export { type PvGuest, pvGuestOf } from "./guest/pv_guest.ts";

/**
 * The guest half: what Linux does on pSeries. Chapters: `guest/`.
 *
 * @module
 */

export { GuestPhb, type GuestPhbConfig } from "./guest/phb.ts";
export { tceDmaOps } from "./guest/nested.ts";
export { RtasClient } from "./guest/rtas.ts";

/**
 * What block devices, block drivers and block workloads share: the contract between them, media behind a device, a
 * request pump for workloads, and checksums.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { RamBackend } from "@iova/block";
 *
 * const disk = new RamBackend(1024 * 1024, { content: "zero" });
 * const sector = new Uint8Array(512).fill(0xa5);
 * disk.write(7 * 512, sector, 0, 512);
 * const back = new Uint8Array(512);
 * assertEquals(disk.read(7 * 512, back, 0, 512), true);
 * assertEquals(back, sector);
 * ```
 *
 * @module
 */

export * from "./contract.ts";
export { BlockHash } from "./block_hash.ts";
export { FlushGate, flushGate, type GatedDevice } from "./flush_gate.ts";
export { OP_NAMES, STATUS_NAMES } from "./names.ts";
export { type ImageRequest, type MakeImageMedium, type OpenedImage, openImage, setImageMedium } from "./open_image.ts";
export {
  type MediumContext,
  type MediumOptions,
  mediumOptions,
  type MediumOptionSchema,
  openMedium,
} from "./open_medium.ts";
export { ClusterState, type ClusterStore, OverlayBackend, RamClusters } from "./overlay.ts";
export { type BaseMark, FileClusters, type OverlayProblem } from "./overlay_file.ts";
export { asResizable, type ResizableDevice } from "./resizable.ts";
export { NextRequest, RequestPump, type RequestSlot, type RequestSource } from "./pump.ts";
export { RamBackend, type RamBackendOptions } from "./ram.ts";
export { type ImageFile, RawFileBackend } from "./raw_file.ts";
export { Sha256 } from "./sha256.ts";
export { discard, writeZeroes, zeroFill } from "./zeroes.ts";

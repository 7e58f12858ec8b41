/**
 * What network devices, drivers and workloads share: the contract between them, frames with work left to do, checksums
 * and segmentation, capture files, and what a device can be connected to.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Frame, Hub, type NetInterface, plainFrame } from "@iova/net";
 *
 * const seen: number[] = [];
 * const nic: NetInterface = {
 *   accepts: 0,
 *   deliver: (frame: Frame) => seen.push(frame.length) > 0,
 *   ready() {},
 *   linkChanged() {},
 * };
 * const hub = new Hub();
 * hub.join().attach(nic);
 * const port = hub.join();
 * assertEquals([port.send(plainFrame(new Uint8Array(60))), seen], [true, [60]]);
 * ```
 *
 * @module
 */

export * from "./backend_capture.ts";
export * from "./backend_dgram.ts";
export * from "./backend_simple.ts";
export { StreamBackend, type StreamOptions } from "./backend_stream.ts";
export * from "./capture_file.ts";
export * from "./capture_layout.ts";
export { type CapturedPacket, CaptureProblem, MAX_PACKETS } from "./capture_packet.ts";
export { readCapture } from "./capture_read.ts";
export * from "./capture_write.ts";
export * from "./checksum.ts";
export * from "./contract.ts";
export * from "./frame.ts";
export * from "./headers.ts";
export * from "./hub.ts";
export * from "./lowering.ts";
export * from "./open.ts";
export * from "./partner.ts";
export * from "./patience.ts";
export { encodeStream, LENGTH_SIZE, StreamDecoder } from "./stream_decoder.ts";

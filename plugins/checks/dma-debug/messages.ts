/**
 * The diagnostics, in the words that people search for.
 *
 * @module
 */

import { Checked, deviceAddress, type Entry, type MapType, type Reference } from "./entries.ts";

const TYPES = ["single", "scatter-gather", "coherent", "resource"] as const;
const DIRECTIONS = ["DMA_BIDIRECTIONAL", "DMA_TO_DEVICE", "DMA_FROM_DEVICE", "DMA_NONE"] as const;

/** How a mapping was made, in words. */
export function typeName(type: MapType): string {
  return TYPES[type];
}

const bytes = (name: string, size: number) => `[${name}=${size} bytes]`;
const hex = (name: string, value: number) => `[${name}=0x${value.toString(16).padStart(16, "0")}]`;

/** What there is to say about an unmap that found `entry`: every check of Linux's `check_unmap`, in its order. */
export function unmapProblems(entry: Entry, ref: Reference): [id: string, message: string][] {
  const at = deviceAddress(ref);
  const problems: [string, string][] = [];
  if (ref.size !== entry.size) {
    const sizes = `${bytes("map size", entry.size)} ${bytes("unmap size", ref.size)}`;
    problems.push(["D4", `frees DMA memory with different size ${at} ${sizes}`]);
  }
  if (ref.type !== entry.type) {
    const types = `[mapped as ${TYPES[entry.type]}] [unmapped as ${TYPES[ref.type]}]`;
    problems.push(["D5", `frees DMA memory with wrong function ${at} ${bytes("size", ref.size)} ${types}`]);
  } else if (TYPES[ref.type] === "coherent" && ref.cpu !== entry.cpu) {
    const cpus = `${hex("cpu alloc address", entry.cpu)} ${hex("cpu free address", ref.cpu)}`;
    problems.push(["D6", `frees DMA memory with different CPU address ${at} ${bytes("size", ref.size)} ${cpus}`]);
  }
  if (ref.sgCount > 0 && TYPES[ref.type] === "scatter-gather" && ref.sgCount !== entry.sgCount) {
    const counts = `[map count=${entry.sgCount}] [unmap count=${ref.sgCount}]`;
    problems.push(["D7", `frees DMA sg list with different entry count ${counts}`]);
  }
  if (ref.direction !== entry.direction) {
    const directions = `[mapped with ${DIRECTIONS[entry.direction]}] [unmapped with ${DIRECTIONS[ref.direction]}]`;
    problems.push(["D8", `frees DMA memory with different direction ${at} ${bytes("size", ref.size)} ${directions}`]);
  }
  if (entry.checked === Checked.NO) {
    const mapped = `${at} ${bytes("size", ref.size)} [mapped as ${TYPES[entry.type]}]`;
    problems.push(["D9", `failed to check map error${mapped}`]);
  }
  return problems;
}

/** What there is to say about a sync that found `entry`: every check of Linux's `check_sync`, in its order. */
export function syncProblems(entry: Entry, ref: Reference, toCpu: boolean): [id: string, message: string][] {
  const at = deviceAddress(ref);
  const problems: [string, string][] = [];
  if (ref.size > entry.size) {
    const sizes = `${bytes("allocation size", entry.size)} [sync offset+size=${ref.size}]`;
    problems.push(["D17", `syncs DMA memory outside allocated range ${at} ${sizes}`]);
  }
  const mapped = DIRECTIONS[entry.direction];
  const synced = DIRECTIONS[ref.direction];
  if (mapped === "DMA_BIDIRECTIONAL") return problems;
  const what = `${at} ${bytes("size", ref.size)} [mapped with ${mapped}] [synced with ${synced}]`;
  if (mapped !== synced) problems.push(["D18", `syncs DMA memory with different direction ${what}`]);
  if (toCpu && mapped !== "DMA_FROM_DEVICE" && synced !== "DMA_TO_DEVICE") {
    problems.push(["D19", `syncs device read-only DMA memory for cpu ${what}`]);
  }
  if (!toCpu && mapped !== "DMA_TO_DEVICE" && synced !== "DMA_FROM_DEVICE") {
    problems.push(["D20", `syncs device write-only DMA memory to device ${what}`]);
  }
  if (ref.sgCount > 0 && TYPES[entry.type] === "scatter-gather" && ref.sgCount !== entry.sgCount) {
    const counts = `[map count=${entry.sgCount}] [sync count=${ref.sgCount}]`;
    problems.push(["D21", `syncs DMA sg list with different entry count ${counts}`]);
  }
  return problems;
}

/** D2 or D3: nothing was found. */
export function unknownUnmap(ref: Reference, isErrorValue: boolean): [id: string, message: string] {
  if (isErrorValue) return ["D3", "tries to free an invalid DMA memory address"];
  return ["D2", `tries to free DMA memory it has not allocated ${deviceAddress(ref)} ${bytes("size", ref.size)}`];
}

/** D16: nothing holds the range. */
export function unknownSync(ref: Reference): [id: string, message: string] {
  return ["D16", `tries to sync DMA memory it has not allocated ${deviceAddress(ref)} ${bytes("size", ref.size)}`];
}

/** D1: what a driver left behind, with one of them. */
export function leak(count: number, { hi, lo, size, direction, type }: Entry): string {
  const sample = `${deviceAddress({ hi, lo })} ${bytes("size", size)}`;
  const how = `[mapped with ${DIRECTIONS[direction]}] [mapped as ${TYPES[type]}]`;
  return `has pending DMA allocations while released from device [count=${count}]; ` +
    `one of leaked entries details: ${sample} ${how}`;
}

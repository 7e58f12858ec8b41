/**
 * Reads a flattened device tree (Devicetree Specification 0.4 §5): what a pseries machine's hypervisor tells.
 *
 * @module
 */

import { QemuError } from "../qemu/lines.ts";

const MAGIC = 0xd00d_feed;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROPERTY = 3;
const NOP = 4;

/** The properties of a tree, by `/path/of/node` and name. */
export type DeviceTree = ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;

/**
 * Reads the tree at the start of `bytes`, which may be longer.
 *
 * @throws {QemuError} when it is none, or is broken.
 */
export function readDeviceTree(bytes: Uint8Array): DeviceTree {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    if (view.getUint32(0) !== MAGIC) throw new QemuError("no device tree where the hypervisor says");
    return readNodes(bytes, view, view.getUint32(8), view.getUint32(12));
  } catch (error) {
    if (error instanceof RangeError) throw new QemuError("the device tree is cut off");
    throw error;
  }
}

function readNodes(bytes: Uint8Array, view: DataView, structure: number, strings: number): DeviceTree {
  const tree = new Map<string, Map<string, Uint8Array>>();
  const path: string[] = [];
  for (let at = structure;;) {
    const token = view.getUint32(at);
    at += 4;
    if (token === BEGIN_NODE) {
      const name = stringAt(bytes, at);
      path.push(name);
      tree.set(pathName(path), new Map());
      at = align(at + name.length + 1);
    } else if (token === PROPERTY) {
      const length = view.getUint32(at);
      const name = stringAt(bytes, strings + view.getUint32(at + 4));
      if (at + 8 + length > bytes.length) throw new RangeError();
      tree.get(pathName(path))?.set(name, bytes.slice(at + 8, at + 8 + length));
      at = align(at + 8 + length);
    } else if (token === END_NODE) path.pop();
    else if (token !== NOP) return tree;
  }
}

function pathName(path: readonly string[]): string {
  return path.length === 1 ? "/" : path.join("/");
}

function stringAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  if (at >= bytes.length || end < 0) throw new RangeError();
  return new TextDecoder().decode(bytes.subarray(at, end));
}

function align(at: number): number {
  return at + 3 & ~3;
}

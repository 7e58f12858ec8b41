/**
 * Helpers for tests that talk to a board through its ports, as a CPU does.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Interrupts, IoSpace, Scheduler } from "@iova/core";
 * import { PicPair } from "@iova/chipset";
 * import { portBytes } from "@iova/chipset/testing";
 *
 * const io = new IoSpace();
 * new PicPair(io, new Interrupts(new Scheduler()));
 * io.write(0x21, 1, 0xfe);
 * assertEquals(portBytes(io, 0x21, 1), [0xfe]);
 * ```
 *
 * @module
 */

import type { IoSpace } from "@iova/core";

/** `count` bytes read from one port, one after the other. */
export function portBytes(io: Pick<IoSpace, "read">, port: number, count: number): number[] {
  return Array.from({ length: count }, () => io.read(port, 1));
}

/** The bytes of firmware configuration item `key`. */
export function fwCfgItem(io: Pick<IoSpace, "read" | "write">, key: number, length: number): Uint8Array {
  io.write(0x510, 2, key);
  return Uint8Array.from(portBytes(io, 0x511, length));
}

/** The bytes of a firmware configuration file, found by its name in the directory; null when there is none. */
export function fwCfgFile(io: Pick<IoSpace, "read" | "write">, name: string): Uint8Array | null {
  const count = new DataView(fwCfgItem(io, 0x19, 4).buffer).getUint32(0);
  const directory = fwCfgItem(io, 0x19, 4 + 64 * count);
  const view = new DataView(directory.buffer);
  for (let at = 4; at < directory.length; at += 64) {
    const text = new TextDecoder().decode(directory.subarray(at + 8, at + 64));
    if (text.slice(0, text.indexOf("\0")) === name) return fwCfgItem(io, view.getUint16(at + 4), view.getUint32(at));
  }
  return null;
}

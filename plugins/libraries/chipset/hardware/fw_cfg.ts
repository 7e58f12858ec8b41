/**
 * QEMU's firmware configuration device: items by key, files by name, read through a select port and a data port or by
 * DMA. Software finds in it how much RAM and how many processors there are.
 *
 * @module
 */

import type { AddressSpace, IoSpace, RegisterBlock, Width } from "@iova/core";
import {
  FW_CFG_DMA_SIGNATURE,
  FW_CFG_NAME_BYTES,
  FwCfgDmaAccess,
  FwCfgFeature,
  FwCfgFile,
  FwCfgKey,
  Port,
} from "../layout.ts";

const TWO32 = 2 ** 32;
/** A key's bit 14 once meant writing; bit 15 is part of the key. */
const KEY_BITS = 0xbfff;
const NOTHING = new Uint8Array(0);

/** See the module's text. */
export class FwCfg implements RegisterBlock {
  readonly #items = new Map<number, Uint8Array>();
  readonly #files = new Map<string, Uint8Array>();
  readonly #space: AddressSpace;
  #item: Uint8Array = NOTHING;
  #offset = 0;
  #address = 0;

  /** An empty one, at its ports; its DMA goes to `space` untranslated. */
  constructor(io: IoSpace, space: AddressSpace) {
    this.#space = space;
    io.add(Port.FW_CFG, 2, this);
    io.add(Port.FW_CFG_DMA, 8, {
      read: dmaSignature,
      write: (offset, width, value) => this.#dmaPort(offset, width, value),
    });
    this.add(FwCfgKey.SIGNATURE, new TextEncoder().encode("QEMU"));
    this.addNumber(FwCfgKey.ID, 4, FwCfgFeature.PORTS | FwCfgFeature.DMA);
    this.#makeDirectory();
    this.reset();
  }

  /** Adds an item, or replaces it. */
  add(key: number, bytes: Uint8Array): void {
    this.#items.set(key, bytes);
  }

  /** Adds a little-endian number of `size` bytes; it is below 2^53. */
  addNumber(key: number, size: 2 | 4 | 8, value: number): void {
    this.add(key, numberBytes(size, value));
  }

  /** Adds a file, or replaces it. Files get their keys in the order of their names. */
  addFile(name: string, bytes: Uint8Array): void {
    this.#files.set(name, bytes);
    this.#makeDirectory();
  }

  /** Back to power-on: the signature is selected. */
  reset(): void {
    this.#select(FwCfgKey.SIGNATURE);
    this.#address = 0;
  }

  /** See `RegisterBlock`: a byte read at either port is the next byte of the item; zero after its end. */
  read(_offset: number, width: Width): number {
    return width === 1 ? this.#item[this.#offset++] ?? 0 : 0;
  }

  /** See `RegisterBlock`: 16 bits at the first port select an item. */
  write(offset: number, width: Width, value: number): void {
    if (offset === 0 && width === 2) this.#select(value);
  }

  #select(key: number): void {
    this.#item = this.#items.get(key & KEY_BITS) ?? NOTHING;
    this.#offset = 0;
  }

  #makeDirectory(): void {
    const names = [...this.#files.keys()].sort();
    const directory = new Uint8Array(4 + names.length * (FwCfgFile.size + FW_CFG_NAME_BYTES));
    new DataView(directory.buffer).setUint32(0, names.length);
    names.forEach((name, i) => {
      const bytes = this.#files.get(name)!;
      const select = FwCfgKey.FIRST_FILE + i;
      const at = 4 + i * (FwCfgFile.size + FW_CFG_NAME_BYTES);
      directory.set(FwCfgFile.encode({ size: bytes.length, select }), at);
      directory.set(new TextEncoder().encode(name), at + FwCfgFile.size);
      this.add(select, bytes);
    });
    this.add(FwCfgKey.FILE_DIR, directory);
  }

  /** The address of a request, big-endian and high half first; its low half starts it. */
  #dmaPort(offset: number, width: Width, value: number): void {
    if (width !== 4) return;
    if (offset === 0) this.#address = swap32(value) * TWO32;
    if (offset !== 4) return;
    const address = this.#address + swap32(value);
    this.#address = 0;
    this.#dma(address);
  }

  #dma(at: number): void {
    const { size, decode, mask, at: place } = FwCfgDmaAccess;
    const bytes = this.#memory(at, size);
    if (bytes === null) return;
    const request = decode(bytes);
    if (request.selects !== 0) this.#select(request.select);
    const done = request.write === 0 && this.#transfer(request);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(place.error, done ? 0 : mask.error);
  }

  #transfer({ read, skip, length, address }: { read: number; skip: number; length: number; address: bigint }): boolean {
    const first = this.#offset;
    if (read !== 0) {
      const to = this.#memory(Number(address), length);
      if (to === null) return false;
      const from = this.#item.subarray(first, first + length);
      to.set(from);
      to.fill(0, from.length);
    }
    if (read !== 0 || skip !== 0) this.#offset = Math.min(first + length, TWO32);
    return true;
  }

  /** RAM of one region, or null. */
  #memory(address: number, length: number): Uint8Array | null {
    const region = this.#space.ram(address);
    if (region === null || address + length > region.end) return null;
    return region.bytes.subarray(address - region.base, address - region.base + length);
  }
}

/** A number in little-endian bytes. */
export function numberBytes(size: 2 | 4 | 8, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes.subarray(0, size);
}

function dmaSignature(offset: number, width: Width): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) {
    const at = offset + i;
    value = value << 8 | FW_CFG_DMA_SIGNATURE[at >> 2] >>> 24 - 8 * (at & 3) & 0xff;
  }
  return value >>> 0;
}

function swap32(value: number): number {
  const halves = (value & 0xff00ff) << 8 | value >>> 8 & 0xff00ff;
  return (halves << 16 | halves >>> 16) >>> 0;
}

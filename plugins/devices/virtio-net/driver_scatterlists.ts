/**
 * Frames as scatterlists: header and pages in one list that is filled again for every frame, as Linux's driver has it.
 *
 * Until 2014 that driver set the end mark on the last entry of a frame and never took it away. A frame with more pages
 * than the one before then had a mark in its middle, and whoever followed the list stopped there.
 *
 * @module
 */

import {
  Direction,
  type DmaHandle,
  DmaHandle as Handle,
  type DmaOps,
  PAGE_SIZE,
  type PhysAddr,
  type ScatterEntry,
} from "@iova/core";
import type { BufferList } from "@iova/virtio";

/** See the module's text. */
export class Scatterlists {
  /** Most entries of a frame. */
  readonly entries: number;
  readonly #dma: DmaOps;
  readonly #clears: boolean;
  /** The one list that is filled again and again. */
  readonly #reused: ScatterEntry[];
  /** What is mapped, by slot: a list must be unmapped as it was mapped. */
  readonly #mapped: (ScatterEntry[] | null)[];
  readonly #handle: DmaHandle = new Handle();

  /** Lists of up to `maxFrame` bytes for `count` slots; `clears`: old end marks are taken away. */
  constructor(dma: DmaOps, count: number, maxFrame: number, clears: boolean) {
    this.#dma = dma;
    this.#clears = clears;
    // A header, and pages of which the first may begin anywhere.
    this.entries = 2 + Math.ceil(maxFrame / PAGE_SIZE);
    this.#reused = Array.from({ length: this.entries }, () => ({ cpu: 0, length: 0 }));
    this.#mapped = new Array(count).fill(null);
  }

  /** Maps a frame for slot `slot` and adds it to `list`; false when it cannot be mapped. */
  map(list: BufferList, slot: number, header: PhysAddr, headerSize: number, buffer: PhysAddr, length: number): boolean {
    const used = this.#fill(header, headerSize, buffer, length);
    const entries = this.#reused.slice(0, used).map((entry) => ({ ...entry }));
    const segments = this.#dma.mapSg(entries, Direction.TO_DEVICE);
    if (segments === 0) return false;
    for (const { dmaAddress, dmaLength } of entries.slice(0, segments)) {
      const { hi, lo } = this.#handle.set(dmaAddress!);
      list.outMapped(hi, lo, dmaLength!);
    }
    this.#mapped[slot] = entries;
    return true;
  }

  /** Unmaps the frame of a slot. */
  unmap(slot: number): void {
    const entries = this.#mapped[slot];
    if (entries === null) return;
    this.#mapped[slot] = null;
    this.#dma.unmapSg(entries, Direction.TO_DEVICE);
  }

  /** Fills the list and marks its end; returns how many entries it has. */
  #fill(header: PhysAddr, headerSize: number, buffer: PhysAddr, length: number): number {
    const list = this.#reused;
    let used = 0;
    const add = (cpu: PhysAddr, size: number) => {
      const entry = list[used++];
      entry.cpu = cpu;
      entry.length = size;
      if (this.#clears) entry.end = false;
    };
    add(header, headerSize);
    for (let at = 0; at < length;) {
      const part = Math.min(length - at, PAGE_SIZE - (buffer + at) % PAGE_SIZE);
      add(buffer + at, part);
      at += part;
    }
    list[used - 1].end = true;
    return used;
  }
}

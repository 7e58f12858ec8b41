/**
 * Copy on write: a base image that is only read, and what was written since in another place.
 *
 * @module
 */

import { type BlockBackend, SECTOR_SIZE } from "./contract.ts";
import { CLUSTER_SIZE } from "./layout_overlay.ts";
import { isInside } from "./raw_file.ts";

/** Where a cluster is. */
export const ClusterState = {
  /** Nothing was written to it: the base has it. */
  BASE: 0,
  /** It reads as zeros. */
  ZERO: 1,
  /** The store has it. */
  HELD: 2,
} as const;
/** One of {@linkcode ClusterState}'s values. */
export type ClusterState = typeof ClusterState[keyof typeof ClusterState];

/** The other place: clusters of 64 KiB by their number on the medium. False is a host error. */
export interface ClusterStore {
  /** Bytes of the medium. */
  readonly size: number;
  /** Where cluster `index` is. */
  state(index: number): ClusterState;
  /** Reads `length` bytes from byte `at` of a cluster that it has. */
  read(index: number, at: number, bytes: Uint8Array, offset: number, length: number): boolean;
  /** Writes a part of a cluster that it has. */
  write(index: number, at: number, bytes: Uint8Array, offset: number, length: number): boolean;
  /** Takes a cluster in, with this content of {@linkcode CLUSTER_SIZE} bytes. */
  hold(index: number, content: Uint8Array): boolean;
  /** From now on the cluster reads as zeros. */
  zero(index: number): boolean;
  /** Gives the medium another size; false when there is no room for its table. */
  resize(size: number): boolean;
  /** Makes everything durable. */
  flush(): boolean;
  /** Flushes and closes. Calling it twice is harmless. */
  close(): void;
}

/** Clusters in memory, lost at the end. */
export class RamClusters implements ClusterStore {
  size: number;
  readonly #held = new Map<number, Uint8Array | null>();

  /** Nothing written yet, on a medium of `size` bytes. */
  constructor(size: number) {
    this.size = size;
  }

  state(index: number): ClusterState {
    const held = this.#held.get(index);
    return held === undefined ? ClusterState.BASE : held === null ? ClusterState.ZERO : ClusterState.HELD;
  }

  read(index: number, at: number, bytes: Uint8Array, offset: number, length: number): boolean {
    bytes.set(this.#held.get(index)!.subarray(at, at + length), offset);
    return true;
  }

  write(index: number, at: number, bytes: Uint8Array, offset: number, length: number): boolean {
    this.#held.get(index)!.set(bytes.subarray(offset, offset + length), at);
    return true;
  }

  hold(index: number, content: Uint8Array): boolean {
    this.#held.set(index, content.slice());
    return true;
  }

  zero(index: number): boolean {
    this.#held.set(index, null);
    return true;
  }

  resize(size: number): boolean {
    this.size = size;
    return true;
  }

  flush(): boolean {
    return true;
  }

  close(): void {}
}

/** What moves between a part of a cluster and lent bytes. */
type Part = (index: number, at: number, offset: number, length: number) => boolean;

/** A medium over a base that stays as it is. */
export class OverlayBackend implements BlockBackend {
  readonly readOnly = false;
  readonly #base: BlockBackend;
  readonly #store: ClusterStore;
  readonly #cluster = new Uint8Array(CLUSTER_SIZE);

  /** Both are this back-end's from now on. */
  constructor(base: BlockBackend, store: ClusterStore) {
    this.#base = base;
    this.#store = store;
  }

  /** Bytes. */
  get size(): number {
    return this.#store.size;
  }

  /** See {@linkcode BlockBackend.read}. */
  read(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#each(position, offset, length, (index, at, to, count) => this.#readPart(index, at, bytes, to, count));
  }

  /** See {@linkcode BlockBackend.write}. The first write to a cluster takes the rest of it over from the base. */
  write(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#each(position, offset, length, (index, at, from, count) => {
      if (this.#store.state(index) === ClusterState.HELD) return this.#store.write(index, at, bytes, from, count);
      const cluster = this.#cluster;
      if (count < CLUSTER_SIZE && !this.#readPart(index, 0, cluster, 0, CLUSTER_SIZE)) return false;
      cluster.set(bytes.subarray(from, from + count), at);
      return this.#store.hold(index, cluster);
    });
  }

  /** Whole clusters are forgotten, the ends written. */
  writeZeroes(position: number, length: number): boolean {
    return this.#each(position, 0, length, (index, at, _offset, count) => {
      if (this.#store.state(index) === ClusterState.ZERO) return true;
      if (count === CLUSTER_SIZE) return this.#store.zero(index);
      return this.write(index * CLUSTER_SIZE + at, ZEROS, 0, count);
    });
  }

  /** See {@linkcode BlockBackend.resize}. What a shorter medium had behind its end is zeros when it grows again. */
  resize(size: number): boolean {
    if (size <= 0 || size % SECTOR_SIZE !== 0) return false;
    const before = this.size;
    return (size >= before || this.writeZeroes(size, before - size)) && this.#store.resize(size);
  }

  /** See {@linkcode BlockBackend.flush}. */
  flush(): boolean {
    return this.#store.flush();
  }

  /** See {@linkcode BlockBackend.close}. */
  close(): void {
    this.#store.close();
    this.#base.close();
  }

  #readPart(index: number, at: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const state = this.#store.state(index);
    if (state === ClusterState.HELD) return this.#store.read(index, at, bytes, offset, length);
    const position = index * CLUSTER_SIZE + at;
    const inBase = state === ClusterState.ZERO ? 0 : Math.max(0, Math.min(length, this.#base.size - position));
    bytes.fill(0, offset + inBase, offset + length);
    return inBase === 0 || this.#base.read(position, bytes, offset, inBase);
  }

  #each(position: number, offset: number, length: number, part: Part): boolean {
    if (!isInside(this.size, position, length)) return false;
    for (let done = 0; done < length;) {
      const at = (position + done) % CLUSTER_SIZE;
      const count = Math.min(length - done, CLUSTER_SIZE - at);
      if (!part(Math.floor((position + done) / CLUSTER_SIZE), at, offset + done, count)) return false;
      done += count;
    }
    return true;
  }
}

const ZEROS = new Uint8Array(CLUSTER_SIZE);

/**
 * What block devices, block drivers and block workloads have in common. Positions are in 512-byte sectors, lengths in
 * bytes.
 *
 * @module
 */

import type { Driver, PhysAddr } from "@iova/core";

/** Bytes in a sector; block protocols count in these whatever the medium's own block size. */
export const SECTOR_SIZE = 512;

/** What a request does. */
export const BlockOp = {
  READ: 0,
  WRITE: 1,
  /** Everything acknowledged before is on the medium when this completes. */
  FLUSH: 2,
  /** 20 bytes of serial number, NUL-padded. */
  GET_ID: 3,
  /** What is stored there does not matter any more. */
  DISCARD: 4,
  /** Reads as zeros afterwards. */
  WRITE_ZEROES: 5,
  /** As discard, and nobody can get it back. */
  SECURE_ERASE: 6,
} as const;
/** One of {@linkcode BlockOp}'s values. */
export type BlockOp = typeof BlockOp[keyof typeof BlockOp];

/** How a request ended, as the driver tells its user. */
export const BlockStatus = {
  OK: 0,
  /** The device failed the request. */
  IO_ERROR: 1,
  /** The device does not know the request. */
  UNSUPPORTED: 2,
  /** The device broke, was removed or did not answer; nothing is known about the medium. */
  DEVICE_GONE: 3,
} as const;
/** One of {@linkcode BlockStatus}'s values. */
export type BlockStatus = typeof BlockStatus[keyof typeof BlockStatus];

/**
 * A block driver, as workloads see it.
 *
 * {@linkcode BlockDriver.submit} is the data path and allocates nothing: requests are numbered by the caller's `tag`,
 * and completions come through {@linkcode BlockDriver.onComplete}. The promise forms are for scripts; they use tags of
 * their own and do not disturb `onComplete`.
 */
export interface BlockDriver extends Driver {
  /** The library's word for block devices. */
  readonly drives: "block";
  /** Size of the medium in sectors. It changes when the device is resized. */
  readonly capacity: number;
  /** Whether the device refuses writes. */
  readonly readOnly: boolean;
  /** Requests that can be in flight. */
  readonly queueDepth: number;
  /** Longest transfer of one request, in bytes. */
  readonly maxTransfer: number;
  /** Bytes of a block: requests begin and end where one does. Absent: a sector. */
  readonly blockSize?: number;
  /** Called for every completed `submit`, in interrupt context. It may submit; what it submits is kicked afterwards. */
  onComplete: (tag: number, status: BlockStatus) => void;

  /**
   * Queues one request. The buffer, `length` bytes at `buffer`, is the device's until completion. A request without data
   * (discard, write zeroes, secure erase) is about `length` bytes of the medium and has no buffer.
   *
   * @returns false when the queue is full or mapping failed: try again after a completion.
   */
  submit(op: BlockOp, sector: number, buffer: PhysAddr, length: number, tag: number): boolean;
  /** Tells the device about queued requests, if it wants to know. */
  kick(): void;

  /** Reads `length` bytes into `buffer`. */
  read(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus>;
  /** Writes `length` bytes from `buffer`. */
  write(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus>;
  /** Flushes the device's cache. */
  flush(): Promise<BlockStatus>;
  /** Forgets `length` bytes of the medium. Absent: the driver cannot. `UNSUPPORTED` when the device cannot. */
  discard?(sector: number, length: number): Promise<BlockStatus>;
  /** Writes zeros; `unmap` lets the device forget the bytes instead, if they read as zeros then. Absent: see `discard`. */
  writeZeroes?(sector: number, length: number, unmap?: boolean): Promise<BlockStatus>;
  /** Forgets `length` bytes of the medium for good. Absent: see `discard`. */
  secureErase?(sector: number, length: number): Promise<BlockStatus>;
  /** Called in interrupt context when {@linkcode BlockDriver.capacity} has changed. Absent: it never does. */
  onResize?: (capacity: number) => void;
  /** The device's serial number, without padding; null when the device does not say. */
  serial(): Promise<string | null>;
}

/** The medium behind a block device. Host errors are answers, not exceptions: a device turns them into its status. */
export interface BlockBackend {
  /** Size in bytes: a multiple of 512. It changes with {@linkcode BlockBackend.resize}. */
  readonly size: number;
  /** Whether writes are refused. */
  readonly readOnly: boolean;
  /** Reads `length` bytes at byte `position` into `bytes[offset]`; false on a host error. `bytes` is lent for the call. */
  read(position: number, bytes: Uint8Array, offset: number, length: number): boolean;
  /** Writes `length` bytes from `bytes[offset]` at byte `position`; false on a host error. */
  write(position: number, bytes: Uint8Array, offset: number, length: number): boolean;
  /** Writes zeros; false on a host error. Absent: {@linkcode writeZeroes} writes them. */
  writeZeroes?(position: number, length: number): boolean;
  /** Forgets bytes, which read as zeros afterwards; false on a host error. Absent: zeros are written. */
  discard?(position: number, length: number): boolean;
  /** Gives the medium `size` bytes, a multiple of 512; what is new reads as zeros. False when it cannot. Absent: never. */
  resize?(size: number): boolean;
  /** Makes everything written durable; false on a host error. */
  flush(): boolean;
  /** Flushes and closes. Calling it twice is harmless. */
  close(): void;
}

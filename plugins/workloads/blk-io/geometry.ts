/**
 * What is read and written where: the options, fitted to a device.
 *
 * @module
 */

import { formatSize, InputError, type OptionsOf } from "@iova/core";
import { type BlockDriver, SECTOR_SIZE } from "@iova/block";
import type { OPTIONS } from "./options.ts";

/** The options of `blk-io`, read. */
export type BlkIoOptions = OptionsOf<typeof OPTIONS>;

/** A region of a device, cut into blocks. */
export interface Geometry {
  readonly firstSector: number;
  /** Sectors of the region; the last ones may be less than a block and are then only part of the checksum. */
  readonly sectors: number;
  readonly blockSize: number;
  readonly sectorsPerBlock: number;
  /** Whole blocks in the region. */
  readonly blocks: number;
  /** Requests to make. */
  readonly count: number;
}

/** Most blocks of which the content is remembered. */
export const MOST_VERIFIED_BLOCKS = 1 << 24;

/** Whether a run with these options writes. */
export function writes({ pattern, mixRead }: BlkIoOptions): boolean {
  return pattern === "write" || pattern === "randwrite" || (pattern === "mixed" && mixRead < 100);
}

/**
 * Fits options to a device.
 *
 * @throws {InputError} when they do not fit; `where` is the workload's place in the manifest.
 */
export function fit(options: BlkIoOptions, driver: BlockDriver, where: { file: string; path: string }): Geometry {
  const { blockSize, offset, verify } = options;
  const refuse = (option: string, found: string, expected: string): never => {
    throw new InputError({ file: where.file, path: `${where.path}.with.${option}`, found, expected });
  };
  const unit = driver.blockSize ?? SECTOR_SIZE;
  for (const option of ["blockSize", "offset", "length"] as const) {
    const value = options[option] ?? 0;
    if (value % unit !== 0) refuse(option, formatSize(value), `a multiple of ${unit} bytes`);
  }
  const size = driver.capacity * SECTOR_SIZE;
  if (offset >= size) refuse("offset", formatSize(offset), `less than the device's ${formatSize(size)}`);
  const length = options.length ?? size - offset;
  if (length > size - offset) {
    refuse("length", formatSize(length), `at most the ${formatSize(size - offset)} there are`);
  }
  if (blockSize > driver.maxTransfer) {
    refuse(
      "blockSize",
      formatSize(blockSize),
      `at most ${formatSize(driver.maxTransfer)}, the driver's longest transfer`,
    );
  }
  const blocks = Math.floor(length / blockSize);
  if (blocks === 0) refuse("blockSize", formatSize(blockSize), `at most the region's ${formatSize(length)}`);
  if (verify && blocks > MOST_VERIFIED_BLOCKS) {
    refuse("verify", `${blocks} blocks to remember`, `at most ${MOST_VERIFIED_BLOCKS}: a smaller "length", or false`);
  }
  if (options.sha256 !== undefined) {
    if (!/^[0-9a-f]{64}$/i.test(options.sha256)) refuse("sha256", `"${options.sha256}"`, "64 hexadecimal digits");
    if (!verify) refuse("verify", "false", `true, as "sha256" is given`);
  }
  return {
    firstSector: offset / SECTOR_SIZE,
    sectors: length / SECTOR_SIZE,
    blockSize,
    sectorsPerBlock: blockSize / SECTOR_SIZE,
    blocks,
    count: options.count ?? blocks,
  };
}

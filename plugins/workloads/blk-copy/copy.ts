/**
 * One run of `blk-copy`: the copy, then a look at the file.
 *
 * @module
 */

import { formatSize, InputError, Random, type WorkloadContext, type WorkloadResult } from "@iova/core";
import { type BlockDriver, RequestPump, SECTOR_SIZE, Sha256, STATUS_NAMES } from "@iova/block";
import { CopySource } from "./copy_source.ts";
import type { CopyOptions } from "./options.ts";
import { openTarget, type Target } from "./target.ts";

/** Copies the device behind `driver`. @throws {InputError} when the options or the file do not fit. */
export async function runCopy(
  context: WorkloadContext,
  driver: BlockDriver,
  options: CopyOptions,
): Promise<WorkloadResult> {
  checkBlockSize(context, driver, options.blockSize);
  const size = driver.capacity * SECTOR_SIZE;
  const blockSize = Math.min(options.blockSize, size);
  const { file, path } = context.where;
  const pump = new RequestPump(driver, context.guest, options.depth, blockSize, "the buffers of blk-copy");
  try {
    const place = { path: context.resolvePath(options.to), name: options.to, file, optionPath: `${path}.with.to` };
    const target = openTarget(place, size);
    try {
      const random = options.seed === undefined ? context.random : new Random(options.seed);
      const source = new CopySource(context, target, size, blockSize, options.order === "random" ? random : null);
      const completed = await pump.run(source);
      target.sync();
      return conclude(source, target, completed, options.to);
    } finally {
      target.close();
    }
  } finally {
    pump.close();
  }
}

function checkBlockSize({ where }: WorkloadContext, driver: BlockDriver, blockSize: number): void {
  const refuse = (expected: string): never => {
    throw new InputError({
      file: where.file,
      path: `${where.path}.with.blockSize`,
      found: formatSize(blockSize),
      expected,
    });
  };
  if (blockSize % SECTOR_SIZE !== 0) refuse(`a multiple of ${SECTOR_SIZE} bytes`);
  if (blockSize > driver.maxTransfer) {
    refuse(`at most ${formatSize(driver.maxTransfer)}, the driver's longest transfer`);
  }
}

function conclude(source: CopySource, target: Target, completed: boolean, to: string): WorkloadResult {
  const { sha256, different } = readBack(source, target);
  const failure = failureOf(source, target, completed, different, to);
  const { requests, bytes } = source;
  return {
    verified: failure === undefined,
    requests,
    bytes,
    details: { to, sha256, order: source.isShuffled ? "random" : "sequential" },
    ...(failure !== undefined && { failure }),
  };
}

function failureOf(
  { blocks, errors, firstError }: CopySource,
  target: Target,
  completed: boolean,
  different: number,
  to: string,
): string | undefined {
  if (target.failure !== "") return `"${to}" could not be written: ${target.failure}`;
  if (firstError !== null) {
    const status = STATUS_NAMES[firstError.status];
    return `${errors} of ${blocks} blocks could not be read, the first at sector ${firstError.sector}: ${status}`;
  }
  if (!completed) return "the driver refused a request while none was in flight: no buffer could be mapped";
  return different === 0
    ? undefined
    : `"${to}" differs from what came through the machine in ${different} of ${blocks} blocks`;
}

/** Reads the file as it is now: its digest, and how many blocks are not what came through the machine. */
function readBack(source: CopySource, target: Target): { sha256: string; different: number } {
  const bytes = new Uint8Array(source.blockSize);
  const view = new DataView(bytes.buffer);
  const sum = new Sha256();
  let different = 0;
  for (let block = 0; block < source.blocks; block++) {
    const length = source.lengthOf(block);
    const found = target.read(block * source.blockSize, bytes.subarray(0, length));
    sum.update(bytes, 0, found);
    if (found < length || !source.agrees(block, view)) different++;
  }
  return { sha256: sum.hex(), different };
}

/**
 * A script that reads one sector: what the README shows.
 *
 * @module
 */

import type { ScriptContext, ScriptResult } from "@iova/script";
import { type BlockDriver, BlockStatus } from "@iova/block";

/** Reads sector `options.sector`. */
export default async function readSector({ driver, guest, options, observe }: ScriptContext): Promise<ScriptResult> {
  const disk = driver as BlockDriver;
  const buffer = guest.heap.require(512, "a sector");
  const status = await disk.read(Number(options.sector), buffer, 512);
  observe(`status=${status}`);
  return { verified: status === BlockStatus.OK, requests: 1, bytes: 512 };
}

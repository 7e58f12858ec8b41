/**
 * The machine that is to be killed: writes for ever, flushes after every batch, and says `ack N` on standard output when
 * the flush after batch N has completed. Run as a program, with a folder that holds `disk.img` and a seed; or as what
 * that program's workload runs.
 *
 * @module
 */

import { loadMachine } from "@iova/core";
import { type BlockDriver, BlockStatus } from "@iova/block";
import type { ScriptContext } from "@iova/script";
import { BATCH, BLOCK, blocksOf, fillBlock } from "./kill_content.ts";

/** Writes until the process ends. */
export default async function writeForEver({ driver, guest, options }: ScriptContext): Promise<boolean> {
  const disk = driver as BlockDriver;
  const seed = Number(options.seed);
  const buffers = Array.from({ length: BATCH }, () => guest.heap.require(BLOCK, "a block"));
  for (let batch = 0;; batch++) {
    const writes = blocksOf(seed, batch).map((block, i) => {
      fillBlock(guest.memory.bytes(buffers[i], BLOCK), seed, batch, block);
      return disk.write(block * (BLOCK / 512), buffers[i], BLOCK);
    });
    const statuses = [...await Promise.all(writes), await disk.flush()];
    if (statuses.some((status) => status !== BlockStatus.OK)) return false;
    // Synchronous: what has been said has been said, whatever happens next.
    Deno.stdout.writeSync(new TextEncoder().encode(`ack ${batch}\n`));
  }
}

if (import.meta.main) {
  const [folder, seed] = Deno.args;
  const machine = await loadMachine({
    memory: "4MiB",
    platform: "strict",
    devices: [{ id: "disk0", use: "virtio-blk", with: { image: "disk.img" } }],
    workload: [{
      use: "script",
      device: "disk0",
      with: { module: import.meta.filename!, options: { seed: Number(seed) } },
    }],
  }, { base: folder });
  await machine.run();
  Deno.exit(3);
}

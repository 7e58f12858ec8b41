// A machine that writes is killed at random moments: what it acknowledged with a flush is in the image.

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { BATCH, BLOCK, BLOCKS, blocksOf, fillBlock } from "./kill_content.ts";
import { inFolder } from "./scenario.ts";

const RUNS = 20;
/** The longest time between the first acknowledgement and the kill, in milliseconds. */
const LONGEST = 120;

/** Starts the machine, kills it `delay` milliseconds after its first acknowledgement; the last batch that it acknowledged. */
async function killed(folder: string, seed: number, delay: number): Promise<number> {
  const script = new URL("./kill_script.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--frozen", "--no-check", "--allow-read", `--allow-write=${folder}`, script, folder, String(seed)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let said = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    timer ??= setTimeout(() => child.kill("SIGKILL"), delay);
    said += text;
  }
  const { signal } = await child.status;
  clearTimeout(timer);
  assertEquals(signal, "SIGKILL", "the machine wrote until it was killed");
  const acknowledged = [...said.matchAll(/^ack (\d+)\n/gm)].map((match) => Number(match[1]));
  assertEquals(acknowledged, acknowledged.map((_, i) => i));
  return acknowledged.length - 1;
}

/** For every block, the batches that may be in it after the run: the last acknowledged one, and the next. */
function allowedBatches(seed: number, last: number): Map<number, number[]> {
  const allowed = new Map<number, number[]>();
  for (let batch = 0; batch <= last; batch++) {
    for (const block of blocksOf(seed, batch)) allowed.set(block, [batch]);
  }
  // The next batch may be under way; the one after it begins only when that one has been acknowledged.
  for (const block of blocksOf(seed, last + 1)) allowed.set(block, [...allowed.get(block) ?? [], last + 1]);
  return allowed;
}

/** Every sector of the image holds what the last acknowledged write to it left there, or a write that came later. */
function check(before: Uint8Array, after: Uint8Array, seed: number, last: number): void {
  const allowed = allowedBatches(seed, last);
  const content = new Uint8Array(BLOCK);
  for (let block = 0; block < BLOCKS; block++) {
    const found = after.subarray(block * BLOCK, (block + 1) * BLOCK);
    const batches = allowed.get(block) ?? [];
    const acknowledged = batches.some((batch) => batch <= last);
    const candidates: Uint8Array[] = batches.map((batch) => {
      fillBlock(content, seed, batch, block);
      return content.slice();
    });
    if (!acknowledged) candidates.push(before.subarray(block * BLOCK, (block + 1) * BLOCK));
    for (let at = 0; at < BLOCK; at += 512) {
      const same = (candidate: Uint8Array) =>
        candidate.subarray(at, at + 512).every((byte, i) => byte === found[at + i]);
      assert(
        candidates.some(same),
        `block ${block}, byte ${at}: neither batch ${batches.join(" nor batch ")} (seed ${seed}, last ack ${last})`,
      );
    }
  }
}

Deno.test(`every write that was acknowledged with a flush is in the image after SIGKILL, ${RUNS} times`, () =>
  inFolder(async (folder) => {
    const image = `${folder}/disk.img`;
    Deno.writeFileSync(image, new Uint8Array(BLOCK * BLOCKS));
    const first = Math.floor(Math.random() * 1_000_000);
    console.log(`seed ${first}`);
    const random = new Random(first);
    let batches = 0;
    for (let run = 0; run < RUNS; run++) {
      const seed = first + run;
      const before = Deno.readFileSync(image);
      // The same image each time: a killed machine leaves no lock behind.
      const last = await killed(folder, seed, random.below(LONGEST));
      check(before, Deno.readFileSync(image), seed, last);
      batches += last + 1;
    }
    console.log(`${batches * BATCH} acknowledged writes in ${RUNS} runs`);
    assert(batches >= RUNS);
  }));

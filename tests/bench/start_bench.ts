/**
 * What a start costs, in whole processes: time to the first output and to the end, and peak memory of
 * `run examples/quickstart.json`, against `deno run` of an empty file. Pairs take turns; medians count.
 *
 * @module
 */

import { ROOT } from "../architecture/tree.ts";
import { layOut, quantile, significant } from "./harness.ts";

const PAIRS = 15;
const MEMORY_RUNS = 5;
const GUEST_MIB = 64;

const folder = Deno.makeTempDirSync({ prefix: "iova-start-" });
const empty = `${folder}/empty.ts`;
Deno.writeTextFileSync(empty, "");
const EMPTY = ["run", "--no-config", empty];
const QUICKSTART = ["run", "--frozen", "--allow-read", `${ROOT}/mod.ts`, "run", `${ROOT}/examples/quickstart.json`];

interface Times {
  /** Milliseconds until the first byte of output; until the end when there is none. */
  first: number;
  /** Milliseconds until the end. */
  end: number;
}

function start(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
}

async function timed(args: string[]): Promise<Times> {
  const begin = performance.now();
  const child = start(args);
  let first: number | undefined;
  for await (const _ of child.stdout) first ??= performance.now() - begin;
  const { success } = await child.status;
  if (!success) throw new Error(`deno ${args.join(" ")} failed`);
  const end = performance.now() - begin;
  return { first: first ?? end, end };
}

/** The most memory that the process ever held, in MiB: the kernel's high-water mark, read until the process ends. */
async function peakMiB(args: string[]): Promise<number> {
  const child = start(args);
  const drained = child.stdout.pipeTo(new WritableStream());
  let peak = 0;
  for (;;) {
    const { stdout } = await new Deno.Command("cat", { args: [`/proc/${child.pid}/status`], stderr: "null" }).output();
    const line = /^VmHWM:\s*(\d+) kB$/m.exec(new TextDecoder().decode(stdout));
    if (line === null) break;
    peak = Math.max(peak, Number(line[1]) / 1024);
  }
  await drained;
  await child.status;
  return peak;
}

const times = { empty: [] as Times[], quickstart: [] as Times[] };
await timed(QUICKSTART); // fills the caches of compiled code
for (let i = 0; i < PAIRS; i++) {
  times.empty.push(await timed(EMPTY));
  times.quickstart.push(await timed(QUICKSTART));
}
const peaks = { empty: [] as number[], quickstart: [] as number[] };
for (let i = 0; i < MEMORY_RUNS; i++) {
  peaks.empty.push(await peakMiB(EMPTY));
  peaks.quickstart.push(await peakMiB(QUICKSTART));
}
Deno.removeSync(folder, { recursive: true });

const median = (values: number[]) => quantile(values, 0.5);
const emptyEnd = median(times.empty.map((t) => t.end));
const first = median(times.quickstart.map((t) => t.first));
const end = median(times.quickstart.map((t) => t.end));
const emptyPeak = median(peaks.empty);
const peak = median(peaks.quickstart);
const memoryAim = GUEST_MIB + 2 * emptyPeak;

if (Deno.args.includes("--json")) {
  console.log(JSON.stringify({ suite: "start", emptyEnd, first, end, emptyPeak, peak, memoryAim }));
} else {
  const verdict = (met: boolean) => met ? "met" : "MISSED";
  console.log(layOut("start   run examples/quickstart.json, against an empty program", [
    ["case", "run", "empty", "ratio", "aim"],
    [
      "first output, ms",
      significant(first),
      significant(emptyEnd),
      `${significant(first / emptyEnd)} ×`,
      `≤ 4: ${verdict(first <= 4 * emptyEnd)}`,
    ],
    ["end, ms", significant(end), significant(emptyEnd), `${significant(end / emptyEnd)} ×`, ""],
    [
      "peak memory, MiB",
      significant(peak),
      significant(emptyPeak),
      `${significant(peak / emptyPeak)} ×`,
      peak === 0
        ? "no /proc here"
        : `≤ ${GUEST_MIB} + 2 × empty = ${significant(memoryAim)}: ${verdict(peak <= memoryAim)}`,
    ],
  ]));
}

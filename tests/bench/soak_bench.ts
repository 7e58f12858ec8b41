/**
 * Memory does not grow with the number of requests: random reads of 4 KiB on one machine, resident memory and JavaScript
 * heap after every tenth. `--count=10000000` makes ten million; the default is a twentieth of that.
 *
 * @module
 */

import { diskMachine, RandomReads } from "./disks.ts";
import { layOut, significant } from "./harness.ts";

const STEPS = 10;
const given = Deno.args.find((argument) => argument.startsWith("--count="));
const count = given === undefined ? 500_000 : Number(given.slice("--count=".length));
const gc = (globalThis as { gc?: () => void }).gc;
const MIB = 1024 * 1024;

interface Sample {
  requests: number;
  /** Resident memory and used heap, in MiB. */
  rss: number;
  heap: number;
  /** Nanoseconds per request since the sample before. */
  ns: number;
}

function sample(requests: number, ns: number): Sample {
  gc?.();
  const { rss, heapUsed } = Deno.memoryUsage();
  return { requests, rss: rss / MIB, heap: heapUsed / MIB, ns };
}

const reads = new RandomReads(await diskMachine(1, "direct"), "disk0", 32);
const step = Math.max(1, Math.round(count / STEPS));
const samples: Sample[] = [];
for (let i = 1; i <= STEPS; i++) {
  const start = performance.now();
  await reads.run(step);
  samples.push(sample(i * step, (performance.now() - start) * 1e6 / step));
}

// The first step warms up: pages of memory are touched, code is compiled.
const first = samples[0];
const last = samples[STEPS - 1];
const growth = { rss: last.rss - first.rss, heap: last.heap - first.heap };
const bytesPerRequest = growth.heap * MIB / (last.requests - first.requests);

if (Deno.args.includes("--json")) {
  console.log(JSON.stringify({ suite: "soak", count: last.requests, growth, bytesPerRequest, samples }));
} else {
  console.log(layOut(`soak   ${last.requests} reads of 4 KiB, 32 in flight`, [
    ["requests", "resident, MiB", "heap, MiB", "ns/request"],
    ...samples.map(({ requests, rss, heap, ns }) => [
      String(requests),
      rss.toFixed(1),
      heap.toFixed(2),
      significant(ns),
    ]),
    [
      "growth since the first",
      growth.rss.toFixed(1),
      growth.heap.toFixed(2),
      `${bytesPerRequest.toFixed(3)} B/request`,
    ],
  ]));
}

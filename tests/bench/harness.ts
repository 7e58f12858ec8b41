/**
 * The benchmark harness. Every figure is a ratio within one run, so that it says something on any machine: to **C**, one
 * 4 KiB `Uint8Array.set` within the cache, or to another case of the same suite.
 *
 * ```ts ignore
 * import { suite } from "../tests/bench/harness.ts";
 *
 * await suite("bus", [
 *   { name: "translate, empty tree", run: (n) => { for (let i = 0; i < n; i++) port.readAt(0, 4096, page, 0, 64); }, atMost: 0.2 },
 * ]);
 * ```
 *
 * A suite's cases take turns: each round times C and then one batch of every case, so that a machine that slows down
 * slows all of them. `deno task bench` runs every suite in a process of its own, with `--expose-gc`.
 *
 * @module
 */

/** One thing to time. */
export interface Case {
  /** What it does; unique within its suite. */
  name: string;
  /** Does it `iterations` times. A promise is awaited once for the whole batch. */
  run(iterations: number): void | Promise<void>;
  /** Operations in one iteration, when not 1: the figures are per operation. */
  operations?: number;
  /** The name of the case whose time is 1 in the ratio. Absent: C. */
  against?: string;
  /** The largest ratio aimed for. Absent: the figure is for information. */
  atMost?: number;
  /** The most bytes of JavaScript heap per operation aimed for. Absent: for information. */
  heapAtMost?: number;
}

/** How long to measure. */
export interface Effort {
  /** Rounds; the median of their batches counts. Default 25. */
  rounds?: number;
  /** Milliseconds that one batch should take. Default 8. */
  batch?: number;
}

/** What was measured for one case. */
export interface Figure {
  name: string;
  /** Median nanoseconds per operation. */
  ns: number;
  /** Half the distance between the quartiles, as a part of the median. */
  spread: number;
  /** Times the reference. */
  ratio: number;
  /** The reference: `C`, or a case's name. */
  against: string;
  /** Bytes of JavaScript heap allocated per operation; null when it could not be seen (no `--expose-gc`). */
  heapBytes: number | null;
  /** The aim in words, and whether it was met. Absent: no aim. */
  aim?: { text: string; met: boolean };
}

/** What was measured for one suite. */
export interface SuiteReport {
  suite: string;
  /** C in nanoseconds. */
  c: number;
  figures: Figure[];
}

/** Pages of the unit's source and of its destination: together more than a first-level cache and less than a second. */
const UNIT_PAGES = 32;
const pages = Array.from({ length: 2 * UNIT_PAGES }, () => new Uint8Array(4096).fill(1));

/** V8's collector, there with `--v8-flags=--expose-gc`. */
const gc = (globalThis as { gc?: () => void }).gc;

/** The unit: one 4 KiB copy within the cache. */
const unit: Case = {
  name: "C",
  run(iterations) {
    for (let i = 0; i < iterations; i++) pages[i & (UNIT_PAGES - 1)].set(pages[UNIT_PAGES + (i & (UNIT_PAGES - 1))]);
  },
};

/** Measures `cases` and prints what came out: a table, or one line of JSON when the program was given `--json`. */
export async function suite(name: string, cases: Case[], effort: Effort = {}): Promise<SuiteReport> {
  const report = await measure(name, cases, effort);
  console.log(Deno.args.includes("--json") ? JSON.stringify(report) : table(report));
  return report;
}

/** {@linkcode suite} without the printing. */
export async function measure(name: string, cases: Case[], effort: Effort = {}): Promise<SuiteReport> {
  const { rounds = 25, batch = 8 } = effort;
  const all = [unit, ...cases];
  const sizes: number[] = [];
  for (const one of all) sizes.push(await batchSize(one, batch));
  const samples = all.map(() => new Float64Array(rounds));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < all.length; i++) samples[i][round] = await time(all[i], sizes[i]);
  }
  const medians = new Map(all.map((one, i) => [one.name, quantile(samples[i], 0.5)]));
  const figures: Figure[] = [];
  for (const [i, one] of cases.entries()) {
    figures.push(figure(one, samples[i + 1], medians, await heapPerOperation(one, sizes[i + 1])));
  }
  return { suite: name, c: medians.get("C")!, figures };
}

/** The value below which a part `q` of the samples lies. */
export function quantile(samples: Iterable<number>, q: number): number {
  const sorted = Float64Array.from(samples).sort();
  const place = (sorted.length - 1) * q;
  const low = Math.floor(place);
  return sorted[low] + (sorted[Math.ceil(place)] - sorted[low]) * (place - low);
}

/** The report as a table that a person reads. */
export function table(report: SuiteReport): string {
  const rows = report.figures.map((figure) => [
    figure.name,
    significant(figure.ns),
    significant(figure.ratio) + (figure.against === "C" ? " C" : ` × ${figure.against}`),
    `±${Math.round(figure.spread * 100)} %`,
    figure.heapBytes === null ? "?" : figure.heapBytes.toFixed(1),
    figure.aim === undefined ? "" : `${figure.aim.text}: ${figure.aim.met ? "met" : "MISSED"}`,
  ]);
  return layOut(`${report.suite}   C = ${significant(report.c)} ns`, [
    ["case", "ns/op", "ratio", "spread", "heap B/op", "aim"],
    ...rows,
  ]);
}

/** A title over columns: the first and the last flush left, figures flush right. */
export function layOut(title: string, rows: string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: string[]) =>
    row.map((cell, i) => i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))
      .join("  ").trimEnd();
  return [title, ...rows.map((row) => "  " + line(row))].join("\n");
}

/** Three significant digits, without an exponent. */
export function significant(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

async function time(one: Case, iterations: number): Promise<number> {
  const start = performance.now();
  await one.run(iterations);
  return (performance.now() - start) * 1e6 / (iterations * (one.operations ?? 1));
}

/**
 * Warms a case up, and finds how many iterations take about `milliseconds`. The better of two runs counts: what is compiled
 * on the way makes the first slow, and would end in batches of one.
 */
async function batchSize(one: Case, milliseconds: number): Promise<number> {
  const elapsedOf = async () => await time(one, iterations) * iterations * (one.operations ?? 1) / 1e6;
  let iterations = 1;
  for (;;) {
    const elapsed = Math.min(await elapsedOf(), await elapsedOf());
    if (elapsed >= milliseconds) return Math.max(1, Math.round(iterations * milliseconds / elapsed));
    iterations = elapsed < milliseconds / 100 ? iterations * 10 : Math.ceil(iterations * 1.2 * milliseconds / elapsed);
  }
}

function figure(one: Case, samples: Float64Array, medians: Map<string, number>, heapBytes: number | null): Figure {
  const against = one.against ?? "C";
  const reference = medians.get(against);
  if (reference === undefined) {
    throw new Error(`case "${one.name}" is against "${against}", which is no case of its suite`);
  }
  const ns = medians.get(one.name)!;
  const spread = (quantile(samples, 0.75) - quantile(samples, 0.25)) / 2 / ns;
  const ratio = ns / reference;
  return { name: one.name, ns, spread, ratio, against, heapBytes, aim: aimOf(one, ratio, heapBytes) };
}

function aimOf(one: Case, ratio: number, heapBytes: number | null): Figure["aim"] {
  const texts: string[] = [];
  let met = true;
  if (one.atMost !== undefined) {
    texts.push(`≤ ${significant(one.atMost)}`);
    met &&= ratio <= one.atMost;
  }
  if (one.heapAtMost !== undefined) {
    texts.push(`≤ ${significant(one.heapAtMost)} B`);
    met &&= heapBytes !== null && heapBytes <= one.heapAtMost;
  }
  return texts.length === 0 ? undefined : { text: texts.join(", "), met };
}

/** Heap growth up to which the collector surely has not run since it last ran. */
const SAFE_GROWTH = 64 * 1024;

/**
 * Heap bytes per operation: how much iterations add to the used heap right after a collection, in a run short enough
 * that there is no other (which would hide some), median of seven; what the measuring itself allocates is taken off.
 */
async function heapPerOperation(one: Case, batch: number): Promise<number | null> {
  if (gc === undefined) return null;
  let iterations = 1;
  while (iterations * 2 <= batch && await settledGrowth(one, iterations * 2) < SAFE_GROWTH) iterations *= 2;
  const samples: number[] = [];
  for (let i = 0; i < 7; i++) samples.push(await heapGrowth(one, iterations) - await heapGrowth(one, 0));
  return Math.max(0, quantile(samples, 0.5)) / (iterations * (one.operations ?? 1));
}

/** The smaller of two tries: compiled code that lands on the heap counts once only. */
async function settledGrowth(one: Case, iterations: number): Promise<number> {
  return Math.min(await heapGrowth(one, iterations), await heapGrowth(one, iterations));
}

async function heapGrowth(one: Case, iterations: number): Promise<number> {
  gc!();
  const before = Deno.memoryUsage().heapUsed;
  if (iterations > 0) await one.run(iterations);
  return Deno.memoryUsage().heapUsed - before;
}

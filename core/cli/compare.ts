/**
 * Several runs side by side, and the first observation in which they differ.
 *
 * @module
 */

import type { DeviceReport, MachineReport } from "../report/report.ts";
import type { Style } from "./style.ts";
import { drawPairs, drawTable } from "./table.ts";
import { formatCount, formatTime } from "./units.ts";

/** One run of a comparison: its report, or why there is none. */
export interface Run {
  /** What tells it from the others: its platform, its manifest, or both. */
  readonly label: string;
  readonly report?: MachineReport;
  /** Why the machine could not be made or run. */
  readonly error?: string;
  /** Whether the reason is in the input, and not in a program. */
  readonly badInput?: boolean;
}

/** How the drivers' sides of several runs compare. */
export interface Comparison {
  /** Whether every run observed the same, as far as observations are kept. */
  readonly agree: boolean;
  /** How many observations were compared. */
  readonly compared: number;
  /** Whether more observations were made than are kept word for word. */
  readonly cut: boolean;
  /** The first observation that differs. */
  readonly difference?: {
    /** Its position, from 0. */
    readonly index: number;
    /** What each run observed there; null: nothing more. */
    readonly saw: readonly { readonly label: string; readonly observation: string | null }[];
  };
}

/** Compares the observations of every run that has a report. */
export function compareRuns(runs: readonly Run[]): Comparison {
  const seen = runs.flatMap(({ label, report }) => report === undefined ? [] : [{ label, report }]);
  const lists = seen.map(({ report }) => report.observations);
  const longest = Math.max(0, ...lists.map((list) => list.length));
  const cut = seen.some(({ report }) => report.observationCount > report.observations.length);
  for (let index = 0; index < longest; index++) {
    if (lists.every((list) => list[index] === lists[0][index])) continue;
    const saw = seen.map(({ label, report }) => ({ label, observation: report.observations[index] ?? null }));
    return { agree: false, compared: index + 1, cut, difference: { index, saw } };
  }
  const sameCount = seen.every(({ report }) => report.observationCount === seen[0].report.observationCount);
  return { agree: sameCount, compared: longest, cut };
}

const COLUMNS: readonly (readonly [string, (report: MachineReport) => string])[] = [
  ["requests", ({ workloads }) => formatCount(workloads.reduce((sum, { requests }) => sum + requests, 0))],
  ["maps", ({ devices }) => total(devices, ({ dma }) => dma.maps)],
  ["unmaps", ({ devices }) => total(devices, ({ dma }) => dma.unmaps)],
  ["translations", ({ devices }) => total(devices, ({ port }) => port.translations)],
  ["faults", ({ devices }) => total(devices, ({ port }) => port.faults)],
  ["bounces", ({ devices }) => total(devices, ({ dma }) => dma.bounces)],
  ["hypercalls", ({ devices, platformCounters }) => {
    return total(devices, ({ dma }) => dma.hypercalls, platformCounters.hypercalls);
  }],
  ["commands", ({ platformCounters }) => formatCount(platformCounters.commands ?? 0)],
  ["warnings", ({ warnings }) => formatCount(warnings.reduce((sum, { count }) => sum + count, 0))],
  ["virtual", ({ virtualTime }) => formatTime(virtualTime)],
  ["wall", ({ wallTime }) => formatTime(wallTime * 1e6)],
];

/** What all devices have counted, and what a platform has counted that belongs to none of them. */
function total(devices: readonly DeviceReport[], count: (device: DeviceReport) => number, others = 0): string {
  return formatCount(devices.reduce((sum, device) => sum + count(device), others));
}

/** The comparison as lines: one row a run, then the first difference. */
export function comparisonText(runs: readonly Run[], comparison: Comparison, style: Style): string {
  const header = ["run", "verified", ...COLUMNS.map(([title]) => title)];
  const rows = runs.map((run) => rowText(run, style));
  const failures = runs.flatMap(({ label, report, error }): [string, string][] => {
    if (report === undefined) return [[label, style.bad(error ?? "did not run")]];
    return report.workloads.flatMap(({ failure }) => failure === undefined ? [] : [[label, style.bad(failure)]]);
  });
  return [
    drawTable(header, rows, "ll" + "r".repeat(COLUMNS.length), style),
    drawPairs(failures, "  ", style),
    observationsText(runs, comparison, style),
  ].filter((section) => section.length > 0).map((section) => section.join("\n")).join("\n\n");
}

function rowText({ label, report }: Run, style: Style): string[] {
  if (report === undefined) return [label, style.bad("✗ could not run")];
  const mark = report.verified ? style.good("✓ yes") : style.bad("✗ no");
  return [label, mark, ...COLUMNS.map(([, cell]) => cell(report))];
}

function observationsText(
  runs: readonly Run[],
  { agree, compared, cut, difference }: Comparison,
  style: Style,
): string[] {
  const counts = runs.flatMap(({ label, report }): [string, string][] =>
    report === undefined ? [] : [[label, formatCount(report.observationCount)]]
  );
  if (counts.length < 2) return [];
  if (difference !== undefined) {
    return [
      style.warn(`First observation that differs: number ${formatCount(difference.index + 1)}`),
      ...drawPairs(
        difference.saw.map(({ label, observation }) => [label, observation ?? "(nothing more)"]),
        "  ",
        style,
      ),
    ];
  }
  if (!agree) {
    return [
      style.warn(`The first ${formatCount(compared)} observations agree, then their numbers differ`),
      ...drawPairs(counts, "  ", style),
    ];
  }
  if (compared === 0) return [style.dim("No workload observed anything to compare.")];
  return [
    style.good(
      cut
        ? `The first ${formatCount(compared)} observations agree.`
        : `All ${formatCount(compared)} observations agree.`,
    ),
  ];
}

/**
 * Device × platform × transport × ring kind, each with a workload that verifies every byte; and what real platforms refuse.
 *
 * @module
 */

import { loadMachine } from "@iova/core";
import { DEVICE_ROWS, type DeviceRow } from "./devices.ts";
import { GRID_PLATFORMS, type GridPlatform } from "./platforms.ts";

/** A combination that was tried. */
export interface Tried {
  readonly row: DeviceRow;
  readonly platform: GridPlatform;
  readonly outcome: "verified" | "refused" | "failed";
  /** What the driver said when it refused, or what went wrong. */
  readonly why: string;
  /** Requests of the workload. */
  readonly requests: number;
}

/** Tries one combination. */
export async function tryWorkload(row: DeviceRow, platform: GridPlatform): Promise<Tried> {
  const tried = { row, platform, requests: 0 };
  let machine;
  try {
    machine = await loadMachine({ ...row.machine, platform: platform.use }, { base: "/" });
  } catch (error) {
    return { ...tried, outcome: "refused", why: (error as Error).message };
  }
  const report = await machine.run();
  const { requests, failure } = report.workloads[0];
  const first = report.warnings[0];
  if (!report.verified) return { ...tried, requests, outcome: "failed", why: `${failure}; ${first?.message ?? ""}` };
  // A driver that breaks a rule without losing data is no better.
  if (first !== undefined) return { ...tried, requests, outcome: "failed", why: first.message };
  return { ...tried, requests, outcome: "verified", why: "" };
}

/** Tries all of them, row by row. */
export async function tryWorkloads(): Promise<Tried[][]> {
  const rows: Tried[][] = [];
  for (const row of DEVICE_ROWS) {
    const line: Tried[] = [];
    for (const platform of GRID_PLATFORMS) line.push(await tryWorkload(row, platform));
    rows.push(line);
  }
  return rows;
}

/** The grid as one table, and under it what each refusal said. */
export function workloadTable(rows: readonly Tried[][]): string {
  const reasons: string[] = [];
  const cell = ({ outcome, why }: Tried) => {
    if (outcome === "verified") return "ok";
    if (!reasons.includes(why)) reasons.push(why);
    return `${outcome === "failed" ? "FAILED" : "refused"} [${reasons.indexOf(why) + 1}]`;
  };
  const head = ["device", "transport", "rings", ...GRID_PLATFORMS.map(({ name }) => name)];
  const all = [
    head,
    ...rows.map((row) => [row[0].row.device, row[0].row.transport, row[0].row.ring, ...row.map(cell)]),
  ];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const lines = all.map((row) => row.map((text, i) => text.padEnd(widths[i])).join("  ").trimEnd());
  return [...lines, ...reasons.map((why, i) => `[${i + 1}] ${why.split("\n")[0]}`)].join("\n");
}

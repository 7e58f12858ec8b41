/**
 * The printed report of one run.
 *
 * @module
 */

import type { DeviceReport, MachineReport, TreeNode, WarningReport, WorkloadReport } from "../report/report.ts";
import type { Style } from "./style.ts";
import { drawPairs, drawTable, drawTree } from "./table.ts";
import { formatBytes, formatCount, formatTime } from "./units.ts";

const MS = 1e6;

/** The machine: printed as soon as it is made, so that a long run has something to look at. */
export function machineText(tree: TreeNode, style: Style): string {
  return drawTree(tree, style).join("\n") + "\n";
}

/** What the run did. */
export function resultText(report: MachineReport, style: Style): string {
  return [
    devicesText(report.devices, style),
    countersText(report, style),
    workloadsText(report.workloads, style),
    warningsText(report.warnings, style),
    [summaryText(report, style)],
  ].filter((section) => section.length > 0).map((section) => section.join("\n")).join("\n\n");
}

/** The columns of a table of devices: title, and how a device fills it. */
const DEVICE_COLUMNS: readonly (readonly [string, (device: DeviceReport) => string])[] = [
  ["device", ({ id }) => id],
  ["requests", ({ counters }) => formatCount(counters.requests ?? 0)],
  ["bytes", ({ counters }) => formatBytes(counters.bytes ?? 0)],
  ["maps", ({ dma }) => formatCount(dma.maps)],
  ["unmaps", ({ dma }) => formatCount(dma.unmaps)],
  ["translations", ({ port }) => formatCount(port.translations)],
  ["faults", ({ port }) => formatCount(port.faults)],
  ["bounces", ({ dma }) => formatCount(dma.bounces)],
  ["hypercalls", ({ dma }) => formatCount(dma.hypercalls)],
];

function devicesText(devices: readonly DeviceReport[], style: Style): string[] {
  if (devices.length === 0) return [];
  const rows = devices.map((device) => DEVICE_COLUMNS.map(([, cell]) => cell(device)));
  return [
    style.bold("Devices"),
    ...drawTable(DEVICE_COLUMNS.map(([title]) => title), rows, "l" + "r".repeat(DEVICE_COLUMNS.length - 1), style),
  ];
}

/** Every counter that is not zero and has no column of its own. */
function countersText({ devices, platform, platformCounters, interrupts }: MachineReport, style: Style): string[] {
  const pairs: [string, string][] = devices.map(({ id, dma, port, counters }) => {
    const { maps: _, unmaps: _1, bounces: _2, hypercalls: _3, ...mappings } = dma;
    const { translations: _4, faults: _5, ...accesses } = port;
    const { requests: _6, bytes: _7, ...own } = counters;
    return [id, listCounters({ ...own, ...accesses, ...mappings })];
  });
  pairs.push([platform, listCounters(platformCounters)], ["machine", listCounters({ interrupts })]);
  const told = pairs.filter(([, text]) => text !== "");
  return told.length === 0 ? [] : [style.bold("Counters"), ...drawPairs(told, "  ", style)];
}

function listCounters(counters: Readonly<Record<string, number>>): string {
  return Object.entries(counters).filter(([, value]) => value !== 0)
    .map(([name, value]) => `${words(name)} ${/bytes/i.test(name) ? formatBytes(value) : formatCount(value)}`).join(
      ", ",
    );
}

/** A counter's name as words: `mapFailures` reads `map failures`. */
function words(name: string): string {
  return name.replace(/(?<=[a-z])[A-Z](?=[a-z]|$)/g, (letter) => ` ${letter.toLowerCase()}`);
}

function workloadsText(workloads: readonly WorkloadReport[], style: Style): string[] {
  return workloads.length === 0
    ? []
    : [style.bold("Workload"), ...workloads.flatMap((workload) => workloadText(workload, style))];
}

function workloadText(workload: WorkloadReport, style: Style): string[] {
  const { use, device, verified, requests, bytes, virtualTime, wallTime, failure, details } = workload;
  const mark = verified ? style.good("✓ verified") : style.bad("✗ not verified");
  const rate = requests > 0 && wallTime > 0 ? ` (${formatCount(requests / wallTime * 1000)} requests/s)` : "";
  const pairs: [string, string][] = [
    ["moved", `${formatCount(requests)} requests, ${formatBytes(bytes)}`],
    ["virtual time", formatTime(virtualTime)],
    ["wall time", formatTime(wallTime * MS) + rate],
    ...Object.entries(details).map(detailPair),
  ];
  if (failure !== undefined) pairs.unshift(["failure", style.bad(failure)]);
  return [`  ${use}${device === "" ? "" : ` on ${device}`}  ${mark}`, ...drawPairs(pairs, "    ", style)];
}

/** A detail as words; a name that ends in `Ns` says that it is a time. */
function detailPair([name, value]: [string, string | number | boolean]): [string, string] {
  if (typeof value !== "number") return [words(name), String(value)];
  if (/[a-z]Ns$/.test(name)) return [words(name.slice(0, -2)), formatTime(value)];
  return [words(name), Number.isInteger(value) ? formatCount(value) : value.toPrecision(4)];
}

function warningsText(warnings: readonly WarningReport[], style: Style): string[] {
  if (warnings.length === 0) return [];
  const total = warnings.reduce((sum, { count }) => sum + count, 0);
  const rows = warnings.map(({ id, device, message, count }) => [`${formatCount(count)} ×`, id, device ?? "", message]);
  return [
    style.warn(style.bold(`Warnings: ${formatCount(total)}`)),
    ...drawTable(["times", "id", "device", "message"], rows, "rlll", style),
  ];
}

function summaryText(
  { verified, workloads, platform, virtualTime, wallTime, seed }: MachineReport,
  style: Style,
): string {
  const mark = workloads.length === 0
    ? style.warn("nothing to verify")
    : verified
    ? style.good("✓ verified")
    : style.bad("✗ not verified");
  return `${mark}  on ${platform}, ${formatTime(virtualTime)} virtual, ${formatTime(wallTime * MS)} wall, seed ${seed}`;
}

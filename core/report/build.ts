/**
 * The report of a run, from what a machine holds at its end.
 *
 * @module
 */

import type { BusTranslator } from "../bus_translator.ts";
import type { DmaStats } from "../dma_ops.ts";
import { guarded } from "../errors.ts";
import type { ResolvedDevice, ResolvedMachine } from "../manifest/resolved.ts";
import type { Device, Platform } from "../plugin.ts";
import { type DeviceReport, formatRequester, type MachineReport } from "./report.ts";

/** A device in its machine, as far as reports go. */
export interface ReportedSlot {
  readonly resolved: ResolvedDevice;
  readonly device: Device;
  readonly stats: DmaStats;
  /** What the platforms further up counted for it. */
  readonly above: DmaStats[];
  readonly bypass: boolean;
}

/** What a report is made from. */
export interface Reported extends
  Pick<
    MachineReport,
    "interrupts" | "virtualTime" | "tree" | "workloads" | "warnings" | "observations" | "observationCount"
  > {
  readonly resolved: ResolvedMachine;
  readonly slots: readonly ReportedSlot[];
  readonly platforms: readonly {
    readonly name: string;
    readonly platform: Platform;
    readonly translator: BusTranslator | null;
  }[];
}

/** Makes the report. */
export function machineReport({ resolved, slots, platforms, ...rest }: Reported): MachineReport {
  const { workloads } = rest;
  return {
    name: resolved.manifest.name ?? resolved.file,
    file: resolved.file,
    platform: resolved.platform.plugin.name,
    seed: resolved.seed,
    verified: workloads.every((workload) => workload.verified),
    wallTime: workloads.reduce((sum, workload) => sum + workload.wallTime, 0),
    devices: slots.map(deviceReport),
    platformCounters: platformCounters(platforms),
    ...rest,
  };
}

function deviceReport({ resolved: { id, use }, device, stats, above, bypass }: ReportedSlot): DeviceReport {
  const { requester, stats: port } = device.port;
  return {
    id,
    plugin: use.plugin.name,
    place: formatRequester(requester),
    requester,
    bypass,
    dma: withAbove(stats, above),
    port,
    counters: guarded(use.plugin.name, "counters", () => device.counters()),
  };
}

function platformCounters(platforms: Reported["platforms"]): Record<string, number> {
  const counters: Record<string, number> = {};
  const counted = new Set<object>();
  for (const { name, platform, translator } of platforms) {
    for (const part of [translator, platform]) {
      // One platform may sit in several bridges.
      if (part === null || counted.has(part)) continue;
      counted.add(part);
      const found = guarded(name, "counters", () => part.counters?.()) ?? {};
      for (const [key, count] of Object.entries(found)) counters[key] = (counters[key] ?? 0) + count;
    }
  }
  return counters;
}

/** A map counts once; what it costs counts wherever it is paid. */
function withAbove(stats: DmaStats, above: readonly DmaStats[]): DmaStats {
  const sum = (of: "bounces" | "bouncedBytes" | "hypercalls") => above.reduce((all, one) => all + one[of], stats[of]);
  return { ...stats, bounces: sum("bounces"), bouncedBytes: sum("bouncedBytes"), hypercalls: sum("hypercalls") };
}

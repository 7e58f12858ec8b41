/**
 * What a run reports: plain data, the same for the printed report, `--json` and scripts.
 *
 * @module
 */

import type { DmaStats } from "../dma_ops.ts";
import type { PortStats } from "../ports.ts";

/** A node of the machine's tree. */
export interface TreeNode {
  /** What it is called. */
  readonly label: string;
  /** What it is. */
  readonly detail?: string;
  /** What hangs below. */
  readonly children: TreeNode[];
}

/** One device after a run. */
export interface DeviceReport {
  /** Its id. */
  readonly id: string;
  /** Its plugin. */
  readonly plugin: string;
  /** Requester id as bus:device.function. */
  readonly place: string;
  /** 16-bit requester id. */
  readonly requester: number;
  /** Whether it passes every platform untranslated. */
  readonly bypass: boolean;
  /** What its driver's `DmaOps` counted. */
  readonly dma: DmaStats;
  /** What its way onto the bus counted. */
  readonly port: PortStats;
  /** What the device itself counted: `requests`, `bytes`, … */
  readonly counters: Record<string, number>;
}

/** One workload after a run. */
export interface WorkloadReport {
  /** Its plugin. */
  readonly use: string;
  /** The device concerned; empty or absent when none. */
  readonly device: string;
  /** Whether it was right. */
  readonly verified: boolean;
  /** Requests made. */
  readonly requests: number;
  /** Bytes moved. */
  readonly bytes: number;
  /** Nanoseconds of virtual time that it took. */
  readonly virtualTime: number;
  /** Milliseconds of real time that it took. */
  readonly wallTime: number;
  /** What else it says. */
  readonly details: Record<string, string | number | boolean>;
  /** Why it was not verified. */
  readonly failure?: string;
}

/** A warning and how often it was given. */
export interface WarningReport {
  /** Its id. */
  readonly id: string;
  /** In words. */
  readonly message: string;
  /** The device concerned; empty or absent when none. */
  readonly device?: string;
  /** How often. */
  count: number;
}

/** A run. */
export interface MachineReport {
  /** The manifest's name, or its file. */
  readonly name: string;
  /** The manifest. */
  readonly file: string;
  /** The machine's platform. */
  readonly platform: string;
  /** Seed of everything random. */
  readonly seed: number;
  /** Whether every workload was verified. */
  readonly verified: boolean;
  /** Nanoseconds of virtual time from power-on to the end. */
  readonly virtualTime: number;
  /** Milliseconds of real time that the workloads took. */
  readonly wallTime: number;
  /** The machine. */
  readonly tree: TreeNode;
  /** By device. */
  readonly devices: DeviceReport[];
  /** By name. */
  readonly platformCounters: Record<string, number>;
  /** By workload, in order. */
  readonly workloads: WorkloadReport[];
  /** Each once. */
  readonly warnings: WarningReport[];
  /** Interrupts raised. */
  readonly interrupts: number;
  /** What the drivers' side observed, in order; the first {@linkcode OBSERVATION_LIMIT} of them. Empty unless asked for. */
  readonly observations: string[];
  /** How many observations there were in all. */
  readonly observationCount: number;
}

/** How many observations are kept word for word. */
export const OBSERVATION_LIMIT = 65536;

/** A requester id as bus:device.function, in hexadecimal, as lspci prints it. */
export function formatRequester(requester: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  return `${hex(requester >> 8, 2)}:${hex((requester >> 3) & 31, 2)}.${requester & 7}`;
}

/**
 * A resolved machine: a manifest with its plugins imported and its options read. Plain data, made by the loader.
 *
 * @module
 */

import type { Manifest } from "./manifest.ts";
import type {
  BusPlugin,
  CheckPlugin,
  DevicePlugin,
  PlatformPlugin,
  Plugin,
  ProfilePlugin,
  WorkloadPlugin,
} from "../plugin.ts";

/** A plugin that a manifest names, imported, with its options read. */
export interface ResolvedUse<P extends Plugin> {
  /** The plugin. */
  readonly plugin: P;
  /** Checked, defaults filled in. */
  // deno-lint-ignore no-explicit-any
  readonly options: any;
  /** JSON path of the entry in the manifest: `platform`, `devices[0]`, … Its options are below `.with`. */
  readonly path: string;
  /** What the manifest's `use` says. */
  readonly specifier: string;
}

/** A bridge, and the bus below it. */
export interface ResolvedBridge {
  /** Names the bus below. */
  readonly id: string;
  /** Place on the parent bus; absent: the first free one. */
  readonly at?: string;
  /** Access control: peers below are not reached directly. */
  readonly acs: boolean;
  /** Absent: what the bridges above say. */
  readonly bypass?: boolean;
  /** Absent: nothing translates here. */
  readonly platform?: ResolvedUse<PlatformPlugin>;
  /** Bridges on the bus below. */
  readonly bridges: readonly ResolvedBridge[];
}

/** The root bus and what hangs below it. */
export interface ResolvedBusTree {
  /** Names the root bus. */
  readonly id: string;
  /** Access control on the root bus. */
  readonly acs: boolean;
  /** Absent: devices are translated, if no nearer word says otherwise. */
  readonly bypass?: boolean;
  /** Bridges on the root bus. */
  readonly bridges: readonly ResolvedBridge[];
}

/** A device and where it is plugged in. */
export interface ResolvedDevice {
  /** Manifest id. */
  readonly id: string;
  /** Id of the root bus or of a bridge. */
  readonly busId: string;
  /** Place on that bus; absent: the first free one. */
  readonly at?: string;
  /** Absent: what its bridges say. */
  readonly bypass?: boolean;
  /** A platform of its own in the root's bridge; absent: the machine's. */
  readonly platform?: ResolvedUse<PlatformPlugin>;
  /** The plugin. */
  readonly use: ResolvedUse<DevicePlugin>;
}

/** A workload and the device that it drives. */
export interface ResolvedWorkload {
  /** Position in the manifest, from 0. */
  readonly index: number;
  /** Manifest id; absent: it needs no device. */
  readonly device?: string;
  /** The plugin. */
  readonly use: ResolvedUse<WorkloadPlugin>;
}

/** Everything that a machine is built from. */
export interface ResolvedMachine {
  /** The manifest's file, as messages name it. */
  readonly file: string;
  /** The manifest's folder, absolute: relative paths in options resolve against it. */
  readonly base: string;
  /** What it was made from. */
  readonly manifest: Manifest;
  /** Seed of everything random. */
  readonly seed: number;
  /** Guest RAM in bytes. */
  readonly memory: number;
  /** The root bridge's platform. */
  readonly platform: ResolvedUse<PlatformPlugin>;
  /** The profile, if the manifest names one. Absent only when there is no device and the manifest names no bus either. */
  readonly bus?: ResolvedUse<BusPlugin> | ResolvedUse<ProfilePlugin>;
  /** Buses and bridges. */
  readonly busTree: ResolvedBusTree;
  /** In the order of the manifest. */
  readonly devices: readonly ResolvedDevice[];
  /** In the order in which they run. */
  readonly workload: readonly ResolvedWorkload[];
  /** In the order of the manifest. */
  readonly checks: readonly ResolvedUse<CheckPlugin>[];
  /** What happens to live leases; the deadline is in nanoseconds of virtual time. */
  readonly invalidation: { readonly policy: "wait" | "revoke"; readonly deadline: number };
  /** `checked` lends copies of memory. */
  readonly leases: "direct" | "checked";
}

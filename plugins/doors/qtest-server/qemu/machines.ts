/**
 * Machine types by QEMU's names, and the profiles that stand for them.
 *
 * @module
 */

import type { Use } from "@iova/core";

/** A machine type. */
export interface MachineType {
  /** The name of its newest version. */
  readonly name: string;
  /** What people type. */
  readonly alias?: string;
  /** The profile plugin; null for a machine with nothing. */
  readonly profile: string | null;
  /** The processor that it has when nobody says which. */
  readonly cpu: string;
  /** Most processors. */
  readonly cpus: number;
  /** The platform. */
  readonly platform: Use;
  /** RAM when nobody says how much. */
  readonly memory: string;
}

/** Every machine type. */
export const MACHINES: readonly MachineType[] = [
  { name: "none", profile: null, platform: "direct", cpu: "", cpus: 1, memory: "1MiB" },
  {
    name: "pc-i440fx-7.2",
    alias: "pc",
    profile: "pc",
    platform: "direct",
    cpu: "qemu64-x86_64-cpu",
    cpus: 255,
    memory: "128MiB",
  },
  {
    name: "pc-q35-7.2",
    alias: "q35",
    profile: "q35",
    platform: "direct",
    cpu: "qemu64-x86_64-cpu",
    cpus: 288,
    memory: "128MiB",
  },
  {
    name: "pseries-7.2",
    alias: "pseries",
    profile: "pseries",
    platform: { use: "pseries-tce", with: { profile: "qemu-tcg", ddw: true } },
    cpu: "power9_v2.0-powerpc64-cpu",
    cpus: 1024,
    memory: "512MiB",
  },
];

/** The machine type with a name or alias. */
export function machineNamed(name: string): MachineType | undefined {
  return MACHINES.find((machine) => machine.name === name || machine.alias === name);
}

/** The machine type of a profile; the empty machine's for a manifest without one. */
export function machineOf(profile: string | undefined): MachineType {
  return MACHINES.find((machine) => machine.profile === profile) ?? MACHINES[0];
}

/**
 * The same scenario on our hardware and on QEMU's, compared outcome by outcome. A scenario talks to a CPU and notes what it
 * sees under a label; what both sides noted under one label must be the same, or be a difference that is explained.
 *
 * @module
 */

import { type FirmwareTable, type GuestPort, loadMachine, type Machine, type Manifest } from "@iova/core";
import { type PciDevice, pciGuest } from "@iova/pci";
import { driveMachine } from "./drive.ts";

/** Values that a scenario can note. */
export type Outcome = number | bigint | boolean | string | null | Uint8Array | readonly Outcome[];

/** One side of a comparison, as a scenario sees it. */
export interface Side {
  /** Whose hardware it is: for what lies at different places, not for what behaves differently. */
  readonly name: "ours" | "qemu";
  /** The CPU. */
  readonly guest: GuestPort;
  /** Drivers, `DmaOps`, and what goes with them. */
  readonly machine: Machine;
  /** What firmware tells; empty on our side. */
  readonly firmware: readonly FirmwareTable[];
  /** A device of the manifest, found on its bus. */
  device(id: string): PciDevice;
  /** Notes an outcome. Numbers become hexadecimal, bytes too. A label is noted once. */
  see(label: string, outcome: Outcome): void;
  /** Lets the hardware run until `done`; false when it is not within `limit` milliseconds of the machine's time. */
  until(done: () => boolean, limit?: number): Promise<boolean>;
  /** Lets the hardware run for some milliseconds of the machine's time. */
  pause(milliseconds: number): Promise<void>;
}

/** Something to try on both sides. */
export interface Scenario {
  /** Its name in reports and in the table of differences. */
  readonly name: string;
  /** The machine; a function where the sides need different ones, or files of their own. */
  readonly manifest: Manifest | ((side: Side["name"]) => Manifest);
  /** Whether our drivers take the devices up before. Absent: nobody has touched them but who numbers the bus. */
  readonly drivers?: boolean;
  /** Does it. */
  run(side: Side): Promise<void> | void;
}

/** What the two sides noted differently. */
export interface Difference {
  /** The scenario. */
  readonly scenario: string;
  /** What was looked at. */
  readonly label: string;
  /** Our outcome; "nothing" when none was noted. */
  readonly ours: string;
  /** QEMU's. */
  readonly qemu: string;
}

/** Differences with one reason. */
export interface Explanation {
  /** What is different, in a few words. */
  readonly what: string;
  /** What our hardware does. */
  readonly ours: string;
  /** What QEMU's does. */
  readonly qemu: string;
  /** Who is right, and why. */
  readonly why: string;
  /** Where it shows: by scenario and label, our outcome and QEMU's. */
  readonly seen: Readonly<Record<string, Readonly<Record<string, readonly [ours: string, qemu: string]>>>>;
}

/** What one side noted, by label. */
export type Outcomes = ReadonlyMap<string, string>;

/** Runs a scenario on our hardware. */
export async function runOurs(scenario: Scenario): Promise<Outcomes> {
  const machine = await loadMachine(manifestOf(scenario, "ours"), { bare: scenario.drivers !== true });
  try {
    return await observe(scenario, "ours", machine, []);
  } finally {
    machine.stop();
  }
}

/** Runs a scenario on QEMU's hardware; `qemu` is another program than the usual one. */
export async function runQemu(scenario: Scenario, qemu?: string): Promise<Outcomes> {
  const { machine, board, stop } = await driveMachine(manifestOf(scenario, "qemu"), {
    bare: scenario.drivers !== true,
    ...(qemu !== undefined && { qemu }),
  });
  try {
    return await observe(scenario, "qemu", machine, board.firmware);
  } finally {
    await stop();
  }
}

/** The manifest of one side. */
export function manifestOf({ manifest }: Scenario, side: Side["name"]): Manifest {
  return typeof manifest === "function" ? manifest(side) : manifest;
}

async function observe(
  { name: scenario, run }: Scenario,
  name: Side["name"],
  machine: Machine,
  firmware: readonly FirmwareTable[],
): Promise<Outcomes> {
  const outcomes = new Map<string, string>();
  const { guest } = machine;
  const until = (done: () => boolean, limit = 2000) =>
    machine.settle(
      new Promise<boolean>((resolve) => {
        const end = guest.now + limit * 1e6;
        const look = () => {
          if (done()) resolve(true);
          else if (guest.now >= end) resolve(false);
          else guest.after(LOOK_NS, look);
        };
        look();
      }),
    );
  const side: Side = {
    name,
    guest,
    machine,
    firmware,
    device: (id) => pciGuest(guest).function(machine.device(id).port.requester),
    see(label, outcome) {
      if (outcomes.has(label)) throw new TypeError(`${scenario}: "${label}" is noted twice`);
      outcomes.set(label, outcomeText(outcome));
    },
    until,
    async pause(milliseconds) {
      await until(() => false, milliseconds);
    },
  };
  await machine.settle(Promise.resolve(run(side)));
  return outcomes;
}

const LOOK_NS = 200_000;

/** Compares what two sides noted. */
export function differences(scenario: string, ours: Outcomes, qemu: Outcomes): Difference[] {
  const labels = [...new Set([...ours.keys(), ...qemu.keys()])];
  return labels.filter((label) => ours.get(label) !== qemu.get(label)).map((label) => ({
    scenario,
    label,
    ours: ours.get(label) ?? "nothing",
    qemu: qemu.get(label) ?? "nothing",
  }));
}

/** What is wrong with a comparison: differences that nobody has explained, and explanations of what is none any more. */
export function unexplained(
  scenario: string,
  found: readonly Difference[],
  explanations: readonly Explanation[],
): string[] {
  const line = (label: string, ours: string, qemu: string) => `"${label}" is ${ours} here and ${qemu} on QEMU`;
  const known = explanations.flatMap(({ seen }) => Object.entries(seen[scenario] ?? {}))
    .map(([label, [ours, qemu]]) => line(label, ours, qemu));
  const actual = found.map(({ label, ours, qemu }) => line(label, ours, qemu));
  return [
    ...actual.filter((one) => !known.includes(one)).map((one) => `not explained: ${one}`),
    ...known.filter((one) => !actual.includes(one)).map((one) => `no longer so: ${one}`),
  ];
}

/** The explanations as a table in Markdown. */
export function explanationTable(explanations: readonly Explanation[]): string {
  const rows = explanations.map(({ what, ours, qemu, why }) => `| ${what} | ${ours} | ${qemu} | ${why} |`);
  return ["| what | here | QEMU 7.2 | why |", "| --- | --- | --- | --- |", ...rows].join("\n") + "\n";
}

function outcomeText(outcome: Outcome): string {
  if (typeof outcome === "number" || typeof outcome === "bigint") {
    return outcome < 0 ? String(outcome) : "0x" + outcome.toString(16);
  }
  if (outcome instanceof Uint8Array) {
    return outcome.length === 0 ? "no bytes" : [...outcome].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  return Array.isArray(outcome) ? outcome.map(outcomeText).join(" ") : String(outcome);
}

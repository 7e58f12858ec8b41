/**
 * QEMU's block debugger, as far as flushes go: `blkdebug:CONFIG:FILE` in front of a drive, breakpoints from `qemu-io`, and
 * a machine that stops when the host fails (`werror=stop`).
 *
 * @module
 */

import { type FlushGate, flushGate } from "@iova/block";
import type { Machine } from "@iova/core";
import { generic } from "../qmp/errors.ts";

/** What a drive's medium is told to do wrong. */
export interface BlockDebug {
  /** How many of the next flushes fail. */
  readonly failures: number;
  /** The machine stops when one does, and tries again when it goes on. */
  readonly stops: boolean;
}

/** A drive that is debugged: its device, and its place there. */
export interface DebuggedDrive extends BlockDebug {
  readonly device: string;
  readonly place: number;
}

/** Events of a flush: before the data goes to the host, and to its disk. */
const FLUSH_EVENTS = ["flush_to_os", "flush_to_disk"];

/** Takes `blkdebug:CONFIG:FILE` apart; null when `file` is something else. */
export function splitBlkdebug(file: string): { config: string; file: string } | null {
  const match = /^blkdebug:([^:]*):(.*)$/s.exec(file);
  return match === null ? null : { config: match[1], file: match[2] };
}

/** How many flushes a debugger's configuration makes fail: one for each injected error of a flush. */
export function failuresIn(config: string): number {
  return config.split(/^\[/m).filter((section) => {
    const event = /^event\s*=\s*"?([a-z_]+)"?/m.exec(section)?.[1] ?? "";
    return section.startsWith("inject-error]") && FLUSH_EVENTS.includes(event);
  }).length;
}

/** Reads a configuration file. */
export function readFailures(path: string): number {
  if (path === "") return 0;
  try {
    return failuresIn(Deno.readTextFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw generic(`Could not open blkdebug config file '${path}'`);
  }
}

/** Puts the debugger in front of its drives. `stopped` hears of a failure that stops the machine, with what tries again. */
export function armGates(
  machine: Machine,
  drives: Iterable<DebuggedDrive>,
  stopped: (again: () => void) => void,
): void {
  for (const drive of drives) {
    const gate = gateOf(machine, drive);
    if (gate === null) continue;
    gate.failures = drive.failures;
    if (drive.stops) gate.onFailure = stopped;
  }
}

/** `qemu-io DRIVE "break EVENT TAG"` and `"resume TAG"`: the answer, empty when all is well. */
export function blockCommand(machine: Machine, drive: DebuggedDrive | undefined, words: readonly string[]): string {
  const gate = drive === undefined ? null : gateOf(machine, drive);
  if (gate === null) return "Error: Device not found\r\n";
  const [name, event] = words;
  if (name === "resume") gate.release();
  else if (name === "break" && FLUSH_EVENTS.includes(event)) gate.held = true;
  else return `command "${words.join(" ")}" not found\r\n`;
  return "";
}

function gateOf(machine: Machine, { device, place }: DebuggedDrive): FlushGate | null {
  return flushGate(machine.device(device), place);
}

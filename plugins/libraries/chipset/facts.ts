/**
 * What a profile tells of its machine to whoever opens it to the outside: byte order, interrupt inputs, and the
 * ways to do from outside what needs the chipset's help.
 *
 * @module
 */

import type { Bus } from "@iova/core";

/** A part with interrupt inputs, which lead to consecutive lines of the machine. */
export interface InterruptInputs {
  /** Where it is in QEMU's object tree. */
  readonly path: string;
  /** Its type there. */
  readonly type: string;
  /** The line behind its input 0. */
  readonly firstLine: number;
  /** Inputs. */
  readonly count: number;
}

/** See the module's text. */
export interface MachineFacts {
  /** Whether its processors are big-endian. */
  readonly bigEndian: boolean;
  /** Where interrupts can be watched and driven. */
  readonly inputs: readonly InterruptInputs[];
  /**
   * Asks the operating system to give the device in a slot up; `gone` is called when it has, or when a reset makes
   * asking pointless. Absent: devices are taken out without asking.
   */
  askToEject?(slot: number, gone: () => void): void;
  /** A device has come into a slot while the machine runs. Absent: nobody needs to know. */
  plugged?(slot: number): void;
  /**
   * Calls firmware services at run time by name, as QEMU's protocol does: `args` and `rets` are physical addresses of
   * big-endian 32-bit cells. The result is the services' status. Absent: there are none.
   */
  rtas?(name: string, nargs: number, args: number, nret: number, rets: number): number;
}

const known = new WeakMap<Bus, MachineFacts>();

/** A profile says what its machine is; `root` stands for the machine. */
export function describeMachine(root: Bus, facts: MachineFacts): void {
  known.set(root, facts);
}

/** What a machine's profile has said; undefined for a machine without one. */
export function machineFacts(root: Bus): MachineFacts | undefined {
  return known.get(root);
}

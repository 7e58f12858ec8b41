/**
 * A manifest's machine over QEMU's hardware: QEMU is started, our drivers, checks and workloads run, QEMU is ended.
 *
 * @module
 */

import {
  type LoadOptions,
  Machine,
  type MachineReport,
  type Manifest,
  type ResolvedMachine,
  resolveSource,
} from "@iova/core";
import type { Board } from "./board/board.ts";
import { QtestCpu } from "./cpu.ts";
import { findBoard, planMachine } from "./plan/plan.ts";
import { QemuProcess, qemuVersion } from "./qemu/process.ts";

/** How to drive. */
export interface DriveOptions extends LoadOptions {
  /** The program instead of the machine type's usual one. */
  qemu?: string;
}

/** A machine whose drivers are ours and whose hardware is QEMU's. Stop it, whatever happened. */
export interface DrivenMachine {
  /** The drivers' side. */
  readonly machine: Machine;
  /** The process. */
  readonly qemu: QemuProcess;
  /** The CPU's wires. */
  readonly board: Board;
  /** Stops both. Twice is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts QEMU with what the manifest names and binds our drivers to it.
 *
 * @throws {InputError} when QEMU has nothing for a part of the manifest.
 * @throws {QemuError} when QEMU does not start.
 */
export async function driveMachine(
  source: string | URL | Manifest,
  options: DriveOptions = {},
): Promise<DrivenMachine> {
  const resolved = await resolveSource(source, options);
  const { qemu, cpu, board, requesters } = await startHardware(resolved, options.qemu);
  let machine: Machine | null = null;
  const stop = async () => {
    try {
      machine?.stop();
    } finally {
      await qemu.stop();
    }
  };
  try {
    machine = new Machine(resolved, {
      ...options,
      hardware: {
        scheduler: cpu.clock,
        interrupts: cpu.interrupts,
        guest: cpu,
        firmware: board.firmware,
        requester: (id) => requesters.get(id)!,
      },
    });
    await machine.start();
    return { machine, qemu, board, stop };
  } catch (error) {
    await qemu.stop();
    throw error;
  }
}

/** Runs a manifest's workloads with our drivers over QEMU's hardware. */
export async function drive(source: string | URL | Manifest, options: DriveOptions = {}): Promise<MachineReport> {
  const driven = await driveMachine(source, options);
  const forget = endBySignal(driven.qemu);
  try {
    return await driven.machine.run();
  } finally {
    forget();
    await driven.stop();
  }
}

/** Signals that end a program, with their numbers. */
const ENDING = [["SIGINT", 2], ["SIGTERM", 15]] as const;

/** A signal that ends this program ends QEMU first. What it returns undoes that. */
function endBySignal(qemu: QemuProcess): () => void {
  const undo = ENDING.map(([name, number]) => {
    const end = () => void qemu.kill().then(() => Deno.exit(128 + number));
    Deno.addSignalListener(name, end);
    return () => Deno.removeSignalListener(name, end);
  });
  return () => undo.forEach((remove) => remove());
}

async function startHardware(resolved: ResolvedMachine, given: string | undefined) {
  const type = findBoard(resolved);
  const program = given ?? type.program;
  const version = await qemuVersion(program);
  const { machine, args, files, requesters, cpuEndian } = planMachine(resolved, type, version);
  const image = await Deno.makeTempFile({ prefix: "iova-firmware-" });
  try {
    await Deno.writeFile(image, type.image());
    const all = ["-machine", machine, "-bios", image, ...type.args, ...args];
    const command = { program, args: all, memory: resolved.memory };
    const qemu = await QemuProcess.start(command, files);
    try {
      const cpu = new QtestCpu(qemu.ram.buffer);
      const board = await type.start({ qemu, interrupts: cpu.interrupts, guest: cpu, cpuEndian, machine: resolved });
      cpu.connect(board);
      return { qemu, cpu, board, requesters };
    } catch (error) {
      await qemu.stop();
      throw error;
    }
  } finally {
    await Deno.remove(image);
  }
}

/**
 * What differs between the machine types that QEMU has: how their CPU reaches registers, ports, the hypervisor, and how
 * their interrupts come in.
 *
 * @module
 */

import type {
  FirmwareTable,
  GuestPort,
  HypercallRegisters,
  Interrupts,
  MessageInterrupt,
  PhysAddr,
  ResolvedMachine,
  Width,
} from "@iova/core";
import { QemuError } from "../qemu/lines.ts";
import type { QemuProcess } from "../qemu/process.ts";

/** See the module's text. Values and addresses are those of {@linkcode GuestPort}. */
export interface Board {
  /** Reads a register. */
  read(address: PhysAddr, width: Width): number;
  /** Writes a register. */
  write(address: PhysAddr, width: Width, value: number): void;
  /** Reads a port. */
  ioRead(port: number, width: Width): number;
  /** Writes a port. */
  ioWrite(port: number, width: Width, value: number): void;
  /** Calls the hypervisor. */
  hypercall(number: number, registers: HypercallRegisters): number;
  /** The message that raises `data` of the interrupt controller. @throws {RangeError} when there are no more. */
  message(data: number): MessageInterrupt;
  /** Drives the interrupt controller with what has come in; true when something had. */
  poll(wait: number): boolean;
  /** What firmware tells, once it has done its work. */
  readonly firmware: readonly FirmwareTable[];
}

/** What a board is made of. */
export interface BoardWiring {
  /** The process, just started. */
  readonly qemu: QemuProcess;
  /** Where interrupts go. */
  readonly interrupts: Interrupts;
  /** The CPU, which has no board yet: for what is kept by guest. */
  readonly guest: GuestPort;
  /** Functions whose registers are in the CPU's byte order (a QEMU peculiarity): the board shows them as on the bus. */
  readonly cpuEndian: readonly number[];
  /** The manifest's machine. */
  readonly machine: ResolvedMachine;
}

/** A machine type. */
export interface BoardType {
  /** QEMU's name of it. */
  readonly machine: string;
  /** The name of the profile that is this kind of machine; absent: there is none. */
  readonly profile?: string;
  /** The name of our bus plugin that its root bus is. */
  readonly bus: "pci" | "virtio-mmio";
  /** QEMU's name of its root bus, or of its slots without their numbers. */
  readonly rootBus: string;
  /** The program's usual name. */
  readonly program: string;
  /** More arguments. */
  readonly args: readonly string[];
  /** The firmware image that it runs instead of its own. */
  image(): Uint8Array;
  /** The most memory that it can be given. */
  readonly mostMemory: number;
  /** Memory comes in multiples of this. */
  readonly memoryGranule: number;
  /** Waits until the CPU is ready and does firmware's part. */
  start(wiring: BoardWiring): Promise<Board>;
}

/** Milliseconds that a CPU may take to come up. */
const READY_MS = 10_000;

/** Waits for the CPU to say that it is ready. @throws {QemuError} when it does not in time. */
export async function untilReady(ready: () => boolean): Promise<void> {
  const until = performance.now() + READY_MS;
  while (!ready()) {
    if (performance.now() > until) throw new QemuError(`the CPU is not ready after ${READY_MS} ms`);
    await new Promise((wake) => setTimeout(wake, 1));
  }
}

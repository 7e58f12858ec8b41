/**
 * The status register's bits and the message interrupt that follows them (AMD 48882 §3.4.15, §2.1.6).
 *
 * @module
 */

import type { PhysAddr, TranslatorMemory } from "@iova/core";
import { Control, INTERRUPT_WINDOW, Register, Status } from "../layout.ts";
import type { IommuFunction } from "./function.ts";
import type { RegisterFile } from "./register_file.ts";

const STATUS = Register.STATUS / 4;
const CONTROL = Register.CONTROL / 4;

/** Bits of the low word of the status register that this IOMMU sets. */
export const StatusBit = {
  EVENT_OVERFLOW: Status.mask.eventOverflow,
  EVENT_LOG_INT: Status.mask.eventLogInt,
  COM_WAIT_INT: Status.mask.comWaitInt,
  EVENT_LOG_RUN: Status.mask.eventLogRun,
  CMD_BUF_RUN: Status.mask.cmdBufRun,
  PPR_OVERFLOW: Status.mask.pprOverflow,
  PPR_INT: Status.mask.pprInt,
  PPR_LOG_RUN: Status.mask.pprLogRun,
} as const;

/** Switches in the low word of the control register. */
export const ControlBit = {
  EVENT_INT_EN: Control.mask.eventIntEn,
  COM_WAIT_INT_EN: Control.mask.comWaitIntEn,
  PPR_INT_EN: Control.mask.pprIntEn,
  PPR_EN: Control.mask.pprEn,
} as const;

/** Status, control and interrupts of one IOMMU. */
export class Signals {
  /** Messages sent. */
  interrupts = 0;
  readonly #registers: RegisterFile;
  readonly #memory: TranslatorMemory;
  readonly #fn: IommuFunction;

  readonly #always: boolean;

  /** Sends messages as `fn`'s capability says, through `memory`. `always`: whatever its switch in the control register says. */
  constructor(registers: RegisterFile, memory: TranslatorMemory, fn: IommuFunction, always = false) {
    this.#always = always;
    this.#registers = registers;
    this.#memory = memory;
    this.#fn = fn;
  }

  /** Whether a status bit is set; bits are of {@linkcode StatusBit}. */
  is(bit: number): boolean {
    return (this.#registers.words[STATUS] & bit) !== 0;
  }

  /** Sets or clears a status bit. */
  set(bit: number, on: boolean): void {
    const { words } = this.#registers;
    words[STATUS] = on ? words[STATUS] | bit : words[STATUS] & ~bit;
  }

  /** Whether a switch of the control register is on: one of {@linkcode ControlBit}. */
  enabled(bit: number): boolean {
    return (this.#registers.words[CONTROL] & bit) !== 0;
  }

  /** Sends the interrupt message if switch `when` is on and the message capability enabled. */
  interrupt(when: number): void {
    const message = this.#fn.message();
    if (!(this.#always || this.enabled(when)) || message === null || !this.#mayWrite(message.address)) return;
    this.interrupts++;
    this.#registers.locked = true;
    this.#memory.write32(message.address, message.data);
    this.#registers.locked = false;
  }

  /** A message goes to the interrupt window, or is an ordinary write to RAM; it programs no registers. */
  #mayWrite(address: PhysAddr): boolean {
    return (address >= INTERRUPT_WINDOW.first && address <= INTERRUPT_WINDOW.last) ||
      this.#memory.ram(address) !== null;
  }
}

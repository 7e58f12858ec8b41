/**
 * The device half: registers, the factorial unit, and the DMA engine with its buffer. Times are virtual.
 *
 * @module
 */

import {
  BusStatus,
  type DevicePort,
  DmaHandle,
  type EventStream,
  formatAddress,
  type RegisterBlock,
  type Scheduler,
  type Timer,
  toDmaAddr,
  type Width,
} from "@iova/core";
import { BUFFER_SIZE, BUFFER_START, EDU_MAGIC, EduInterrupt, EduRegisters } from "./layout.ts";

const { at, mask, shift } = EduRegisters;

/** What `identification` reads as: version 1.0. */
const IDENTIFICATION = (1 << shift.major | EDU_MAGIC) >>> 0;
/** Nanoseconds for one multiplication (placeholder: a clock of 1 GHz). */
const MULTIPLY_NS = 1;
/** From this number on a factorial is a multiple of 2^32. */
const FIRST_ZERO = 34;
/** First register of the DMA engine; from there on they have 8 bytes. */
const DMA_REGISTERS = at.source;
const ALL_ONES = 0xffff_ffff;
/** A driver that errs for ever is quoted this often. */
const MOST_WARNINGS = 64;

/** What an edu is wired to. */
export interface EduWiring {
  /** Its manifest id. */
  readonly id: string;
  /** Its way onto the bus. */
  readonly port: DevicePort;
  readonly scheduler: Scheduler;
  readonly events: EventStream;
  /** The address lines that it has: other bits of a bus address are lost. */
  readonly dmaMask: bigint;
  /** Nanoseconds from the start of a transfer to its end. */
  readonly dmaDelay: number;
  /** Drives its interrupt pin. */
  readonly interrupt: (asserted: boolean) => void;
  /** Sends its message, if the guest has enabled it: once for each time that something is raised. */
  readonly message?: () => void;
  /** Reports a driver's mistake. */
  readonly warn: (id: string, message: string) => void;
}

/** The registers in BAR 0, and what they do. */
export class EduModel implements RegisterBlock {
  /** Transfers that have ended, however they did. */
  transfers = 0;
  /** Bytes that they were to move. */
  bytes = 0;
  /** Transfers that the bus refused. */
  faults = 0;
  /** Transfers outside the buffer: nothing was moved. */
  outOfBounds = 0;
  /** Transfers whose bus address had bits that the device has no lines for. */
  clamped = 0;
  /** Factorials computed. */
  factorials = 0;
  readonly #wiring: EduWiring;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  // source, destination, count, command: low and high word of each.
  readonly #dma = new Int32Array(8);
  readonly #mask: DmaHandle;
  #liveness = 0;
  #factorial = 0;
  #status = 0;
  #interrupts = 0;
  #factorialTimer: Timer | null = null;
  #dmaTimer: Timer | null = null;
  #warnings = 0;
  // A transfer that waits for the bus belongs to the life before a reset.
  #life = 0;

  /** An edu after power-on. */
  constructor(wiring: EduWiring) {
    this.#wiring = wiring;
    this.#mask = new DmaHandle().set(wiring.dmaMask);
  }

  /** See {@linkcode RegisterBlock.read}. What is no register, or no aligned access of 4 bytes, reads as all ones. */
  read(offset: number, width: Width): number {
    if (width !== 4) return width === 2 ? 0xffff : 0xff;
    if (offset >= DMA_REGISTERS) return this.#readDma(offset);
    switch (offset) {
      case at.magic:
        return IDENTIFICATION;
      case at.liveness:
        return this.#liveness >>> 0;
      case at.factorial:
        return this.#factorial >>> 0;
      case at.computing:
        return this.#status;
      case at.interruptStatus:
        return this.#interrupts >>> 0;
    }
    return ALL_ONES;
  }

  /** See {@linkcode RegisterBlock.write}. What is no register, or no aligned access of 4 bytes, is dropped. */
  write(offset: number, width: Width, value: number): void {
    if (width !== 4) return;
    if (offset >= DMA_REGISTERS) return this.#writeDma(offset, value);
    switch (offset) {
      case at.liveness:
        this.#liveness = ~value;
        break;
      case at.factorial:
        this.#startFactorial(value);
        break;
      case at.computing:
        this.#status = this.#status & mask.computing | value & mask.factorialInterrupt;
        break;
      case at.interruptRaise:
        this.#raise(value);
        break;
      case at.interruptAcknowledge:
        this.#setInterrupts(this.#interrupts & ~value);
        break;
    }
  }

  /** Back to power-on; what is under way is forgotten. */
  reset(): void {
    this.halt();
    this.#setInterrupts(0);
    this.#liveness = this.#factorial = this.#status = 0;
    this.#dma.fill(0);
    this.#buffer.fill(0);
  }

  /** Stops what is under way: nothing touches the bus any more. */
  halt(): void {
    const { scheduler } = this.#wiring;
    if (this.#factorialTimer !== null) scheduler.cancel(this.#factorialTimer);
    if (this.#dmaTimer !== null) scheduler.cancel(this.#dmaTimer);
    this.#factorialTimer = this.#dmaTimer = null;
    this.#life++;
  }

  #raise(bits: number): void {
    this.#setInterrupts(this.#interrupts | bits);
    if (this.#interrupts !== 0) this.#wiring.message?.();
  }

  #setInterrupts(value: number): void {
    this.#interrupts = value | 0;
    this.#wiring.interrupt(this.#interrupts !== 0);
  }

  #startFactorial(value: number): void {
    if ((this.#status & mask.computing) !== 0) return;
    this.#factorial = value;
    this.#status |= mask.computing;
    this.#factorialTimer = this.#wiring.scheduler.after((value >>> 0) * MULTIPLY_NS, () => this.#endFactorial());
  }

  #endFactorial(): void {
    this.#factorialTimer = null;
    this.#factorial = factorialOf(this.#factorial >>> 0);
    this.#status &= ~mask.computing;
    this.factorials++;
    if ((this.#status & mask.factorialInterrupt) !== 0) this.#raise(EduInterrupt.FACTORIAL);
  }

  #readDma(offset: number): number {
    const word = (offset - DMA_REGISTERS) / 4;
    return Number.isInteger(word) && word < this.#dma.length ? this.#dma[word] >>> 0 : ALL_ONES;
  }

  /** Half a register. Writing the low half clears the high one, as a write of 4 bytes extends with zeros. */
  #writeDma(offset: number, value: number): void {
    const word = (offset - DMA_REGISTERS) / 4;
    const dma = this.#dma;
    if (!Number.isInteger(word) || word >= dma.length || (dma[COMMAND] & mask.start) !== 0) return;
    if (word === COMMAND && (value & mask.start) === 0) return;
    if (word > COMMAND) return;
    dma[word] = value;
    if (word % 2 === 0) dma[word + 1] = 0;
    if (word === COMMAND) this.#startDma();
  }

  #startDma(): void {
    const { scheduler, dmaDelay } = this.#wiring;
    this.#dmaTimer = scheduler.after(dmaDelay, () => {
      this.#dmaTimer = null;
      this.#transfer();
    });
  }

  /** The transfer, all of it at once. While the bus has no answer it waits and is tried again. */
  #transfer(): void {
    const fromDevice = (this.#dma[COMMAND] & mask.fromDevice) !== 0;
    const [own, bus] = fromDevice ? [SOURCE, DESTINATION] : [DESTINATION, SOURCE];
    const offset = this.#ownOffset(own);
    const status = offset < 0 ? BusStatus.OK : this.#access(bus, offset, fromDevice);
    if (status === BusStatus.PENDING) {
      const life = this.#life;
      return this.#wiring.port.park(() => life === this.#life && this.#transfer());
    }
    if (status !== BusStatus.OK) this.faults++;
    this.#endDma(offset >= 0);
  }

  #access(register: number, offset: number, fromDevice: boolean): BusStatus {
    const { port } = this.#wiring;
    const hi = this.#dma[register + 1] & this.#mask.hi;
    const lo = this.#dma[register] & this.#mask.lo;
    if (hi !== this.#dma[register + 1] || lo !== this.#dma[register]) this.#clamp(register, hi, lo);
    const count = this.#dma[COUNT];
    if (count === 0) return BusStatus.OK;
    return fromDevice
      ? port.writeAt(hi, lo, this.#buffer, offset, count)
      : port.readAt(hi, lo, this.#buffer, offset, count);
  }

  /** Where in the buffer a register and the count point; −1 when not all of it is inside. */
  #ownOffset(register: number): number {
    const dma = this.#dma;
    const offset = (dma[register] >>> 0) - BUFFER_START;
    const count = dma[COUNT] >>> 0;
    const inside = dma[register + 1] === 0 && dma[COUNT + 1] === 0 && offset >= 0 && offset + count <= BUFFER_SIZE;
    if (inside) return offset;
    const first = toDmaAddr(dma[register + 1], dma[register]);
    const last = BigInt.asUintN(64, first + toDmaAddr(dma[COUNT + 1], dma[COUNT]) - 1n);
    const buffer = `${long(BigInt(BUFFER_START))}-${long(BigInt(BUFFER_START + BUFFER_SIZE - 1))}`;
    this.outOfBounds++;
    this.#warn("edu-out-of-bounds", `EDU: DMA range ${long(first)}-${long(last)} out of bounds (${buffer})!`);
    return -1;
  }

  #clamp(register: number, hi: number, lo: number): void {
    const given = toDmaAddr(this.#dma[register + 1], this.#dma[register]);
    this.clamped++;
    this.#warn("edu-clamp", `EDU: clamping DMA ${long(given)} to ${long(toDmaAddr(hi, lo))}!`);
  }

  #endDma(moved: boolean): void {
    const { events, id } = this.#wiring;
    const dma = this.#dma;
    this.transfers++;
    if (moved) this.bytes += dma[COUNT];
    if (events.listening) {
      events.emit({
        type: "edu-transfer",
        device: id,
        source: formatAddress(toDmaAddr(dma[SOURCE + 1], dma[SOURCE])),
        destination: formatAddress(toDmaAddr(dma[DESTINATION + 1], dma[DESTINATION])),
        count: dma[COUNT] >>> 0,
      });
    }
    dma[COMMAND] &= ~mask.start;
    if ((dma[COMMAND] & mask.interrupt) !== 0) this.#raise(EduInterrupt.DMA);
  }

  #warn(id: string, message: string): void {
    if (this.#warnings++ < MOST_WARNINGS) this.#wiring.warn(id, message);
  }
}

/** Indices of the low words of the DMA engine's registers. */
const SOURCE = 0;
const DESTINATION = 2;
const COUNT = 4;
const COMMAND = 6;

function factorialOf(value: number): number {
  if (value >= FIRST_ZERO) return 0;
  let product = 1;
  for (let i = 2; i <= value; i++) product = Math.imul(product, i);
  return product;
}

function long(address: bigint): string {
  return "0x" + address.toString(16).padStart(16, "0");
}

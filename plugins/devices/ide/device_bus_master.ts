/**
 * A channel's bus master: eight registers, and the engine that carries a drive's data (SFF-8038i; 82371SB §2.7).
 *
 * @module
 */

import { BusStatus, type DevicePort, type Scheduler, type Timer, type Width } from "@iova/core";
import { Burst, Mover } from "./device_mover.ts";
import type { FaultPolicy, Personality } from "./device_personality.ts";
import { PrdTable, Walk } from "./device_prd.ts";
import { DmaOutcome, type DmaRequest } from "./device_request.ts";
import { BusMaster } from "./layout.ts";

const { at, mask } = BusMaster;
const STATUS_KEPT = mask.capable0 | mask.capable1;
const STATUS_CLEARABLE = mask.error | mask.interrupt;
/** What the two bytes without a register read as. */
const NO_REGISTER = 0xff;
const TABLE_ADDRESS = ~3;

/** What an engine is wired to. */
export interface EngineWiring {
  readonly port: DevicePort;
  readonly scheduler: Scheduler;
  readonly behaviour: Personality;
  readonly faultPolicy: FaultPolicy;
  /** Bytes that move at once when transfers take time. */
  readonly burst: number;
  /** Nanoseconds that a burst takes; 0: a transfer is done in one go. */
  readonly burstTime: number;
  /** The engine's access was refused: PCI status shows it. */
  readonly refused: (status: BusStatus) => void;
  /** Reports a driver's mistake. */
  readonly warn: (id: string, message: string) => void;
}

/** What the engine does now. */
const Phase = { IDLE: 0, STARTING: 1, WALKING: 2, LEASING: 3, MOVING: 4 } as const;
type Phase = typeof Phase[keyof typeof Phase];

/** See the module's text. */
export class BusMasterEngine {
  /** Transfers that ended with a bus error. */
  busErrors = 0;
  #command = 0;
  #status = 0;
  #pointer = 0;
  #request: DmaRequest | null = null;
  #phase: Phase = Phase.IDLE;
  /** Past its table: it moves nothing more until it is started again. */
  #exhausted = false;
  /** It waits for bus mastering. */
  #stalled = false;
  #timer: Timer | null = null;
  // Work that waits for the bus or for time belongs to one life only.
  #life = 0;
  readonly #wiring: EngineWiring;
  readonly #table: PrdTable;
  readonly #mover: Mover;

  /** An engine after power-on. */
  constructor(wiring: EngineWiring) {
    const { port, behaviour, faultPolicy } = wiring;
    this.#wiring = wiring;
    this.#table = new PrdTable(behaviour, faultPolicy);
    this.#mover = new Mover(port, behaviour, faultPolicy);
  }

  /** Holes in memory that were passed over. */
  get holes(): number {
    return this.#mover.holes;
  }

  /** Whether data is on its way. */
  get isRunning(): boolean {
    return this.#phase !== Phase.IDLE;
  }

  /** Reads at `offset` 0 to 7. */
  read(offset: number, width: Width): number {
    if (offset < at.table && width > 1 && this.#wiring.behaviour.byteRegisters) return -1 >>> (32 - 8 * width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value << 8 | this.#readByte(offset + i);
    return value >>> 0;
  }

  /** Writes at `offset` 0 to 7. */
  write(offset: number, width: Width, value: number): void {
    if (offset < at.table && width > 1 && this.#wiring.behaviour.byteRegisters) return;
    for (let i = 0; i < width; i++) this.#writeByte(offset + i, value >>> (8 * i) & 0xff);
  }

  /** A drive has a command that moves data. */
  arm(request: DmaRequest): void {
    this.#request = request;
    this.#start();
  }

  /** The channel's interrupt has risen. */
  interrupted(): void {
    this.#status |= mask.interrupt;
  }

  /** Bus mastering was enabled. */
  resume(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.#wiring.scheduler.post(this.#alive(() => this.#go()));
  }

  /** The drive gives its command up: a reset. What has moved has moved. */
  cancel(): void {
    if (this.#phase !== Phase.IDLE) this.#exhausted = true;
    this.#request = null;
    this.#quiet();
  }

  /** A reset that leaves the drive's command armed: what is on its way arrives first. */
  drain(): void {
    while (this.#phase !== Phase.IDLE) {
      const before = this.#mover.left;
      const phase = this.#phase;
      if (this.#timer !== null) this.#wiring.scheduler.cancel(this.#timer);
      this.#timer = null;
      this.#life++;
      this.#go();
      // The bus has no answer, and nobody can wait for it here.
      if (this.#phase === phase && this.#mover.left === before) return this.cancel();
    }
  }

  /** Back to power-on. */
  reset(): void {
    this.cancel();
    this.#command = this.#status = this.#pointer = 0;
    this.#exhausted = false;
  }

  #readByte(offset: number): number {
    if (offset === at.start) return this.#command;
    if (offset === at.active) return this.#status;
    return offset >= at.table ? this.#pointer >>> (8 * (offset - at.table)) & 0xff : NO_REGISTER;
  }

  #writeByte(offset: number, value: number): void {
    if (offset === at.start) this.#writeCommand(value);
    else if (offset === at.active) {
      const cleared = this.#status & ~(value & STATUS_CLEARABLE);
      this.#status = cleared & ~STATUS_KEPT | value & STATUS_KEPT;
    } else if (offset >= at.table) {
      const shift = 8 * (offset - at.table);
      this.#pointer = (this.#pointer & ~(0xff << shift) | value << shift) & TABLE_ADDRESS;
    }
  }

  #writeCommand(value: number): void {
    const started = (this.#command & mask.start) !== 0;
    const start = (value & mask.start) !== 0;
    this.#command = value & (mask.start | mask.toMemory);
    if (start === started) return;
    if (!start) return this.#stop();
    this.#table.rewind(this.#pointer >>> 0);
    this.#exhausted = false;
    this.#status |= mask.active;
    this.#start();
  }

  #stop(): void {
    if (this.#phase !== Phase.IDLE) {
      if (this.#wiring.behaviour.stopDrains) this.drain();
      else this.cancel();
    }
    this.#status &= ~mask.active;
  }

  /** Starts when both are there: a command of the drive, and a start of the engine. */
  #start(): void {
    if (this.#request === null || (this.#status & mask.active) === 0 || this.#phase !== Phase.IDLE) return;
    if (this.#exhausted && !this.#wiring.behaviour.runsPastEnd) return;
    this.#phase = Phase.STARTING;
    this.#life++;
    this.#wiring.scheduler.post(this.#posted);
  }

  /** One function for every start: which of them it was posted for does not matter. */
  readonly #posted = (): void => {
    if (this.#phase === Phase.STARTING && !this.#stalled) this.#go();
  };

  /** Work that does nothing once its transfer is over. */
  #alive(work: () => void): () => void {
    const life = this.#life;
    return () => {
      if (life === this.#life && this.#phase !== Phase.IDLE) work();
    };
  }

  #go(): void {
    const { port, behaviour } = this.#wiring;
    if (behaviour.waitsForBusMaster && !port.busMaster) {
      this.#stalled = true;
      return;
    }
    if (this.#phase === Phase.STARTING && !this.#begin()) return;
    if (this.#phase === Phase.WALKING && !this.#walk()) return;
    if (this.#phase === Phase.LEASING && !this.#lease()) return;
    this.#move();
  }

  #begin(): boolean {
    const request = this.#request!;
    if (this.#wiring.behaviour.checksDirection && request.toMemory !== ((this.#command & mask.toMemory) !== 0)) {
      this.#busError("ide-direction", "the engine was started in the other direction than its command's");
      return false;
    }
    request.begin();
    if (request.length === 0) {
      this.#finish(DmaOutcome.DONE, false);
      return false;
    }
    this.#table.begin(request.length);
    this.#phase = Phase.WALKING;
    return true;
  }

  #walk(): boolean {
    const table = this.#table;
    const end = table.walk(this.#wiring.port);
    if (end === Walk.PENDING) return this.#park();
    const { shortMoves } = this.#wiring.behaviour;
    if (end !== Walk.BAD && table.collected < this.#request!.length && !shortMoves) return this.#short();
    if (!this.#request!.accept()) {
      this.#end(this.#wiring.behaviour.errorKeepsActive);
      return false;
    }
    this.#mover.begin(this.#request!, table, this.#wiring.burstTime > 0);
    this.#phase = Phase.LEASING;
    return true;
  }

  #lease(): boolean {
    if (this.#mover.lease() === Burst.PENDING) return this.#park();
    this.#phase = Phase.MOVING;
    return this.#wiring.burstTime === 0 || this.#wait();
  }

  /** The next burst is on its way. */
  #wait(): false {
    this.#timer = this.#wiring.scheduler.after(this.#wiring.burstTime, this.#alive(() => this.#go()));
    return false;
  }

  #move(): void {
    const { burst, burstTime, behaviour } = this.#wiring;
    const mover = this.#mover;
    const end = mover.run(burstTime > 0 ? burst : Infinity);
    if (end === Burst.PENDING) this.#park();
    else if (end === Burst.MORE) this.#wait();
    else if (end === Burst.FAULT) this.#fault(mover.fault);
    else if (end === Burst.MEDIUM) this.#finish(DmaOutcome.MEDIUM_ERROR, behaviour.errorKeepsActive);
    else this.#moved();
  }

  /** Everything that the table describes has moved. */
  #moved(): void {
    const table = this.#table;
    const request = this.#request!;
    if (table.broken !== "") return this.#busError("ide-prd", `the region descriptor table: ${table.broken}`);
    const missing = request.length - table.collected;
    const bad = table.fault !== BusStatus.OK && missing > 0;
    if (bad && this.#wiring.faultPolicy === "abort") return this.#fault(table.fault);
    if (bad) this.#mover.skip(missing);
    const complete = bad || missing === 0;
    if (!request.toMemory && !this.#mover.commit(complete)) {
      return this.#finish(DmaOutcome.MEDIUM_ERROR, this.#wiring.behaviour.errorKeepsActive);
    }
    if (complete) this.#finish(DmaOutcome.DONE, table.isLonger && !bad);
    else this.#finish(DmaOutcome.SHORT, false);
  }

  #short(): false {
    this.#finish(DmaOutcome.SHORT, false);
    return false;
  }

  #finish(outcome: DmaOutcome, active: boolean): void {
    const request = this.#request!;
    this.#end(active);
    request.ended(outcome);
  }

  /** The transfer is over; `active`: the engine thinks that there is more. */
  #end(active: boolean): void {
    this.#request = null;
    this.#exhausted = true;
    if (!active) this.#status &= ~mask.active;
    this.#quiet();
  }

  #fault(status: BusStatus): void {
    this.#wiring.refused(status);
    this.#busError("", "");
  }

  /** The engine gives up; the drive waits for ever, and no interrupt comes. */
  #busError(id: string, message: string): void {
    if (id !== "") this.#wiring.warn(id, message);
    this.busErrors++;
    this.#status |= mask.error;
    this.#end(false);
  }

  #park(): false {
    this.#wiring.port.park(this.#alive(() => this.#go()));
    return false;
  }

  #quiet(): void {
    if (this.#timer !== null) this.#wiring.scheduler.cancel(this.#timer);
    this.#timer = null;
    this.#stalled = false;
    this.#phase = Phase.IDLE;
    this.#life++;
    this.#mover.release();
  }
}

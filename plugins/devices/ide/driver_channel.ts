/**
 * A channel as its driver sees it: one command at a time for its two drives, an interrupt, a watch, and a reset when
 * nothing else helps.
 *
 * @module
 */

import { type BlockOp, BlockStatus } from "@iova/block";
import { BlockOp as Op, OP_NAMES } from "@iova/block";
import { Direction, type DriverContext, type PhysAddr, type Timer } from "@iova/core";
import { channelReset } from "./driver_reset.ts";
import type { ChannelPorts } from "./driver_ports.ts";
import { LOST, MORE, NOT_MINE, type Progress, type Protocol } from "./driver_protocol.ts";
import { type RequestSlot, SlotPool } from "./driver_slots.ts";
import { diskTrim, writeRanges } from "./driver_trim.ts";
import type { DriverTable } from "./driver_table.ts";
import type { IdeUnit } from "./driver_unit.ts";
import { CommandBlock, SECTOR, Status } from "./layout.ts";

/** Requests that a channel takes; one is on its way, the others wait. */
export const QUEUE_DEPTH = 32;
/** Longest transfer: every page of it may need a descriptor of its own. */
export const MAX_TRANSFER = 512 * 1024;

/** How long a command may take, in nanoseconds (Linux's default for block requests). */
const TIMEOUT = 30e9;
/** Interrupts in a row that were nobody's, before the drive's status is read all the same. */
const MOST_STRAY = 100;

/** See the module's text. */
export class ChannelDriver {
  /** The drives that answered, for a reset to find them again. */
  readonly units: IdeUnit[] = [];
  readonly ports: ChannelPorts;
  readonly #context: DriverContext;
  readonly #table: DriverTable | null;
  readonly #pool = new SlotPool(QUEUE_DEPTH, MAX_TRANSFER);
  readonly #removeHandler: () => void;
  #current: RequestSlot | null = null;
  /** Memory for lists of what is to be forgotten, a sector for each slot; null before the first. */
  #lists: PhysAddr | null = null;
  #protocol!: Protocol;
  #timer: Timer | null = null;
  #started = 0;
  #stray = 0;
  #resetting = false;
  #gone = false;
  #stopped = false;
  #waiting: (() => void)[] = [];
  /** Requests whose end is known before they began. */
  #ended: { slot: RequestSlot; status: BlockStatus }[] = [];

  /** A channel that was found, with its table, which is the channel's from now on; null where the CPU moves all. */
  constructor(context: DriverContext, ports: ChannelPorts, table: DriverTable | null) {
    this.#context = context;
    this.ports = ports;
    this.#table = table;
    this.#removeHandler = context.guest.lineInterrupt(ports.place.irq, this.#interrupt);
  }

  /** Takes a request, and maps its buffer; false when there is no room for it. `known` is its end if that is known. */
  submit(
    unit: IdeUnit,
    op: BlockOp,
    sector: number,
    buffer: PhysAddr,
    length: number,
    tag: number,
    resolve: ((status: BlockStatus) => void) | null,
    known: BlockStatus,
  ): boolean {
    const slot = this.#pool.take();
    if (slot === null) return false;
    slot.unit = unit;
    slot.op = op;
    slot.sector = sector;
    slot.buffer = buffer;
    slot.length = length;
    slot.tag = tag;
    if (this.#gone || known !== BlockStatus.OK) {
      slot.resolve = resolve;
      this.#endLater(slot, this.#gone ? BlockStatus.DEVICE_GONE : known);
      return true;
    }
    if (op === Op.DISCARD && !this.#list(slot)) {
      this.#pool.give(slot);
      return false;
    }
    const direction = op === Op.READ ? Direction.FROM_DEVICE : Direction.TO_DEVICE;
    if (this.#protocolOf(slot).maps && !slot.map(this.#context.dma, direction)) {
      this.#pool.give(slot);
      return false;
    }
    slot.resolve = resolve;
    this.#pool.enqueue(slot);
    return true;
  }

  /** Has `attempt` made again when a request has ended; false when none will. */
  whenFreed(attempt: () => void): boolean {
    if (this.#pool.busy === 0) return false;
    this.#waiting.push(attempt);
    return true;
  }

  /** Gives the next command, if the channel is idle. */
  next(): void {
    while (this.#current === null && !this.#resetting && !this.#gone) {
      const slot = this.#pool.dequeue();
      if (slot === null) return;
      this.#current = slot;
      this.#protocol = this.#protocolOf(slot);
      this.#started = this.#context.guest.now;
      this.#stray = 0;
      this.#timer ??= this.#context.guest.after(TIMEOUT, this.#watch);
      const progress = this.#protocol.start(this, slot);
      // A command that could not even begin ends in interrupt context, as its user expects.
      if (progress !== MORE) this.#context.guest.post(() => slot === this.#current && this.#progress(progress));
    }
  }

  /** Points the engine to the segments of a request; false when no descriptors can say where they are. */
  prepare(slot: RequestSlot, toMemory: boolean): boolean {
    const table = this.#table!;
    if (!table.fill(slot.list, slot.segments)) {
      this.#context.warn("ide-address", "a buffer's bus addresses do not fit region descriptors of 32 bits");
      return false;
    }
    this.ports.prepareMaster(table.address, toMemory);
    return true;
  }

  /** Says what a drive has against a command. */
  complain({ op, sector, length, unit }: RequestSlot, status: number): void {
    const error = this.ports.read(CommandBlock.at.features);
    const what = OP_NAMES[op];
    const where = op === Op.FLUSH ? "" : ` of ${length} bytes at sector ${sector}`;
    const name = `${this.ports.place.name} ${unit.facts.device === 0 ? "master" : "slave"}`;
    this.#context.warn("ide-error", `${name}: ${what}${where}: status ${hex(status)}, error ${hex(error)}`);
  }

  /** Takes everything back; the engine is stopped first, so that nothing that is unmapped is touched. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#abandon();
    this.#removeHandler();
    this.#table?.release();
    if (this.#lists !== null) this.#context.guest.heap.free(this.#lists);
  }

  /** Makes a slot's buffer the list of what it is to forget; false when there is no memory for it. */
  #list(slot: RequestSlot): boolean {
    const { guest } = this.#context;
    this.#lists ??= guest.heap.alloc(QUEUE_DEPTH * SECTOR, SECTOR);
    if (this.#lists === null) return false;
    slot.buffer = this.#lists + slot.index * SECTOR;
    writeRanges(guest, slot.buffer, slot.sector, slot.length / SECTOR);
    slot.length = SECTOR;
    return true;
  }

  #protocolOf(slot: RequestSlot): Protocol {
    if (slot.op === Op.DISCARD) return diskTrim;
    return slot.op === Op.FLUSH ? slot.unit.flushes : slot.unit.transfers;
  }

  /** The channel's interrupt line is up. */
  readonly #interrupt = (): void => {
    if (this.#gone || this.#resetting) return;
    if (this.#current === null) return void this.ports.status();
    this.#progress(this.#protocol.interrupted(this, this.#current));
  };

  #progress(progress: Progress): void {
    if (progress === MORE) {
      this.#stray = 0;
      return;
    }
    if (progress === NOT_MINE) return this.#count();
    if (progress === LOST) return this.#reset("the drive lost its way");
    const slot = this.#current!;
    this.#current = null;
    this.#end(slot, progress);
    this.next();
    if (this.#pool.busy === 0) this.#stopWatching();
  }

  /** An interrupt that is not the command's; the line is another's, or the drive wants its status to be read. */
  #count(): void {
    if (++this.#stray < MOST_STRAY) return;
    this.#stray = 0;
    if (this.ports.status() === 0xff) this.#fail("it does not answer any more");
  }

  #end(slot: RequestSlot, status: BlockStatus): void {
    slot.unmap(this.#context.dma);
    const { resolve, tag, unit } = slot;
    this.#pool.give(slot);
    if (resolve === null) unit.onComplete(tag, status);
    else resolve(status);
    if (this.#waiting.length > 0) this.#retry();
  }

  #endLater(slot: RequestSlot, status: BlockStatus): void {
    if (this.#ended.push({ slot, status }) > 1) return;
    this.#context.guest.post(() => {
      const ended = this.#ended;
      this.#ended = [];
      for (const each of ended) this.#end(each.slot, each.status);
      this.next();
    });
  }

  #retry(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const attempt of waiting) attempt();
  }

  /** Timer: whether the command has been under way for too long. */
  readonly #watch = (): void => {
    const { guest } = this.#context;
    this.#timer = null;
    if (this.#current === null) return;
    const left = this.#started + TIMEOUT - guest.now;
    if (left > 0) this.#timer = guest.after(left, this.#watch);
    else this.#reset(`no interrupt for ${TIMEOUT / 1e9} s`);
  };

  #stopWatching(): void {
    if (this.#timer !== null) this.#context.guest.cancel(this.#timer);
    this.#timer = null;
  }

  /** Stops everything and resets the channel; the request under way has failed. */
  #reset(why: string): void {
    const { ports } = this;
    const slot = this.#current!;
    const [master, status] = [ports.masterStatus(), ports.alternate()];
    if (status === 0xff) return this.#fail("it does not answer any more");
    const busError = (master & 2) !== 0
      ? ", a bus error"
      : (status & Status.mask.drq) !== 0
      ? ", data outstanding"
      : "";
    const state = `status ${hex(status)}, bus master ${hex(master)}${busError}`;
    this.#context.warn("ide-reset", `${ports.place.name} channel: ${why} (${state}); it is reset`);
    this.#stopWatching();
    this.#resetting = true;
    ports.stopMaster();
    ports.clearMaster();
    channelReset(this.#context.guest, ports, this.units.map(({ facts }) => facts), (found) => {
      if (this.#gone) return;
      this.#resetting = false;
      this.#current = null;
      this.#end(slot, BlockStatus.IO_ERROR);
      if (!found) this.#fail("it does not come back from a reset");
      else this.next();
    });
  }

  /** The drives are of no use any more. */
  #fail(why: string): void {
    if (this.#gone) return;
    this.#context.warn("device-gone", `the driver gave the ${this.ports.place.name} channel up: ${why}`);
    this.#abandon();
  }

  #abandon(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#stopWatching();
    this.ports.stopMaster();
    const current = this.#current;
    this.#current = null;
    if (current !== null) this.#end(current, BlockStatus.DEVICE_GONE);
    for (let slot = this.#pool.dequeue(); slot !== null; slot = this.#pool.dequeue()) {
      this.#end(slot, BlockStatus.DEVICE_GONE);
    }
    this.#retry();
  }
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(2, "0")}`;
}

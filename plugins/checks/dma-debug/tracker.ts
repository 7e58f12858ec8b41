/**
 * The book-keeping of one device's mappings, and what it finds wrong (Linux kernel/dma/debug.c). The ids are those of
 * the README's table.
 *
 * @module
 */

import { DmaAttr, type DmaContext, type DmaParameters, type PhysAddr, type ScatterEntry } from "@iova/core";
import { ActiveLines, MAX_OVERLAP } from "./cachelines.ts";
import { type Entry, EntryTable, MapType, type Reference } from "./entries.ts";
import { leak, syncProblems, unknownSync, unknownUnmap, unmapProblems } from "./messages.ts";

/** What all devices of a machine share. */
export class SharedBooks {
  readonly lines: ActiveLines = new ActiveLines();
  /** Set once and for ever when there were too many entries. */
  disabled = false;
  #entries = 0;

  /** Books for at most `capacity` mappings at once; each id is reported `limit` times for each device. */
  constructor(readonly capacity: number, readonly limit: number) {}

  /** Makes room for an entry; false when there is none. */
  take(): boolean {
    if (this.#entries >= this.capacity) return false;
    this.#entries++;
    return true;
  }

  /** Takes the room back. */
  give(): void {
    this.#entries--;
  }
}

/** Ended mappings that are remembered, to tell what a late device meant. */
const REMEMBERED = 1024;

/** See the module's text. */
export class Tracker {
  /** Live mappings. */
  readonly entries: EntryTable = new EntryTable();
  /** Mappings that have ended, the latest {@linkcode REMEMBERED}. */
  readonly ended: EntryTable = new EntryTable();
  readonly #order: Entry[] = [];
  #oldest = 0;
  readonly #context: DmaContext;
  readonly #books: SharedBooks;
  readonly #reported = new Map<string, number>();

  /** Books for the device of `context`. */
  constructor(context: DmaContext, books: SharedBooks) {
    this.#context = context;
    this.#books = books;
  }

  /** The device's manifest id. */
  get device(): string {
    return this.#context.device.id;
  }

  /** Whether nothing is checked any more. */
  get disabled(): boolean {
    return this.#books.disabled;
  }

  /** Reports in Linux's words. */
  say(id: string, what: string): void {
    this.report(id, `DMA-API: device driver ${what}`);
  }

  /** Reports. */
  report(id: string, message: string): void {
    const count = (this.#reported.get(id) ?? 0) + 1;
    this.#reported.set(id, count);
    const { limit } = this.#books;
    if (count <= limit) this.#context.warn(id, message + (count === limit ? "; more of these are not reported" : ""));
  }

  /** A buffer that is about to be mapped (D12). */
  checkAddress(cpu: PhysAddr, size: number): void {
    if (this.disabled) return;
    const region = this.#context.guest.memory.ram(cpu);
    if (region === null || cpu + size > region.end) {
      this.say("D12", `maps memory from invalid area [addr=0x${cpu.toString(16)}] [len=${size}]`);
    }
  }

  /** What the buffer that was mapped belongs to (D10, D11, E8). */
  checkKind(cpu: PhysAddr, size: number): void {
    if (this.disabled) return;
    const { heap } = this.#context.guest;
    const first = heap.kindOf(cpu);
    const where = `[addr=0x${cpu.toString(16)}] [len=${size}]`;
    if (first === "stack") this.say("D10", `maps memory from stack [addr=0x${cpu.toString(16)}]`);
    if (first === "read-only" || heap.kindOf(cpu + size - 1) === "read-only") {
      this.say("D11", `maps memory from kernel text or rodata ${where}`);
    }
    if (first === "freed") this.report("E8", `dma-debug: device driver maps memory that is free ${where}`);
  }

  /**
   * Whether a list has an end mark before its end, left there by an earlier use (NET1): whoever follows it stops too
   * early. Such a list is not mapped.
   */
  hasStaleEnd(list: readonly ScatterEntry[]): boolean {
    if (this.disabled) return false;
    const marked = list.findIndex(({ end }) => end === true);
    if (marked < 0 || marked === list.length - 1) return false;
    this.say("NET1", `maps a list that ends at entry ${marked} [entries=${list.length}]`);
    return true;
  }

  /** A mapping was made (D14, D15, D24). */
  add(entry: Entry, attrs: number): void {
    if (this.disabled) return;
    if (!this.#books.take()) {
      this.#books.disabled = true;
      return this.report("D24", "DMA-API: debugging out of memory - disabling");
    }
    this.entries.add(entry);
    const others = this.#books.lines.enter(entry);
    if (others > MAX_OVERLAP) {
      const line = `0x${(entry.cpu - entry.cpu % 64).toString(16)}`;
      this.report("D15", `DMA-API: exceeded ${MAX_OVERLAP} overlapping mappings of cacheline ${line}`);
    }
    if (others > 0 && (attrs & DmaAttr.SKIP_CPU_SYNC) === 0) {
      this.report("D14", "DMA-API: cacheline tracking EEXIST, overlapping mappings aren't supported");
    }
  }

  /** A segment of a list was mapped (D22, D23). */
  checkSegment(length: number, entry: Entry, { maxSegmentSize, segmentBoundaryMask }: DmaParameters): void {
    if (this.disabled) return;
    if (length > maxSegmentSize) {
      const sizes = `[len=${length}] [max=${maxSegmentSize}]`;
      this.report("D22", `DMA-API: mapping sg segment longer than device claims to support ${sizes}`);
    }
    const start = (BigInt(entry.hi >>> 0) << 32n) | BigInt(entry.lo >>> 0);
    const end = start + BigInt(entry.size) - 1n;
    if (((start ^ end) & ~segmentBoundaryMask) !== 0n) {
      const range = `[start=0x${start.toString(16)}] [end=0x${end.toString(16)}]`;
      const boundary = `[boundary=0x${segmentBoundaryMask.toString(16)}]`;
      this.report("D23", `DMA-API: mapping sg segment across boundary ${range} ${boundary}`);
    }
  }

  /** A mapping is ended (D2 to D9, E5). The entry goes, whatever is wrong with it. Returns it, if it was found. */
  end(ref: Reference, isErrorValue: boolean): Entry | null {
    if (this.disabled) return null;
    const entry = this.entries.exact(ref);
    if (entry === null) {
      this.say(...unknownUnmap(ref, isErrorValue));
      return null;
    }
    for (const [id, what] of unmapProblems(entry, ref)) this.say(id, what);
    if (entry.type !== MapType.COHERENT && this.#context.guest.heap.kindOf(entry.cpu) === "freed") {
      const where = `[addr=0x${entry.cpu.toString(16)}] [len=${entry.size}]`;
      this.report("E5", `dma-debug: device driver freed a buffer that the device still had ${where}`);
    }
    this.#forget(entry);
    return entry;
  }

  /** A mapping is lent back or handed on (D16 to D21). */
  sync(ref: Reference, toCpu: boolean): void {
    if (this.disabled) return;
    const entry = this.entries.containing(ref);
    if (entry === null) return this.say(...unknownSync(ref));
    for (const [id, what] of syncProblems(entry, ref, toCpu)) this.say(id, what);
  }

  /** The driver is gone (D1). */
  finish(): void {
    if (this.disabled || this.entries.count === 0) return;
    const [sample] = this.entries;
    this.say("D1", leak(this.entries.count, sample));
  }

  #forget(entry: Entry): void {
    this.entries.remove(entry);
    this.#books.lines.leave(entry);
    this.#books.give();
    if (this.#order.length === REMEMBERED) this.ended.remove(this.#order[this.#oldest]);
    this.#order[this.#oldest] = entry;
    this.#oldest = (this.#oldest + 1) % REMEMBERED;
    this.ended.add(entry);
  }
}

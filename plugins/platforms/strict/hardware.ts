/**
 * The hardware half: a bridge that lets a device touch exactly the bytes that were mapped for it, in the direction that
 * was asked for, and nothing else. See `layout.ts` for how mappings come and go.
 *
 * @module
 */

import {
  AddressType,
  BusStatus,
  type BusTranslator,
  DmaHandle,
  formatRequester,
  type RegisterBlock,
  toNumber,
  type Transaction,
  type Translation,
  type TranslatorHost,
  TWO32,
  type Width,
} from "@iova/core";
import { type Misuse, MisuseLog, type Warn } from "./hardware_faults.ts";
import { RangeTable } from "./hardware_table.ts";
import {
  COMMAND_ALIGN,
  CommandStatus,
  MAX_SIZE,
  Opcode,
  STRICT_VERSION,
  StrictCommand,
  StrictRegisters,
} from "./layout.ts";

const { at: FIELD } = StrictCommand;
const ADDRESS_HIGH = FIELD.address + 4;
const FRAME_HIGH = FIELD.frame + 4;
/** Bits 62:53 of an address, in its high half. */
const UNUSED_BITS = 0x7fe0_0000;
/** Everything of a high half but bit 63. */
const BELOW_63 = 0x7fff_ffff;

/** See the module's text. */
export class StrictBridge implements BusTranslator, RegisterBlock {
  readonly name = "strict";
  readonly #capacity: number;
  readonly #log: MisuseLog;
  /** Addresses with bit 63 clear, and with bit 63 set. */
  readonly #tables = [new RangeTable(), new RangeTable()] as const;
  #host: TranslatorHost | null = null;
  #status: number = CommandStatus.OK;
  #pending = 0;
  #commands = 0;
  #entered = 0;
  #faults = 0;

  /** A bridge without mappings, for at most `capacity` of them. `warn` hears what devices do wrong. */
  constructor(capacity: number, warn: Warn) {
    this.#capacity = capacity;
    this.#log = new MisuseLog(warn);
  }

  /** Puts the bridge into its place. */
  attach(host: TranslatorHost): this {
    this.#host = host;
    return this;
  }

  /** Mappings entered and not removed. */
  get live(): number {
    return this.#tables[0].live + this.#tables[1].live;
  }

  /** See {@linkcode BusTranslator.translate}. */
  translate(tx: Transaction, out: Translation): BusStatus {
    const { hi, lo } = tx;
    // Without ATS nothing is asked for in advance, and nothing can have been translated before.
    if (tx.addressType !== AddressType.UNTRANSLATED) return BusStatus.UNSUPPORTED_REQUEST;
    const table = this.#tables[hi < 0 ? 1 : 0];
    const offset = toNumber(hi & BELOW_63, lo);
    const entry = table.find(offset);
    if (entry < 0) return this.#missed(tx, table, offset);
    if (table.requester[entry] !== tx.requester) return this.#foreign(tx, table.requester[entry]);
    if ((table.rights[entry] & tx.access) !== tx.access) return this.#fault(tx, "E2");
    // The largest aligned block around the address that lies in the mapping: the answer holds for all of it.
    const first = table.first[entry];
    let shift = table.shift[entry];
    let within = lo & ((1 << shift) - 1);
    while (offset - within < first || offset - within + (1 << shift) - 1 > table.last[entry]) {
      within = lo & ((1 << --shift) - 1);
    }
    const frameLo = table.frameLo[entry];
    const sum = (frameLo >>> 0) + (offset - first);
    out.set((table.frameHi[entry] + (sum >= TWO32 ? 1 : 0)) | 0, sum | 0, shift, table.rights[entry]);
    return BusStatus.OK;
  }

  /** The registers; see {@linkcode StrictRegisters}. */
  read(offset: number, width: Width): number {
    if (width !== 4) return 0;
    const { at } = StrictRegisters;
    if (offset === at.version) return STRICT_VERSION;
    if (offset === at.status) return this.#status;
    if (offset === at.live) return this.live;
    return offset === at.pending ? this.#pending : 0;
  }

  /** The doorbell is the one register that can be written. */
  write(offset: number, width: Width, value: number): void {
    if (offset !== StrictRegisters.at.doorbell || width !== 4) return;
    this.#commands++;
    this.#status = this.#execute((value >>> 0) * COMMAND_ALIGN);
  }

  /** See {@linkcode BusTranslator.counters}. */
  counters(): Record<string, number> {
    return {
      commands: this.#commands,
      mappingsEntered: this.#entered,
      mappingsLive: this.live,
      refusedAccesses: this.#faults,
    };
  }

  /** Forgets every mapping. */
  reset(): void {
    for (const table of this.#tables) table.clear();
    this.#status = CommandStatus.OK;
    this.#host?.invalidate({ first: 0n, last: 0xffff_ffff_ffff_ffffn });
  }

  #execute(command: number): number {
    const region = this.#host?.memory.ram(command) ?? null;
    if (region === null || command + StrictCommand.size > region.end) return CommandStatus.INVALID;
    const { view, base } = region;
    const at = command - base;
    const hi = view.getInt32(at + ADDRESS_HIGH, true);
    const lo = view.getInt32(at + FIELD.address, true);
    const opcode = view.getUint32(at + FIELD.opcode, true);
    if ((hi & UNUSED_BITS) !== 0) return CommandStatus.INVALID;
    if (opcode === Opcode.REMOVE) return this.#remove(hi, lo);
    return opcode === Opcode.ENTER ? this.#enter(view, at, hi, lo) : CommandStatus.INVALID;
  }

  #enter(view: DataView, at: number, hi: number, lo: number): number {
    const size = view.getUint32(at + FIELD.size, true);
    if (size === 0 || size > MAX_SIZE) return CommandStatus.INVALID;
    if (this.live >= this.#capacity) return CommandStatus.FULL;
    const table = this.#tables[hi < 0 ? 1 : 0];
    const first = toNumber(hi & BELOW_63, lo);
    const last = first + size - 1;
    if (last > Number.MAX_SAFE_INTEGER) return CommandStatus.INVALID;
    if (!table.isFree(first, last)) return CommandStatus.OVERLAP;
    const entry = table.insert(first, last);
    const frameLo = view.getInt32(at + FIELD.frame, true);
    table.frameHi[entry] = view.getInt32(at + FRAME_HIGH, true);
    table.frameLo[entry] = frameLo;
    table.rights[entry] = view.getUint32(at + FIELD.rights, true) & StrictCommand.mask.rights;
    table.requester[entry] = view.getUint32(at + FIELD.requester, true) & StrictCommand.mask.requester;
    // No block is larger than the mapping, nor than what address and frame agree in.
    table.shift[entry] = Math.min(31 - Math.clz32(size), trailingZeros(lo ^ frameLo));
    this.#entered++;
    return CommandStatus.OK;
  }

  #remove(hi: number, lo: number): number {
    const table = this.#tables[hi < 0 ? 1 : 0];
    const offset = toNumber(hi & BELOW_63, lo);
    const entry = table.find(offset);
    if (entry < 0 || table.first[entry] !== offset) return CommandStatus.NOT_FOUND;
    const size = table.last[entry] - offset + 1;
    this.#log.removed(hi, offset, size);
    const requester = table.requester[entry];
    table.remove(entry);
    this.#pending++;
    const { hi: lastHi, lo: lastLo } = this.#last.setNumber(offset + size - 1);
    this.#host!.invalidateAt(hi, lo, lastHi | (hi & ~BELOW_63), lastLo, requester, this.#done);
    return CommandStatus.OK;
  }

  readonly #last = new DmaHandle();
  readonly #done = (): void => void this.#pending--;

  #foreign(tx: Transaction, owner: number): BusStatus {
    return this.#fault(tx, "E4", `mapped for ${formatRequester(owner)}`);
  }

  /** Nothing is mapped there. Any more? */
  #missed(tx: Transaction, table: RangeTable, offset: number): BusStatus {
    const gone = this.#log.wasRemoved(tx.hi, offset);
    if (gone !== null) return this.#fault(tx, "E1", gone);
    const before = table.before(offset);
    const beyond = before < 0 ? Infinity : offset - table.last[before];
    return this.#fault(tx, "E7", beyond <= 4096 ? `${beyond} bytes past the last byte of a mapping` : undefined);
  }

  #fault(tx: Transaction, misuse: Misuse, detail?: string): BusStatus {
    this.#faults++;
    const record = this.#log.report(tx, misuse, detail);
    this.#host?.fault(record);
    // The address is known to the bridge in two of the four cases.
    return misuse === "E2" || misuse === "E4" ? BusStatus.COMPLETER_ABORT : BusStatus.UNSUPPORTED_REQUEST;
  }
}

function trailingZeros(value: number): number {
  return value === 0 ? 32 : 31 - Math.clz32(value & -value);
}

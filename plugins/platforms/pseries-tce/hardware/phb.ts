/**
 * The PCI host bridge: its windows, its partitionable endpoint, and the translation of what its devices do.
 *
 * @module
 */

import {
  AddressType,
  BusStatus,
  type BusTranslator,
  DmaHandle,
  type FirmwareTable,
  type Transaction,
  type Translation,
  type TranslatorHost,
} from "@iova/core";
import { DEFAULT_PAGE_SHIFT, TCE_BYTES, TCE_CONTROL, TCE_HIGH_AT, TCE_LOW_AT } from "../layout.ts";
import { Endpoint } from "./endpoint.ts";
import { properties } from "./firmware.ts";
import type { Entitlement, PartitionMemory } from "./partition.ts";
import { type ProfileName, PROFILES, type Rules } from "./profiles.ts";
import { TableMemory } from "./table.ts";
import { Window, type WindowOwner } from "./window.ts";

/** How a host bridge is built. */
export interface PhbConfig {
  readonly profile: ProfileName;
  /** Bytes of the default window, which begins at bus address 0 with 4 KiB pages. */
  readonly windowSize: number;
  /** Whether dynamic windows are offered. */
  readonly ddw: boolean;
  /** Windows at once, the default one included. */
  readonly windows: number;
  /** Page sizes of dynamic windows, as RTAS names them. */
  readonly pageSizes: number;
  /** Most entries of one table, as told to the guest. */
  readonly largestBlock: number;
  /** Bytes of hypervisor memory for tables. */
  readonly tableMemory: number;
  /** Whether the calls on many entries exist. */
  readonly multiTce: boolean;
  /** Whether a fault stops the endpoint, where the profile knows that. */
  readonly eeh: boolean;
}

/** Bus address of a dynamic window beside another one. */
export const DDW_BASE: bigint = 1n << 59n;
/** Unit id of the first bridge. */
const FIRST_BUID = 0x0800_0000_2000_0000n;
const LIOBN_PCI = 0x8000_0000;

/** See the module's text. */
export class Phb implements BusTranslator, WindowOwner {
  readonly name = "pseries-tce";
  readonly rules: Rules;
  readonly multiTce: boolean;
  readonly endpoint: Endpoint;
  readonly tableMemory: TableMemory;
  /** By window number; null where there is none. */
  readonly windows: (Window | null)[];
  /** Unit id. */
  readonly buid: bigint;
  // The windows that are there, for the hot path.
  #active: Window[] = [];
  #host: TranslatorHost | null = null;
  readonly #scratch = new DmaHandle();
  readonly #faults: Record<string, number> = {};
  readonly #firmware: FirmwareTable[];
  #refused = 0;

  /** Bridge number `index` of a partition. */
  constructor(
    readonly index: number,
    readonly config: PhbConfig,
    readonly memory: PartitionMemory,
    readonly entitlement: Entitlement,
  ) {
    this.rules = PROFILES[config.profile];
    this.multiTce = config.multiTce;
    this.endpoint = new Endpoint(config.eeh && this.rules.freezes);
    this.tableMemory = new TableMemory(config.tableMemory);
    this.windows = new Array(config.windows).fill(null);
    this.buid = FIRST_BUID + BigInt(index);
    this.makeDefault();
    this.#firmware = properties(this);
  }

  /** The device tree as it is at power-on. */
  firmware(): FirmwareTable[] {
    return this.#firmware;
  }

  /** Connects the bridge to its bus. */
  connect(host: TranslatorHost): this {
    this.#host = host;
    return this;
  }

  /** See {@linkcode BusTranslator.translate}. A stopped endpoint's request does not complete and is not logged again. */
  translate(tx: Transaction, out: Translation): BusStatus {
    if (tx.addressType !== AddressType.UNTRANSLATED) return BusStatus.UNSUPPORTED_REQUEST;
    if (this.endpoint.dmaStopped) return this.#stopped();
    const active = this.#active;
    for (let i = 0; i < active.length; i++) {
      const window = active[i];
      const index = window.indexOf(tx.hi, tx.lo);
      if (index < 0) continue;
      const { view } = window.table;
      const lo = view.getInt32(index * TCE_BYTES + TCE_LOW_AT);
      const rights = lo & TCE_CONTROL;
      if ((rights & tx.access) !== tx.access) return this.#refuse(tx, window, index);
      out.set(view.getInt32(index * TCE_BYTES + TCE_HIGH_AT), lo, window.shift, rights);
      return BusStatus.OK;
    }
    return this.#fault(tx, "TCE_EXTENT_ERROR", "no window", BusStatus.UNSUPPORTED_REQUEST);
  }

  /** See {@linkcode BusTranslator.registersStopped}: one endpoint for all devices. */
  registersStopped(): boolean {
    return this.endpoint.mmioStopped;
  }

  /** See {@linkcode BusTranslator.messagesStopped}: a message is DMA. */
  messagesStopped(): boolean {
    return this.endpoint.dmaStopped;
  }

  /** Makes window number `slot`; null when there is no memory for its table. Addresses and sizes have been checked. */
  makeWindow(slot: number, base: bigint, shift: number, entries: number, isDefault: boolean): Window | null {
    if (entries === 0 || !this.tableMemory.take(entries)) return null;
    const liobn = (LIOBN_PCI + this.index * 0x100 + slot) | 0;
    const window = tryWindow(this, liobn, base, shift, entries, isDefault);
    if (window === null) {
      this.tableMemory.give(entries);
      return null;
    }
    this.windows[slot] = window;
    this.#listActive();
    return window;
  }

  /** Makes the default window, empty. */
  makeDefault(): void {
    this.makeWindow(0, 0n, DEFAULT_PAGE_SHIFT, this.config.windowSize >>> DEFAULT_PAGE_SHIFT, true);
  }

  /** Removes a window and whatever its table maps. */
  removeWindow(window: Window): void {
    this.#release(window);
    this.windows[this.windows.indexOf(window)] = null;
    this.#listActive();
    this.tableMemory.give(window.entries);
    this.changed(window, 0, window.entries - 1);
  }

  /** Removes every window and makes the default one again. */
  resetWindows(): void {
    for (const window of this.windows) if (window !== null) this.removeWindow(window);
    this.makeDefault();
  }

  /** See {@linkcode WindowOwner.changed}. */
  changed(window: Window, first: number, last: number): void {
    if (this.#host === null) return;
    const { hi, lo } = window.addressOf(first, this.#scratch);
    const end = window.lastAddressOf(last, this.#scratch);
    this.#host.invalidateAt(hi, lo, end.hi, end.lo, -1);
  }

  /** The state after power-on: the default window, empty, and nothing stopped. */
  reset(): void {
    this.endpoint.reset();
    this.resetWindows();
  }

  /** Faults by cause, accesses refused while stopped, and how often the endpoint was stopped. */
  counters(): Record<string, number> {
    return { ...this.#faults, "refused while stopped": this.#refused, "EEH freezes": this.endpoint.freezes };
  }

  #release({ table, entries, shift }: Window): void {
    if (this.entitlement.bytes === Infinity) return;
    for (let i = 0; i < entries; i++) {
      if ((table.lo(i) & TCE_CONTROL) !== 0) this.entitlement.mapped -= 2 ** shift;
    }
  }

  #listActive(): void {
    this.#active = this.windows.filter((window) => window !== null);
  }

  #stopped(): BusStatus {
    this.#refused++;
    return BusStatus.COMPLETER_ABORT;
  }

  #refuse(tx: Transaction, { table, liobn }: Window, index: number): BusStatus {
    const cause = (table.lo(index) & TCE_CONTROL) === 0 ? "TCE_PAGE_FAULT" : "TCE_ACCESS_ERROR";
    const tce = [...table.bytes(index)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const detail = `liobn 0x${(liobn >>> 0).toString(16)} index 0x${index.toString(16)} tce ${tce}`;
    return this.#fault(tx, cause, detail, BusStatus.COMPLETER_ABORT);
  }

  #fault({ requester, address, access }: Transaction, cause: string, detail: string, status: BusStatus): BusStatus {
    this.#faults[cause] = (this.#faults[cause] ?? 0) + 1;
    this.endpoint.fault();
    const stopped = this.endpoint.dmaStopped ? "; PE frozen" : "";
    this.#host?.fault({ cause, requester, address, access, detail: detail + stopped });
    return status;
  }
}

/** A new window; null when the host has no memory for its table either. */
function tryWindow(...args: ConstructorParameters<typeof Window>): Window | null {
  try {
    return new Window(...args);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * A host bridge as the guest keeps it: the tables that all devices behind it share.
 *
 * @module
 */

import { dmaBitMask, type DmaContext, type FirmwareTable, type GuestPort } from "@iova/core";
import type { DdwResult, DirectWindow } from "./ddw.ts";
import { enableDdw } from "./ddw.ts";
import { type BridgeDescription, type DdwTokens, readDeviceTree, type WindowDescription } from "./firmware.ts";
import { Hcalls, type HypercallAccount } from "./hcalls.ts";
import { RtasClient } from "./rtas.ts";
import { IommuTable } from "./table.ts";
import { TceWriter } from "./writer.ts";

/** How the guest is built. */
export interface GuestPhbConfig {
  /** log2 of the guest's own page size. */
  readonly guestPageShift: number;
  /** Whether failed calls are failed mappings, and misuse is reported. */
  readonly strict: boolean;
  /** Whether scatterlist entries with neighbouring bus addresses become one segment. */
  readonly merge: boolean;
}

/** How a device with some mask is served. */
export interface Service {
  /** The window of all memory; null when the mask is too small or there is none. */
  readonly direct: DirectWindow | null;
  /** The table for what the direct window does not reach; null when there is none. */
  readonly table: IommuTable | null;
}

/** See the module's text. */
export class GuestPhb {
  readonly description: BridgeDescription;
  readonly hcalls: Hcalls;
  readonly writer: TceWriter;
  readonly rtas: RtasClient;
  /** Hypercalls that belong to no device: clearing tables, making windows. */
  readonly boot: HypercallAccount = { hypercalls: 0 };
  #defaultTable: IommuTable | null;
  #ddw: DdwResult | null = null;
  readonly #guest: GuestPort;

  /** Takes the bridge over: reads the device tree and clears the default window's table. */
  constructor(guest: GuestPort, firmware: readonly FirmwareTable[], readonly config: GuestPhbConfig) {
    this.#guest = guest;
    this.description = readDeviceTree(firmware);
    const { window, multiTce, buid } = this.description;
    this.hcalls = new Hcalls(guest);
    this.hcalls.account = this.boot;
    this.writer = new TceWriter(guest, this.hcalls, multiTce, config.strict);
    this.rtas = new RtasClient(guest, this.hcalls, { configAddr: 0, buidHi: buid.hi, buidLo: buid.lo });
    this.#defaultTable = this.#makeTable(window);
  }

  /** The default window's table; null when it was given up for a dynamic one. */
  get defaultTable(): IommuTable | null {
    return this.#defaultTable;
  }

  /** From now on calls are made on behalf of this device. */
  serve({ stats }: DmaContext, warn: (id: string, message: string) => void): void {
    this.hcalls.account = stats;
    this.writer.warn = warn;
  }

  /** How a device with this mask is served. The first with 64 bits asks for a dynamic window; an answer is for ever. */
  service(mask: bigint): Service {
    if (mask === dmaBitMask(64) && this.description.ddw !== null) this.#ddw ??= this.#enableDdw(this.description.ddw);
    if (this.#ddw?.defaultRemoved) this.#defaultTable = null;
    const { direct = null, table = null } = this.#ddw ?? {};
    return {
      direct: direct !== null && mask >= direct.last ? direct : null,
      table: table !== null && mask >= table.last ? table : this.#defaultTable,
    };
  }

  /** Gives back what the guest took for itself. */
  stop(): void {
    this.writer.stop();
  }

  #enableDdw(tokens: DdwTokens): DdwResult {
    const { hcalls, description, rtas } = this;
    const account = hcalls.account;
    hcalls.account = this.boot;
    const writer = new TceWriter(this.#guest, hcalls, description.multiTce, true);
    const makeTable = (window: WindowDescription) => this.#makeTable(window);
    const result = enableDdw({ description, rtas, writer, defaultTable: this.#defaultTable, makeTable }, tokens);
    writer.stop();
    hcalls.account = account;
    return result;
  }

  #makeTable(window: WindowDescription): IommuTable {
    const table = new IommuTable(window, this.writer, this.config.strict);
    table.clearAll();
    return table;
  }
}

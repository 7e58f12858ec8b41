/**
 * What all devices of one guest share: its grant table, the record of its mappings, the pages that wait for their end.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import { XenCalls } from "./calls.ts";
import { DeferredFrees } from "./deferred.ts";
import { Records } from "./records.ts";
import { GuestGrantTable } from "./table.ts";

/** See the module's text. */
export class Frontend {
  readonly calls: XenCalls;
  readonly table: GuestGrantTable;
  readonly records: Records = new Records();
  readonly deferred: DeferredFrees;
  #devices = 0;

  /** Boots the grant table of a guest; see {@linkcode GuestGrantTable}. */
  constructor(guest: GuestPort, version: number, looksThenEnds: boolean) {
    this.calls = new XenCalls(guest);
    this.table = new GuestGrantTable(guest, this.calls, version, looksThenEnds);
    this.deferred = new DeferredFrees(guest);
  }

  /** A number for one more device. */
  addDevice(): number {
    return this.#devices++;
  }
}

const frontends = new WeakMap<GuestPort, Frontend>();

/** The frontend of a guest: it has one grant table, however many bridges there are. */
export function frontendOf(guest: GuestPort, version: number, looksThenEnds: boolean): Frontend {
  let frontend = frontends.get(guest);
  if (frontend === undefined) frontends.set(guest, frontend = new Frontend(guest, version, looksThenEnds));
  return frontend;
}

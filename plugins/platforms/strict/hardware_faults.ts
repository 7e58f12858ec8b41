/**
 * What the bridge remembers and says about devices that leave their mappings.
 *
 * @module
 */

import { Access, type FaultRecord, formatAddress, formatRequester, toDmaAddr, type Transaction } from "@iova/core";

/** Hears a warning: a stable id and a sentence. */
export type Warn = (id: string, message: string) => void;

/** What a device did, by the id of the warning; and the name under which it is logged. */
const CAUSES = {
  E1: "USE_AFTER_UNMAP",
  E2: "WRONG_DIRECTION",
  E4: "MAPPING_OF_ANOTHER_DEVICE",
  E7: "NOT_MAPPED",
} as const;
/** An id of {@linkcode CAUSES}. */
export type Misuse = keyof typeof CAUSES;

/** Removed ranges that are remembered. A device is late by a few requests, not by a thousand. */
const REMEMBERED = 1024;
/** Warnings with one id; what a device does wrong for ever is said this often. */
const SAID = 64;

/** See the module's text. */
export class MisuseLog {
  readonly #warn: Warn;
  readonly #said = new Map<Misuse, number>();
  readonly #hi = new Int32Array(REMEMBERED);
  readonly #first = new Float64Array(REMEMBERED);
  readonly #size = new Float64Array(REMEMBERED);
  #next = 0;

  /** A log that warns through `warn`. */
  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /** Remembers a range that was removed; `hi` gives bit 63, `offset` the other bits of its first address. */
  removed(hi: number, offset: number, size: number): void {
    const at = this.#next++ % REMEMBERED;
    this.#hi[at] = hi;
    this.#first[at] = offset;
    this.#size[at] = size;
  }

  /** Which removed range an address was in; null when it was in none that is remembered. */
  wasRemoved(hi: number, offset: number): string | null {
    for (let i = 0; i < REMEMBERED; i++) {
      const first = this.#first[i];
      if (offset < first || offset >= first + this.#size[i] || (this.#hi[i] ^ hi) < 0) continue;
      return `byte ${offset - first} of a mapping of ${this.#size[i]} bytes that is gone`;
    }
    return null;
  }

  /** Warns, and returns the fault record. */
  report(tx: Transaction, misuse: Misuse, detail?: string): FaultRecord {
    const { requester, access } = tx;
    const address = toDmaAddr(tx.hi, tx.lo);
    const record = { cause: CAUSES[misuse], requester, address, access, ...(detail !== undefined && { detail }) };
    const said = (this.#said.get(misuse) ?? 0) + 1;
    this.#said.set(misuse, said);
    if (said <= SAID) this.#warn(misuse, sentence(record) + (said === SAID ? "; more of these are not reported" : ""));
    return record;
  }
}

function sentence({ cause, requester, address, access, detail }: FaultRecord): string {
  const did = access === Access.READ ? "read" : access === Access.WRITE ? "write" : "atomic access";
  const more = detail === undefined ? "" : ` (${detail})`;
  return `strict: ${cause}: ${did} by ${formatRequester(requester)} at ${formatAddress(address)}${more}`;
}

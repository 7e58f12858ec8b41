/**
 * The hardware half. A bounce pool is the operating system's own affair: hardware translates nothing, and so there is
 * nothing here, except behind a restricted pool, where a bus firewall lets devices reach the pool and nothing else. (On a
 * real machine that is a memory protection unit on the bus, or the encryption of everything outside the shared pool.)
 *
 * @module
 */

import {
  Access,
  AddressType,
  BusStatus,
  type BusTranslator,
  type RegisterBlock,
  type Transaction,
  type Translation,
  type TranslatorHost,
  type Width,
} from "@iova/core";
import { FIREWALL_VERSION, FirewallRegisters } from "./layout.ts";

const { at, mask } = FirewallRegisters;

/** Pages have 4 KiB, and their numbers 32 bits: the window lies below this high half. */
const HI_LIMIT = 1 << 12;
const RIGHTS = Access.READ | Access.WRITE;

/** See the module's text. Denies everything until it is programmed; locked, it stays as firmware left it for good. */
export class Firewall implements RegisterBlock {
  #basePage = 0;
  #pages = 0;
  #control = 0;
  #refused = 0;
  // log2 of the blocks in which the window is answered for: start and length are multiples of it.
  #shift = 12;

  /** The translator that stands in a bridge. It has no `reset`: what firmware locked outlives a reset of the machine. */
  attach(host: TranslatorHost): BusTranslator {
    return {
      name: "restricted pool",
      translate: (tx, out) => this.#translate(tx, out, host),
      counters: () => ({ refusedAccesses: this.#refused }),
    };
  }

  /** See {@linkcode RegisterBlock.read}. Anything but an aligned word of the block reads as all ones. */
  read(offset: number, width: Width): number {
    if (width !== 4) return width === 2 ? 0xffff : 0xff;
    switch (offset) {
      case at.version:
        return FIREWALL_VERSION;
      case at.basePage:
        return this.#basePage;
      case at.pages:
        return this.#pages;
      case at.enable:
        return this.#control;
      case at.refused:
        return this.#refused >>> 0;
    }
    return 0xffff_ffff;
  }

  /** See {@linkcode RegisterBlock.write}. Narrow writes, and all writes once it is locked, are dropped. */
  write(offset: number, width: Width, value: number): void {
    if (width !== 4 || (this.#control & mask.lock) !== 0) return;
    if (offset === at.basePage) this.#basePage = value >>> 0;
    else if (offset === at.pages) this.#pages = value >>> 0;
    else if (offset === at.enable) this.#control = value & (mask.enable | mask.lock);
    this.#shift = 12 + trailingZeros(this.#basePage | this.#pages);
  }

  /** Passes what lies in the window unchanged; everything else is aborted and recorded. */
  #translate(tx: Transaction, out: Translation, host: TranslatorHost): BusStatus {
    if (tx.addressType !== AddressType.UNTRANSLATED) return BusStatus.UNSUPPORTED_REQUEST;
    const { hi, lo } = tx;
    const page = ((hi << 20) | (lo >>> 12)) >>> 0;
    const inside = hi >= 0 && hi < HI_LIMIT && page >= this.#basePage && page - this.#basePage < this.#pages;
    if (!inside || (this.#control & mask.enable) === 0) return this.#refuse(tx, host);
    out.set(hi, lo, this.#shift, RIGHTS);
    return BusStatus.OK;
  }

  #refuse({ address, requester, access }: Transaction, host: TranslatorHost): BusStatus {
    this.#refused++;
    host.fault({ cause: "OUTSIDE_RESTRICTED_POOL", requester, address, access });
    return BusStatus.COMPLETER_ABORT;
  }
}

function trailingZeros(word: number): number {
  return word === 0 ? 0 : 31 - Math.clz32(word & -word);
}

/**
 * The hardware half: a bridge that subtracts a constant. It has no state, no ATS and no log.
 *
 * @module
 */

import {
  Access,
  AddressType,
  BusStatus,
  type BusTranslator,
  compareHalves,
  type DmaAddr,
  DmaHandle,
  type Transaction,
  type Translation,
  type TranslatorHost,
} from "@iova/core";

/** See the module's text. */
export class OffsetTranslator implements BusTranslator {
  readonly name = "direct";
  readonly #host: TranslatorHost;
  readonly #offset: DmaHandle;
  /** Blocks of this size stay blocks when the offset is taken away. */
  readonly #shift: number;

  /** A bridge that subtracts `offset`, which is not 0. */
  constructor(host: TranslatorHost, offset: DmaAddr) {
    this.#host = host;
    this.#offset = new DmaHandle().set(offset);
    this.#shift = trailingZeros(offset);
  }

  /** See {@linkcode BusTranslator.translate}. What is below the offset is nobody's. */
  translate(tx: Transaction, out: Translation): BusStatus {
    const { hi, lo } = this.#offset;
    // Without ATS nothing is asked for in advance, and nothing can have been translated before.
    if (tx.addressType !== AddressType.UNTRANSLATED) return BusStatus.UNSUPPORTED_REQUEST;
    if (compareHalves(tx.hi, tx.lo, hi, lo) < 0) return this.#below(tx);
    const borrow = (tx.lo >>> 0) < (lo >>> 0) ? 1 : 0;
    out.set((tx.hi - hi - borrow) | 0, (tx.lo - lo) | 0, this.#shift, Access.READ | Access.WRITE);
    return BusStatus.OK;
  }

  #below({ address, requester, access }: Transaction): BusStatus {
    this.#host.fault({ cause: "BELOW_OFFSET", requester, address, access });
    return BusStatus.UNSUPPORTED_REQUEST;
  }
}

function trailingZeros(value: bigint): number {
  let zeros = 0;
  while ((value >> BigInt(zeros) & 1n) === 0n) zeros++;
  return zeros;
}

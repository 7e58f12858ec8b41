/**
 * The bus of a machine whose guest is paravirtualised: what devices put on it are machine addresses. The guest's memory is
 * in the address space by pseudo-physical address, so each page is looked up in the machine-to-physical table.
 *
 * @module
 */

import {
  Access,
  AddressType,
  BusStatus,
  type BusTranslator,
  formatAddress,
  PAGE_SHIFT,
  toDmaAddr,
  type Transaction,
  type Translation,
  type TranslatorHost,
} from "@iova/core";
import type { MachineMap } from "@iova/xen";

/** Wrong addresses that are explained in a warning. */
const EXPLAINED = 8;

/** What a bus tells about. */
export interface MachineBusOptions {
  /** Hears of addresses that come from the wrong address space. */
  readonly warn: (id: string, message: string) => void;
  /** Counters of the hypervisor, by name. */
  readonly counters: () => Record<string, number>;
}

/** See the module's text. */
export class MachineBus implements BusTranslator {
  readonly name = "xen-pv";
  /** Whatever reaches memory reaches machine frames; there is no way past them. */
  readonly isMemoryBus = true;
  readonly #host: TranslatorHost;
  readonly #map: MachineMap;
  readonly #options: MachineBusOptions;
  #refused = 0;
  #explained = 0;

  /** A bus over the machine frames of `map`. */
  constructor(host: TranslatorHost, map: MachineMap, options: MachineBusOptions) {
    this.#host = host;
    this.#map = map;
    this.#options = options;
  }

  /** See {@linkcode BusTranslator.translate}. */
  translate(tx: Transaction, out: Translation): BusStatus {
    if (tx.addressType !== AddressType.UNTRANSLATED) return BusStatus.UNSUPPORTED_REQUEST;
    const { hi } = tx;
    if (hi < 0 || hi >= HIGHEST) return this.#refuse(tx, -1);
    const mfn = hi * 2 ** (32 - PAGE_SHIFT) + (tx.lo >>> PAGE_SHIFT);
    const pfn = this.#map.pfnOf(mfn);
    if (pfn < 0) return this.#refuse(tx, mfn);
    out.set(pfn >>> (32 - PAGE_SHIFT), pfn << PAGE_SHIFT, PAGE_SHIFT, Access.ATOMIC);
    return BusStatus.OK;
  }

  /** A machine frame is not what it was. */
  moved(mfn: number): void {
    const first = BigInt(mfn) << BigInt(PAGE_SHIFT);
    this.#host.invalidate({ first, last: first + BigInt(2 ** PAGE_SHIFT - 1) });
  }

  /** See {@linkcode BusTranslator.counters}. */
  counters(): Record<string, number> {
    return { ...this.#options.counters(), refusedAccesses: this.#refused };
  }

  #refuse(tx: Transaction, mfn: number): BusStatus {
    this.#refused++;
    const { requester, access } = tx;
    const address = toDmaAddr(tx.hi, tx.lo);
    // Only for a few: the look-up goes through the whole table.
    const machine = mfn >= 0 && this.#explained < EXPLAINED ? this.#map.machineOf(mfn) : -1;
    if (machine < 0) {
      this.#host.fault({ cause: "NO_MACHINE_FRAME", requester, address, access });
      return BusStatus.UNSUPPORTED_REQUEST;
    }
    this.#explained++;
    const right = machine * 2 ** PAGE_SHIFT + (tx.lo & (2 ** PAGE_SHIFT - 1));
    const detail = `as a pseudo-physical address it is machine address ${formatAddress(right)}`;
    this.#host.fault({ cause: "WRONG_ADDRESS_SPACE", requester, address, access, detail });
    this.#options.warn("wrong-space", `xen-pv: no machine frame at ${formatAddress(address)}; ${detail}`);
    return BusStatus.UNSUPPORTED_REQUEST;
  }
}

/** The highest half of a machine address: frames are below 2^31. */
const HIGHEST = 0x800;

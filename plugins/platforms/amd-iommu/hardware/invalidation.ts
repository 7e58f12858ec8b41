/**
 * What invalidation commands drop (AMD 48882 §2.4): entries of the IOMMU's own caches, and leases that devices hold over
 * translations from them. A lease that is still in use when its translation goes holds up COMPLETION_WAIT.
 *
 * @module
 */

import { type Invalidation, toDmaAddr, type TranslatorHost } from "@iova/core";
import { sizeCodeShift } from "../layout.ts";
import type { AddressCache } from "./address_cache.ts";
import type { DeviceTable } from "./device_table.ts";

const LAST = 0xffff_ffff_ffff_ffffn;

/** The caches of one IOMMU, and who uses which domain. */
export class Invalidator {
  readonly #host: TranslatorHost;
  readonly #table: DeviceTable;
  readonly #iotlb: AddressCache | null;
  readonly #directories: AddressCache | null;
  readonly #progress: () => void;
  // Devices that have used a domain since their device table entry was last invalidated, and so may hold leases in it.
  readonly #users = new Map<number, number[]>();
  // The domain that was asked for last, and what #users says of it; −1 when that may have changed.
  #recentDomain = -1;
  #recentUsers: number[] | undefined;
  readonly #lastDomain = new Int32Array(0x10000).fill(-1);
  #pending = 0;
  readonly #done = () => {
    if (--this.#pending === 0) this.#progress();
  };

  readonly #wholeDomains: boolean;

  /**
   * `progress` is called when the last lease that was waited for has ended. `wholeDomains`: whatever pages a command
   * names, their domain goes.
   */
  constructor(
    host: TranslatorHost,
    table: DeviceTable,
    iotlb: AddressCache | null,
    directories: AddressCache | null,
    progress: () => void,
    wholeDomains = false,
  ) {
    this.#host = host;
    this.#table = table;
    this.#iotlb = iotlb;
    this.#directories = directories;
    this.#progress = progress;
    this.#wholeDomains = wholeDomains;
    table.onUse = (requester, domain) => this.#used(requester, domain);
  }

  /** Whether every lease that was announced has ended. */
  get idle(): boolean {
    return this.#pending === 0;
  }

  /** INVALIDATE_DEVTAB_ENTRY: the cached entry, not the translations. */
  device(requester: number): void {
    this.#table.invalidate(requester);
    this.#lastDomain[requester] = -1;
    this.#recentDomain = -1;
    for (const [domain, users] of this.#users) {
      const left = users.filter((other) => other !== requester);
      if (left.length > 0) this.#users.set(domain, left);
      else this.#users.delete(domain);
    }
    this.#announce({ first: 0n, last: LAST, requester });
  }

  /** INVALIDATE_IOMMU_PAGES: a block of 2^`named` bytes in a domain; `directories`: cached directory entries too. */
  pages(domain: number, hi: number, lo: number, named: number, directories: boolean): void {
    const shift = this.#wholeDomains ? 64 : named;
    this.#iotlb?.invalidate(domain, hi, lo, shift);
    if (directories) this.#directories?.invalidate(domain, hi, lo, shift);
    const users = domain === this.#recentDomain ? this.#recentUsers : this.#usersOf(domain);
    if (users === undefined) return;
    const within = shift < 32 ? (1 << shift) - 1 : -1;
    const above = shift < 32 ? 0 : shift >= 64 ? -1 : (1 << (shift - 32)) - 1;
    for (let i = 0; i < users.length; i++) {
      this.#pending++;
      this.#host.invalidateAt(hi & ~above, lo & ~within, hi | above, lo | within, users[i], this.#done);
    }
  }

  /** One page of the IOMMU's own cache, and nothing else. */
  ownPage(domain: number, hi: number, lo: number): void {
    this.#iotlb?.invalidate(domain, hi, lo, 12);
  }

  /** INVALIDATE_IOMMU_ALL: everything. */
  all(): void {
    this.forget();
    this.#announce({ first: 0n, last: LAST });
  }

  /** Translation was switched on or off: whatever devices hold is void, whatever is cached stays. */
  switched(): void {
    this.#host.invalidate({ first: 0n, last: LAST });
  }

  /** Drops every cache, and tells nobody. */
  forget(): void {
    this.#table.clear();
    this.#iotlb?.clear();
    this.#directories?.clear();
    this.#users.clear();
    this.#recentDomain = -1;
    this.#lastDomain.fill(-1);
  }

  #usersOf(domain: number): number[] | undefined {
    this.#recentDomain = domain;
    return this.#recentUsers = this.#users.get(domain);
  }

  #used(requester: number, domain: number): void {
    if (this.#lastDomain[requester] === domain) return;
    this.#lastDomain[requester] = domain;
    this.#recentDomain = -1;
    const users = this.#users.get(domain);
    if (users === undefined) this.#users.set(domain, [requester]);
    else if (!users.includes(requester)) users.push(requester);
  }

  #announce(range: Invalidation): void {
    this.#pending++;
    this.#host.invalidate(range, this.#done);
  }
}

/** log2 of the block that a command's address names: a page, or by its size code when `sized`. */
export function commandShift(hi: number, lo: number, sized: boolean): number {
  return sized ? sizeCodeShift(hi, lo) : 12;
}

/** 2^shift − 1 by shift. */
const MASKS = Array.from({ length: 65 }, (_, shift) => (1n << BigInt(shift)) - 1n);

/** The aligned block of 2^`shift` bytes around an address. */
export function blockRange(hi: number, lo: number, shift: number): Invalidation {
  const last = toDmaAddr(hi, lo) | MASKS[shift];
  return { first: last - MASKS[shift], last };
}

/**
 * The bus tree: who claims an address, which bridge translates it, where it ends.
 *
 * 1. A device performs an access on its local bus. It does not know what lies above.
 * 2. If a peer on that bus claims the address, the access goes there untranslated (peer-to-peer), unless access control
 *    (ACS) redirects it upward.
 * 3. Otherwise the bridge's translator, if it has one and this requester is in its scope, translates; the access goes on
 *    on the parent bus; and so on to the root, which is the CPU's physical address space.
 * 4. A device may carry a translator of its own: same interface, one step earlier.
 * 5. A request marked *translated* passes a translator only if that translator trusts the requester.
 * 6. A translator may serve the CPU as well: it then puts a register block (an aperture) into the address space.
 * 7. No bus mastering, no access.
 *
 * A bus, a bridge and the address space all answer one question, {@linkcode BusTarget.resolve}, so nesting is
 * composition: `behind(translator, bus)` is a bus.
 *
 * @module
 */

import { type PhysAddr, toNumber } from "./address.ts";
import {
  type BusContext,
  type BusTarget,
  endInRegisters,
  makeStage,
  type MakeTranslator,
  TranslatingStage,
  type Window,
} from "./bus_stage.ts";
import { BusPort } from "./bus_port.ts";
import { AddressType, type AtsService, BusStatus, type BusTranslator, type Transaction } from "./bus_translator.ts";
import { ALL_ONES, type RegisterBlock, type RegisterRegion } from "./memory.ts";

export {
  behind,
  type BusContext,
  type BusTarget,
  HardwareWork,
  type MakeTranslator,
  MemoryTarget,
  Window,
} from "./bus_stage.ts";
export { BusPort };

/**
 * A bridge: connects a bus to what is above it, with a translator, several (one per requester), or none.
 * Precedence: a requester's own entry, then the bridge's default.
 */
export class Bridge implements BusTarget {
  #stages: BusTarget[];
  // Index into #stages by requester id; null while every requester takes the default.
  #choice: Uint16Array | null = null;

  /** A bridge to `above`. */
  constructor(readonly above: BusTarget) {
    this.#stages = [above];
  }

  /**
   * Puts a translator into the bridge, for every requester or for one. `make` gets the translator's host and may answer
   * null: then nothing translates.
   */
  translate(context: BusContext, make: MakeTranslator, requester?: number): BusTranslator | null {
    const stage = makeStage(this.above, context, make);
    if (requester !== undefined) this.#choose(requester, stage ?? this.above);
    else if (stage !== null) this.#stages[0] = stage;
    return stage?.translator ?? null;
  }

  /** The translator that a requester meets here; null when none. */
  translatorFor(requester: number): BusTranslator | null {
    const stage = this.#stages[this.#choice?.[requester & 0xffff] ?? 0];
    return stage instanceof TranslatingStage ? stage.translator : null;
  }

  /** Lets a requester pass untranslated: its bus addresses are the parent's. */
  bypass(requester: number): void {
    this.#choose(requester, this.above);
  }

  /** A requester is gone: whoever has its id next takes the default. */
  forget(requester: number): void {
    if (this.#choice !== null) this.#choice[requester & 0xffff] = 0;
  }

  /** See {@linkcode BusTarget.resolve}. */
  resolve(tx: Transaction, out: Window): BusStatus {
    const choice = this.#choice;
    const stage = choice === null ? this.#stages[0] : this.#stages[choice[tx.requester & 0xffff]];
    return stage.resolve(tx, out);
  }

  #choose(requester: number, stage: BusTarget): void {
    this.#choice ??= new Uint16Array(65536);
    let index = this.#stages.indexOf(stage, 1);
    if (index < 0) index = this.#stages.push(stage) - 1;
    this.#choice[requester & 0xffff] = index;
  }
}

interface Claim {
  readonly first: PhysAddr;
  readonly last: PhysAddr;
  readonly region: RegisterRegion;
  readonly always: boolean;
}

/** A bus: peers that claim addresses, and a bridge upward. */
export class Bus implements BusTarget {
  /** Access control: peer-to-peer requests are redirected to the bridge. */
  redirect = false;
  /** Ports that are plugged in, in order. */
  readonly ports: BusPort[] = [];
  #claims: Claim[] = [];
  #lowest = Infinity;
  #highest = -1;

  /** A bus called `name` below `bridge`; `parent` is the bus that the bridge sits on, null for a root bus. */
  constructor(
    readonly name: string,
    readonly bridge: Bridge,
    readonly parent: Bus | null,
    readonly context: BusContext,
  ) {}

  /** Claims addresses for a peer's registers. `always`: even access control does not redirect (interrupt messages). */
  claim(first: PhysAddr, size: number, region: RegisterRegion, always = false): void {
    this.#claims = [...this.#claims, { first, last: first + size - 1, region, always }].sort((a, b) =>
      a.first - b.first
    );
    this.#bound();
  }

  /** Gives the claims of a region up. */
  unclaim(region: RegisterRegion): void {
    this.#claims = this.#claims.filter((claim) => claim.region !== region);
    this.#bound();
  }

  /** Plugs a function in. */
  attach(name: string, requester: number): BusPort {
    const port = new BusPort(name, requester, this);
    this.ports.push(port);
    return port;
  }

  /** The ATS service of the first translator above that a requester meets; null when it offers none. */
  ats(requester: number): AtsService | null {
    const translator = this.bridge.translatorFor(requester);
    return translator !== null ? translator.ats ?? null : this.parent?.ats(requester) ?? null;
  }

  /** A function's registers as the CPU reaches them: not while a bridge above has stopped them. */
  gate(port: { readonly requester: number }, block: RegisterBlock): RegisterBlock {
    const stopped = () => this.#stopped(port.requester, "registersStopped");
    return {
      read: (offset, width) => stopped() ? ALL_ONES[width] : block.read(offset, width),
      write: (offset, width, value) => stopped() || block.write(offset, width, value),
    };
  }

  /** Unplugs a function: its leases end, its accesses get nowhere. */
  detach(port: BusPort): void {
    port.unplug();
    this.ports.splice(this.ports.indexOf(port), 1);
  }

  /** See {@linkcode BusTarget.resolve}. */
  resolve(tx: Transaction, out: Window): BusStatus {
    const address = toNumber(tx.hi, tx.lo);
    if (address >= this.#lowest && address <= this.#highest && tx.addressType !== AddressType.TRANSLATION_REQUEST) {
      const index = this.#find(address);
      const claim = this.#claims[index];
      const inside = address >= claim.first;
      if (inside && (!this.redirect || claim.always)) {
        if (claim.always && this.#stopped(tx.requester, "messagesStopped")) return BusStatus.UNSUPPORTED_REQUEST;
        tx.length = Math.min(tx.length, claim.last - address + 1);
        return endInRegisters(claim.region, address, tx, out);
      }
      // An access does not run into the next claim.
      const next = inside ? this.#claims[index + 1] : claim;
      if (next !== undefined) tx.length = Math.min(tx.length, next.first - address);
    } else if (address < this.#lowest && tx.length > this.#lowest - address) {
      tx.length = this.#lowest - address;
    }
    return this.bridge.resolve(tx, out);
  }

  /** Whether a translator between here and the root stops a requester's registers or messages. */
  #stopped(requester: number, what: "registersStopped" | "messagesStopped"): boolean {
    const here = this.bridge.translatorFor(requester)?.[what]?.(requester) ?? false;
    return here || (this.parent !== null && this.parent.#stopped(requester, what));
  }

  /** The first claim that ends at or above an address; there is one. */
  #find(address: number): number {
    let low = 0;
    let high = this.#claims.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (address > this.#claims[middle].last) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #bound(): void {
    this.#lowest = this.#claims[0]?.first ?? Infinity;
    this.#highest = this.#claims.reduce((highest, claim) => Math.max(highest, claim.last), -1);
  }
}

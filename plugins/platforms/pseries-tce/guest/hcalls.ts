/**
 * The guest's way into the hypervisor: one reused set of registers, and a count of calls.
 *
 * @module
 */

import { type GuestPort, HypercallRegisters, type PhysAddr } from "@iova/core";
import { Arg, Hcall } from "../layout.ts";

/** Who is charged for hypercalls: the counters of a device, or those of the boot. */
export interface HypercallAccount {
  hypercalls: number;
}

/** The hypercalls of one guest. Bus addresses and entries are given as signed halves. */
export class Hcalls {
  /** Counts the calls from now on; set it before a call on behalf of a device. */
  account: HypercallAccount = { hypercalls: 0 };
  readonly registers: HypercallRegisters = new HypercallRegisters();
  readonly #guest: GuestPort;

  /** Calls through `guest`. */
  constructor(guest: GuestPort) {
    this.#guest = guest;
  }

  /** `H_GET_TCE`: the entry is left in r4. */
  getTce(liobn: number, hi: number, lo: number): number {
    this.#name(liobn, hi, lo);
    return this.#call(Hcall.GET_TCE);
  }

  /** `H_PUT_TCE`. */
  putTce(liobn: number, hi: number, lo: number, tceHi: number, tceLo: number): number {
    const r = this.registers;
    this.#name(liobn, hi, lo);
    r.hi[Arg.TCE] = tceHi;
    r.lo[Arg.TCE] = tceLo;
    return this.#call(Hcall.PUT_TCE);
  }

  /** `H_STUFF_TCE` with value 0. */
  stuffTce(liobn: number, hi: number, lo: number, count: number): number {
    const r = this.registers;
    this.#name(liobn, hi, lo);
    r.hi[Arg.TCE] = 0;
    r.lo[Arg.TCE] = 0;
    r.hi[Arg.COUNT] = 0;
    r.lo[Arg.COUNT] = count;
    return this.#call(Hcall.STUFF_TCE);
  }

  /** `H_PUT_TCE_INDIRECT` with the list page at `list`. */
  putTceIndirect(liobn: number, hi: number, lo: number, list: PhysAddr, count: number): number {
    const r = this.registers;
    this.#name(liobn, hi, lo);
    r.set(Arg.LIST, list);
    r.hi[Arg.COUNT] = 0;
    r.lo[Arg.COUNT] = count;
    return this.#call(Hcall.PUT_TCE_INDIRECT);
  }

  /** `H_RTAS` with the buffer at `buffer`. */
  rtas(buffer: PhysAddr): number {
    this.registers.set(Arg.LIOBN, buffer);
    return this.#call(Hcall.RTAS);
  }

  #name(liobn: number, hi: number, lo: number): void {
    const r = this.registers;
    r.hi[Arg.LIOBN] = 0;
    r.lo[Arg.LIOBN] = liobn;
    r.hi[Arg.IOBA] = hi;
    r.lo[Arg.IOBA] = lo;
  }

  #call(number: number): number {
    this.account.hypercalls++;
    return this.#guest.hypercall(number, this.registers);
  }
}

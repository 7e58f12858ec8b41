/**
 * The memory hypercall: putting grant table frames into the guest's physical map, and exchanging memory.
 *
 * @module
 */

import type { HypercallRegisters, PhysAddr, RamRegion } from "@iova/core";
import { AddToPhysmap, DomId, XenErrno, XENMAPIDX_STATUS, XENMAPSPACE_GRANT_TABLE, XenMem } from "../layout.ts";
import { XEN_COSTS } from "./costs.ts";
import type { Domain } from "./domain.ts";
import { Flaw } from "./flaws.ts";
import { wholePage } from "./frames.ts";
import type { Spend } from "./grant_calls.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { addressIn, read64, window } from "./operands.ts";
import { YieldPoint } from "./schedule.ts";

/** Frames beyond this are no memory of any machine: 2^40 pages. */
const MAX_FRAME = 2 ** 40;

/** XENMEM_exchange, where memory can be exchanged. */
export interface ExchangeCall {
  /** The structure is at `at`. Returns 0 or a negative error number. */
  exchange(view: DataView, at: number): number;
  /** Bytes of the structure. */
  readonly size: number;
}

/** The hypercall of one domain. */
export class MemoryCalls {
  readonly #hv: Hypervisor;
  readonly #caller: Domain;
  readonly #spend: Spend;
  readonly #exchange: ExchangeCall | null;

  /** Answers for `caller`; without `exchange` there is no such call. */
  constructor(hv: Hypervisor, caller: Domain, spend: Spend, exchange: ExchangeCall | null = null) {
    this.#hv = hv;
    this.#caller = caller;
    this.#spend = spend;
    this.#exchange = exchange;
  }

  /** Registers: command, address. Returns 0 or a negative error number. */
  call(registers: HypercallRegisters): number {
    this.#hv.counters.guestCalls++;
    this.#spend(XEN_COSTS.hypercall);
    const command = registers.lo[0];
    if (command === XenMem.ADD_TO_PHYSMAP) return this.#with(registers, AddToPhysmap.size, this.#addToPhysmap);
    const exchange = this.#exchange;
    if (command === XenMem.EXCHANGE && exchange !== null) {
      return this.#with(registers, exchange.size, (view, at) => exchange.exchange(view, at));
    }
    return -XenErrno.ENOSYS;
  }

  #with(registers: HypercallRegisters, size: number, run: (view: DataView, at: number) => number): number {
    const address = addressIn(registers, 1);
    const region = window(this.#hv.space, address, size);
    return region === null ? -XenErrno.EFAULT : run(region.view, address - region.base);
  }

  readonly #addToPhysmap = (view: DataView, at: number): number => {
    const { domid, space, idx, gpfn } = AddToPhysmap.at;
    const dom = view.getUint16(at + domid, true);
    if (dom !== DomId.SELF && dom !== this.#caller.id) return -XenErrno.EPERM;
    if (view.getUint32(at + space, true) !== XENMAPSPACE_GRANT_TABLE) return -XenErrno.ENOSYS;
    // Only an auto-translated guest has a physical map to put something into.
    if (this.#caller.kind !== "hvm") return -XenErrno.EINVAL;
    return this.#place(read64(view, at + idx), read64(view, at + gpfn));
  };

  #place(index: number, gfn: number): number {
    const { table } = this.#caller;
    const region = gfn < MAX_FRAME ? wholePage(this.#hv.space, gfn * 4096) : null;
    if (region === null || index > 0xffff_ffff) return -XenErrno.EINVAL;
    if (index >= XENMAPIDX_STATUS) return this.#placeStatus(index - XENMAPIDX_STATUS, region, gfn * 4096);
    if (index >= table.frames && !table.grow(index + 1)) return -XenErrno.EINVAL;
    return table.place(index, region, gfn * 4096) ? 0 : -XenErrno.EINVAL;
  }

  /** The table stays locked from finding the frame to its entry in the physical map, so that it is not freed between. */
  #placeStatus(frame: number, region: RamRegion, address: PhysAddr): number {
    const hv = this.#hv;
    const { table } = this.#caller;
    const page = table.statusFrame(frame);
    if (page === undefined) return -XenErrno.EINVAL;
    const holds = hv.has(Flaw["XSA-486"]);
    hv.unlocked = holds || hv.has(Flaw["XSA-384"]);
    hv.heldPage = holds ? page : null;
    hv.yieldAt(YieldPoint.PHYSMAP_FOUND);
    hv.unlocked = false;
    hv.heldPage = null;
    if (!page.place(region, address)) return -XenErrno.EINVAL;
    if (holds && table.statusFrame(frame) !== page) hv.freePages.push(page);
    return 0;
  }
}

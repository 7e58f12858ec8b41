/**
 * The Xen machine that a guest runs on: the hypervisor, the guest's domain, and the domains that serve its devices.
 *
 * @module
 */

import { InputError, type MachineServices } from "@iova/core";
import {
  type Domain,
  FlatFrames,
  type FlawName,
  GrantCalls,
  Hypervisor,
  hypervisorOf,
  MemoryCalls,
  type Spend,
  XenHypercall,
} from "@iova/xen";
import type { BackendDirectory } from "./backend.ts";

/** How the machine is built. */
export interface XenMachineOptions {
  readonly guestDomain: number;
  /** The first domain that serves devices. */
  readonly backendDomain: number;
  /** One domain for all devices, or one for each. */
  readonly backends: "one" | "per-device";
  readonly arch: "x86" | "arm";
  readonly maxGrantFrames: number;
  readonly maxMaptrackFrames: number;
  /** Mistakes that the hypervisor makes again. */
  readonly flaws: readonly FlawName[];
}

/** See the module's text. */
export class XenMachine implements BackendDirectory {
  readonly hypervisor: Hypervisor;
  readonly guest: Domain;
  readonly spend: Spend;
  readonly #options: XenMachineOptions;
  readonly #domains = new Map<number, Domain>();
  #nextDomain: number;

  /** Builds the machine, or joins the one that another bridge's instance has built. */
  constructor(services: MachineServices, options: XenMachineOptions) {
    const { space, scheduler } = services;
    const { guestDomain, backendDomain, arch, maxGrantFrames, maxMaptrackFrames } = options;
    this.#options = options;
    this.#nextDomain = backendDomain;
    this.spend = (nanoseconds) => scheduler.spend(nanoseconds);
    const frames = new FlatFrames(space, guestDomain);
    const maxVersion = arch === "arm" && !options.flaws.includes("XSA-268") ? 1 : 2;
    const { flaws } = options;
    this.hypervisor = hypervisorOf(services, () => new Hypervisor({ space, frames, maxVersion, flaws }));
    if (!(this.hypervisor.frames instanceof FlatFrames)) {
      const { file, path } = services.where;
      throw new InputError({
        file,
        path,
        found: "an auto-translated guest",
        expected: "one kind of guest in a machine",
      });
    }
    const known = this.hypervisor.domain(guestDomain);
    this.guest = known ??
      this.hypervisor.createDomain({ id: guestDomain, kind: "hvm", arch, maxGrantFrames, maxMaptrackFrames });
    if (known === null) this.#answer(services);
  }

  /** The domain that serves a requester from now on; made when it is first asked for. */
  serve(requester: number): Domain {
    let domain = this.#domains.get(requester);
    if (domain === undefined) this.#domains.set(requester, domain = this.#backend());
    return domain;
  }

  /** See {@linkcode BackendDirectory.domainOf}. */
  domainOf(requester: number): Domain | null {
    return this.#domains.get(requester) ?? null;
  }

  /** See {@linkcode BackendDirectory.entries}. */
  *entries(): Iterable<readonly [requester: number, domid: number]> {
    for (const [requester, { id }] of this.#domains) yield [requester, id];
  }

  #backend(): Domain {
    const { backendDomain, backends, guestDomain, arch, maxMaptrackFrames } = this.#options;
    if (backends === "one") {
      const domain = this.hypervisor.domain(backendDomain);
      if (domain !== null) return domain;
    }
    while (this.#nextDomain === guestDomain || this.hypervisor.domain(this.#nextDomain) !== null) this.#nextDomain++;
    return this.hypervisor.createDomain({ id: this.#nextDomain++, kind: "hvm", arch, maxMaptrackFrames });
  }

  #answer({ onHypercall, events }: MachineServices): void {
    const grants = new GrantCalls(this.hypervisor, this.guest, this.spend);
    const memory = new MemoryCalls(this.hypervisor, this.guest, this.spend);
    const traced = (name: string, call: Parameters<typeof onHypercall>[1]): typeof call => (registers) => {
      const command = registers.lo[0];
      const status = call(registers);
      if (events.listening) events.emit({ type: "hypercall", name, command, status });
      return status;
    };
    onHypercall(XenHypercall.GRANT_TABLE_OP, traced("grant_table_op", (registers) => grants.call(registers)));
    onHypercall(XenHypercall.MEMORY_OP, traced("memory_op", (registers) => memory.call(registers)));
  }
}

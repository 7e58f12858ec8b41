/**
 * The hypervisor of a machine: its domains, their grant tables, and the frames of the machine.
 *
 * @module
 */

import type { AddressSpace, MachineServices } from "@iova/core";
import { copyGrant, type CopyRequest } from "./copy.ts";
import { Domain, type DomainSpec } from "./domain.ts";
import type { MachineFrames } from "./frames.ts";
import { flawBits, type FlawName } from "./flaws.ts";
import { mapGrant, type MapRequest } from "./map.ts";
import type { Schedule, YieldPoint } from "./schedule.ts";
import type { GrantTable } from "./table.ts";
import type { TablePage } from "./table_page.ts";
import { releaseMappings, unmapGrant, type UnmapRequest } from "./unmap.ts";

/** What the hypervisor counts. */
export interface XenCounters {
  /** Grant operations that mapped, whoever asked. */
  maps: number;
  /** Grant operations that unmapped. */
  unmaps: number;
  /** Copy operations. */
  copies: number;
  /** Flushes of translations. */
  flushes: number;
  /** Hypercalls of the guest. */
  guestCalls: number;
  /** Pages exchanged. */
  exchangedPages: number;
}

/** How a hypervisor comes to be. */
export interface HypervisorSpec {
  /** The memory of the machine. */
  readonly space: AddressSpace;
  /** Whose frames are whose. */
  readonly frames: MachineFrames;
  /** Highest grant table version, as the command line limits it. Default 2. */
  readonly maxVersion?: 1 | 2;
  /** Whether transitive grants are followed. Default true. */
  readonly allowTransitive?: boolean;
  /** Whether pages may be transferred. Default true. */
  readonly allowTransfer?: boolean;
  /** Mistakes to make: {@linkcode Flaw}. Default: none. */
  readonly flaws?: readonly FlawName[];
}

/** See the module's text. */
export class Hypervisor {
  /** See {@linkcode HypervisorSpec.space}. */
  readonly space: AddressSpace;
  /** See {@linkcode HypervisorSpec.frames}. */
  readonly frames: MachineFrames;
  /** See {@linkcode HypervisorSpec.maxVersion}. */
  readonly maxVersion: number;
  /** See {@linkcode HypervisorSpec.allowTransitive}. */
  readonly allowTransitive: boolean;
  /** See {@linkcode HypervisorSpec.allowTransfer}. */
  readonly allowTransfer: boolean;
  /** Bits of {@linkcode Flaw}. */
  readonly flaws: number;
  /** Pages that were a table's once and wait to be one's again. */
  readonly freePages: TablePage[] = [];
  /** A table that stays locked over a yield point; null for none (XSA-411). */
  locked: GrantTable | null = null;
  /** How often somebody would have waited for ever for a lock. */
  deadlocks = 0;
  /** A yield point at which no lock is held although one should be (XSA-384, XSA-486). */
  unlocked = false;
  /** A page with a reference that keeps it from being freed; null for none. */
  heldPage: TablePage | null = null;
  /** A reference whose page has been given up while its pin is still there (XSA-236); null for none. */
  unreferenced: { readonly table: GrantTable; readonly ref: number } | null = null;
  /** What has been done so far. */
  readonly counters: XenCounters = { maps: 0, unmaps: 0, copies: 0, flushes: 0, guestCalls: 0, exchangedPages: 0 };
  /** What happens at yield points; null for nothing. */
  schedule: Schedule | null = null;
  /** Whether one domain may use another's grants (the security policy). Default: always. */
  policy: ((mapper: number, granter: number) => boolean) | null = null;
  /** Operations that stand at a yield point now. */
  busy = 0;
  readonly #domains = new Map<number, Domain>();
  // The domain that was asked for last: most operations are between the same two.
  #recent: Domain | null = null;

  /** A hypervisor without domains. */
  constructor(spec: HypervisorSpec) {
    this.space = spec.space;
    this.frames = spec.frames;
    this.maxVersion = spec.maxVersion ?? 2;
    this.allowTransitive = spec.allowTransitive ?? true;
    this.allowTransfer = spec.allowTransfer ?? true;
    this.flaws = flawBits(spec.flaws ?? []);
  }

  /** Builds a domain. @throws {RangeError} when its id is taken. */
  createDomain(spec: DomainSpec): Domain {
    if (this.#domains.has(spec.id)) throw new RangeError(`domain ${spec.id} exists`);
    const domain = new Domain(spec, this.freePages);
    this.#domains.set(spec.id, domain);
    return domain;
  }

  /** A domain by id, or null. */
  domain(id: number): Domain | null {
    const recent = this.#recent;
    if (recent !== null && recent.id === id) return recent;
    const domain = this.#domains.get(id);
    return domain === undefined ? null : this.#recent = domain;
  }

  /** A domain dies: what it had mapped is released. What others have mapped of it stays pinned until they let go. */
  destroyDomain(domain: Domain): void {
    releaseMappings(this, domain);
    this.#domains.delete(domain.id);
    this.#recent = null;
  }

  /** Whether the security policy lets `mapper` use grants of `granter`. */
  permits(mapper: number, granter: number): boolean {
    return this.policy === null || this.policy(mapper, granter);
  }

  /** Whether a mistake is to be made: one of {@linkcode Flaw}. */
  has(flaw: number): boolean {
    return (this.flaws & flaw) !== 0;
  }

  /** Whether a table is locked by somebody who waits for one of ours: then neither ever goes on. */
  isLocked(table: GrantTable): boolean {
    if (this.locked !== table) return false;
    this.deadlocks++;
    return true;
  }

  /** Whether somebody uses a machine frame through a grant: it must stay where it is. Goes through every table. */
  isReferenced(mfn: number): boolean {
    for (const { table } of this.#domains.values()) {
      const { active, entries } = table;
      for (let ref = 0; ref < entries; ref++) {
        if (active.pin[ref] === 0 || active.mfn[ref] !== mfn) continue;
        const { unreferenced } = this;
        if (unreferenced === null || unreferenced.table !== table || unreferenced.ref !== ref) return true;
      }
    }
    return false;
  }

  /** Lets others act, if a schedule says so. */
  yieldAt(point: YieldPoint): void {
    const { schedule } = this;
    if (schedule === null) return;
    this.busy++;
    try {
      schedule(point);
    } finally {
      this.busy--;
    }
  }

  /** GNTTABOP_map_grant_ref, one element. */
  map(mapper: Domain, op: MapRequest): void {
    this.counters.maps++;
    mapGrant(this, mapper, op);
  }

  /** GNTTABOP_unmap_grant_ref, one element with a flush of its own. */
  unmap(mapper: Domain, op: UnmapRequest): void {
    this.counters.unmaps++;
    unmapGrant(this, mapper, op);
  }

  /** GNTTABOP_copy, one element. */
  copy(caller: Domain, op: CopyRequest): void {
    this.counters.copies++;
    copyGrant(this, caller, op);
  }
}

// Machines have no place for what several plugin instances share; the address space stands for the machine.
const hypervisors = new WeakMap<AddressSpace, Hypervisor>();

/** The hypervisor of a machine; `make` makes it when there is none. */
export function hypervisorOf(services: MachineServices, make: () => Hypervisor): Hypervisor {
  let hypervisor = hypervisors.get(services.space);
  if (hypervisor === undefined) hypervisors.set(services.space, hypervisor = make());
  return hypervisor;
}

/**
 * A Xen machine for tests: some RAM, a hypervisor, domains, and hypercalls made of bytes in memory.
 *
 * ```ts
 * import { GntTabOp, MapGrantRef } from "@iova/xen";
 * import { XenWorld } from "@iova/xen/testing";
 *
 * const world = new XenWorld();
 * world.writeEntry(8, "01000000 45230100"); // frame 0x12345 for domain 0
 * const [op] = world.grantCall(world.backend, GntTabOp.MAP_GRANT_REF, MapGrantRef, [{ flags: 2, ref: 8, dom: 1 }]);
 * console.log(op.status, op.handle, world.entry(8)); // 0 0 "1900000045230100"
 * ```
 *
 * @module
 */

import { AddressSpace, HypercallRegisters, type PhysAddr, RamRegion } from "@iova/core";
import type { Struct } from "@iova/fields";
import { fromHex, toHex } from "@iova/fields/testing";
import {
  type Domain,
  type DomainSpec,
  FlatFrames,
  GrantCalls,
  Hypervisor,
  type HypervisorSpec,
  MemoryCalls,
  type Schedule,
} from "./hardware.ts";
import { AddToPhysmap, DomId, XENMAPSPACE_GRANT_TABLE, XenMem } from "./layout.ts";

/** Where the first frame of the granter's table is. */
export const TABLE: PhysAddr = 0x10_0000;
/** Where the first status frame is, once there is one. */
export const STATUS_TABLE: PhysAddr = 0x11_0000;
/** Where arguments of hypercalls are written. */
export const ARGUMENTS: PhysAddr = 0x20_0000;
/** RAM: base address and bytes of each region. Frames 0x200 and 0x12345 are among it. */
export const XEN_RAM: readonly (readonly [base: PhysAddr, size: number])[] = [[0, 0x40_0000], [0x1234_0000, 0x10_0000]];

/** A result: fields as the structure has them, with a signed status. */
export type Result<V> = V & { status: number };

/** See the module's text. The granter is domain 1 and owns the RAM; the backend is domain 0. */
export class XenWorld {
  /** The memory of the machine. */
  readonly space: AddressSpace = new AddressSpace();
  /** Whose frames are whose. */
  readonly frames: FlatFrames;
  /** The hypervisor. */
  readonly hv: Hypervisor;
  /** Domain 1. */
  readonly granter: Domain;
  /** Domain 0. */
  readonly backend: Domain;
  /** What the last hypercall returned. */
  returned = 0;
  /** Nanoseconds that the hypervisor charged. */
  spent = 0;

  /** A machine whose granter and backend are made to measure. */
  constructor(
    { granter, backend, hypervisor }: {
      granter?: Partial<DomainSpec>;
      backend?: Partial<DomainSpec>;
      hypervisor?: Partial<HypervisorSpec>;
    } = {},
  ) {
    for (const [base, size] of XEN_RAM) this.space.addRam(new RamRegion(base, new ArrayBuffer(size)));
    this.frames = new FlatFrames(this.space, 1);
    this.hv = new Hypervisor({ space: this.space, frames: this.frames, ...hypervisor });
    this.granter = this.hv.createDomain({ id: 1, kind: "hvm", maxGrantFrames: 1, ...granter });
    this.backend = this.hv.createDomain({ id: 0, kind: "hvm", ...backend });
    this.addToPhysmap(0, TABLE);
  }

  /** XENMEM_add_to_physmap by the granter: a frame of its table appears at `address`. */
  addToPhysmap(index: number, address: PhysAddr): number {
    const space = XENMAPSPACE_GRANT_TABLE;
    const bytes = AddToPhysmap.encode({ domid: DomId.SELF, space, idx: BigInt(index), gpfn: BigInt(address / 4096) });
    this.bytes(ARGUMENTS, bytes.length).set(bytes);
    const calls = new MemoryCalls(this.hv, this.granter, (time) => this.spent += time);
    return calls.call(new HypercallRegisters().set(0, XenMem.ADD_TO_PHYSMAP).set(1, ARGUMENTS));
  }

  /** GNTTABOP `command` by `caller`, of structures with these fields; what is in memory afterwards. */
  grantCall<V>(caller: Domain, command: number, struct: Struct<V>, elements: Partial<V>[]): Result<V>[] {
    const bytes = this.bytes(ARGUMENTS, struct.size * elements.length);
    // A result that nobody writes must not look like success.
    elements.forEach((fields, i) => {
      const status = "status" in struct.at ? { status: 0x7777 } : {};
      bytes.set(struct.encode({ ...status, ...fields } as Partial<V>), i * struct.size);
    });
    this.returned = this.call(caller, command, ARGUMENTS, elements.length);
    return elements.map((_, i) => {
      const found = struct.decode(bytes.subarray(i * struct.size, (i + 1) * struct.size)) as Result<V>;
      if (found.status !== undefined) found.status = found.status << 16 >> 16;
      return found;
    });
  }

  /** The bare hypercall. */
  call(caller: Domain, command: number, address: number, count: number): number {
    const calls = new GrantCalls(this.hv, caller, (time) => this.spent += time);
    return calls.call(new HypercallRegisters().set(0, command).set(1, address).set(2, BigInt(count)));
  }

  /** The bytes of an entry, in hexadecimal. */
  entry(ref: number): string {
    const size = this.granter.table.version * 8;
    return toHex(this.bytes(TABLE + ref * size, size));
  }

  /** Writes an entry, as the granter does. */
  writeEntry(ref: number, bytes: string): void {
    const size = this.granter.table.version * 8;
    this.bytes(TABLE + ref * size, size).set(fromHex(bytes));
  }

  /** The flags of an entry. */
  flags(ref: number): number {
    return this.space.read(TABLE + ref * this.granter.table.version * 8, 2);
  }

  /** Writes the flags of an entry, as the granter does. */
  setFlags(ref: number, flags: number): void {
    this.space.write(TABLE + ref * this.granter.table.version * 8, 2, flags);
  }

  /** The status word of a version 2 entry. */
  status(ref: number): number {
    return this.space.read(STATUS_TABLE + 2 * ref, 2);
  }

  /** Memory, as the CPU sees it. */
  bytes(address: PhysAddr, length: number): Uint8Array {
    return this.space.bytes(address, length);
  }

  /** Runs `work` with a schedule, and without one afterwards. */
  during<T>(schedule: Schedule, work: () => T): T {
    this.hv.schedule = schedule;
    try {
      return work();
    } finally {
      this.hv.schedule = null;
    }
  }
}

/**
 * The guest's way into the hypervisor: one page for arguments, one reused set of registers, and a count of calls.
 *
 * @module
 */

import { type GuestPort, HypercallRegisters, type PhysAddr } from "@iova/core";
import {
  AddToPhysmap,
  DomId,
  GntTabOp,
  QuerySize,
  SetVersion,
  XenHypercall,
  XENMAPSPACE_GRANT_TABLE,
  XenMem,
} from "@iova/xen";

/** Hypercalls of one guest. */
export class XenCalls {
  /** Calls made. */
  count = 0;
  readonly #guest: GuestPort;
  readonly #registers = new HypercallRegisters();
  readonly #arguments: PhysAddr;

  /** Sets memory for arguments aside. @throws {GuestMemoryError} when there is none. */
  constructor(guest: GuestPort) {
    this.#guest = guest;
    this.#arguments = guest.heap.require(ARGUMENT_BYTES, "the arguments of hypercalls", ARGUMENT_BYTES);
  }

  /** Puts a frame of the grant table at guest frame `gpfn`; 0 or a negative error number. */
  addGrantFrame(index: number, gpfn: number): number {
    const space = XENMAPSPACE_GRANT_TABLE;
    this.#put(AddToPhysmap.encode({ domid: DomId.SELF, space, idx: BigInt(index), gpfn: BigInt(gpfn) }));
    return this.#call(XenHypercall.MEMORY_OP, XenMem.ADD_TO_PHYSMAP, 0);
  }

  /** Asks for a version; returns the one in force. */
  setVersion(version: number): number {
    this.#put(SetVersion.encode({ version }));
    this.#call(XenHypercall.GRANT_TABLE_OP, GntTabOp.SET_VERSION, 1);
    return SetVersion.decode(this.#got(SetVersion.size)).version;
  }

  /** Most frames that the table may have. */
  maxFrames(): number {
    this.#put(QuerySize.encode({ dom: DomId.SELF }));
    this.#call(XenHypercall.GRANT_TABLE_OP, GntTabOp.QUERY_SIZE, 1);
    return QuerySize.decode(this.#got(QuerySize.size)).max_nr_frames;
  }

  #put(bytes: Uint8Array): void {
    this.#guest.memory.bytes(this.#arguments, bytes.length).set(bytes);
  }

  #got(length: number): Uint8Array {
    return this.#guest.memory.bytes(this.#arguments, length);
  }

  #call(number: number, command: number, elements: number): number {
    this.count++;
    this.#registers.set(0, command).set(1, this.#arguments).set(2, elements);
    return this.#guest.hypercall(number, this.#registers);
  }
}

/** Room for the largest argument. */
const ARGUMENT_BYTES = 64;

/**
 * RTAS from the guest's side: a buffer in guest memory, filled with big-endian cells, and a hypercall.
 *
 * @module
 */

import type { GuestPort } from "@iova/core";
import type { Struct } from "@iova/fields";
import { type PeAddress, ReadSlotResetState, RtasHead, RtasStatus, RtasToken, SetEehOption } from "../layout.ts";
import type { Hcalls } from "./hcalls.ts";

/** Bytes of the largest buffer, and its alignment. */
const BUFFER_BYTES = 4096;
const CELL_BYTES = 4;

/** Calls RTAS for one host bridge. */
export class RtasClient {
  readonly #guest: GuestPort;
  readonly #hcalls: Hcalls;

  /** `pe` names the endpoint in calls. */
  constructor(guest: GuestPort, hcalls: Hcalls, readonly pe: PeAddress) {
    this.#guest = guest;
    this.#hcalls = hcalls;
  }

  /**
   * Makes the call whose buffer `struct` describes: `nret` of its cells are results.
   *
   * @returns the buffer after the call; its `status` is −1 (hardware) when there was no memory for the buffer.
   */
  call<V extends RtasHead & { status: number }>(struct: Struct<V>, token: number, nret: number, args: Partial<V>): V {
    const nargs = (struct.size - RtasHead.size) / CELL_BYTES - nret;
    const bytes = struct.encode({ ...args, token, nargs, nret } as Partial<V>);
    const buffer = this.#guest.heap.alloc(BUFFER_BYTES, BUFFER_BYTES);
    if (buffer === null) return { ...struct.decode(bytes), status: RtasStatus.HARDWARE };
    this.#guest.memory.bytes(buffer, bytes.length).set(bytes);
    this.#hcalls.rtas(buffer);
    const result = struct.decode(this.#guest.memory.bytes(buffer, bytes.length));
    this.#guest.heap.free(buffer);
    return { ...result, status: result.status | 0 };
  }

  /** `ibm,set-eeh-option`: the signed status. */
  setEehOption(option: number): number {
    return this.call(SetEehOption, RtasToken.SET_EEH_OPTION, 1, { ...this.pe, option }).status;
  }

  /** `ibm,set-slot-reset`: the signed status. */
  setSlotReset(option: number): number {
    return this.call(SetEehOption, RtasToken.SET_SLOT_RESET, 1, { ...this.pe, option }).status;
  }

  /** `ibm,read-slot-reset-state2`: the endpoint's state, or −1 when RTAS does not tell. */
  readState(): number {
    const { status, state } = this.call(ReadSlotResetState, RtasToken.READ_SLOT_RESET_STATE2, 4, this.pe);
    return status === RtasStatus.SUCCESS ? state : -1;
  }
}

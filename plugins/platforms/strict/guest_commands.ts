/**
 * How the guest talks to the bridge: a command block in its memory, and the bridge's registers. See `layout.ts`.
 *
 * @module
 */

import type { DmaHandle, GuestPort, PhysAddr, RamRegion } from "@iova/core";
import { COMMAND_ALIGN, Opcode, StrictCommand, StrictRegisters } from "./layout.ts";

const { at: FIELD } = StrictCommand;
const ADDRESS_HIGH = FIELD.address + 4;
const FRAME_HIGH = FIELD.frame + 4;

/** The guest's way to one bridge. */
export class BridgeCommands {
  readonly #guest: GuestPort;
  readonly #registers: PhysAddr;
  readonly #command: PhysAddr;
  readonly #doorbell: number;

  /** Sets a command block aside for the bridge whose registers are at `registers`. */
  constructor(guest: GuestPort, registers: PhysAddr) {
    this.#guest = guest;
    this.#registers = registers;
    this.#command = guest.heap.require(COMMAND_ALIGN, "the command block of a strict bridge", COMMAND_ALIGN);
    this.#doorbell = this.#command / COMMAND_ALIGN;
  }

  /** Enters a mapping: its address, where its first byte is, its bytes, rights and requester. Returns the status. */
  enter({ hi, lo }: DmaHandle, frame: DmaHandle, size: number, rights: number, requester: number): number {
    const { view, base } = this.#block();
    const at = this.#command - base;
    view.setInt32(at + FIELD.rights, rights, true);
    view.setInt32(at + FIELD.requester, requester, true);
    view.setInt32(at + FIELD.size, size, true);
    view.setInt32(at + FRAME_HIGH, frame.hi, true);
    view.setInt32(at + FIELD.frame, frame.lo, true);
    return this.#execute(view, at, Opcode.ENTER, hi, lo);
  }

  /** Removes the mapping that starts at an address. Returns whether its memory may be used again at once. */
  remove({ hi, lo }: DmaHandle): boolean {
    const { view, base } = this.#block();
    this.#execute(view, this.#command - base, Opcode.REMOVE, hi, lo);
    return this.idle;
  }

  /** Whether no device can be touching memory of a mapping that was removed. */
  get idle(): boolean {
    return this.#guest.read(this.#registers + StrictRegisters.at.pending, 4) === 0;
  }

  /** Gives the command block back. */
  release(): void {
    this.#guest.heap.free(this.#command);
  }

  #block(): RamRegion {
    return this.#guest.memory.ram(this.#command)!;
  }

  #execute(view: DataView, at: number, opcode: number, hi: number, lo: number): number {
    view.setInt32(at + FIELD.opcode, opcode, true);
    view.setInt32(at + ADDRESS_HIGH, hi, true);
    view.setInt32(at + FIELD.address, lo, true);
    this.#guest.write(this.#registers + StrictRegisters.at.doorbell, 4, this.#doorbell);
    return this.#guest.read(this.#registers + StrictRegisters.at.status, 4);
  }
}

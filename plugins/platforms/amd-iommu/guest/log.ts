/**
 * A log that the IOMMU writes and the operating system reads: the event log and the page request log work alike
 * (Linux drivers/iommu/amd/iommu.c, `iommu_poll_events`, `amd_iommu_restart_log`).
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { ENTRY_SIZE, Register, RingBase, Status } from "../layout.ts";
import { RING_BYTES, RING_LENGTH_CODE } from "./command_queue.ts";
import type { TableMemory } from "./memory.ts";
import type { ControlSwitch, Registers } from "./registers.ts";

/** Where one of the two logs is found. */
export interface LogPlace {
  readonly name: string;
  readonly base: number;
  readonly head: number;
  readonly tail: number;
  /** Switches of the control register. */
  readonly enable: ControlSwitch;
  readonly interrupt: ControlSwitch;
  /** Bits of the status register. */
  readonly run: number;
  readonly overflow: number;
}

/** The event log. */
export const EVENT_LOG: LogPlace = {
  name: "Event",
  base: Register.EVT_LOG_BASE,
  head: Register.EVT_HEAD,
  tail: Register.EVT_TAIL,
  enable: "eventLogEn",
  interrupt: "eventIntEn",
  run: Status.mask.eventLogRun,
  overflow: Status.mask.eventOverflow,
};

/** The page request log. */
export const PPR_LOG: LogPlace = {
  name: "PPR",
  base: Register.PPR_LOG_BASE,
  head: Register.PPR_HEAD,
  tail: Register.PPR_TAIL,
  enable: "pprLogEn",
  interrupt: "pprIntEn",
  run: Status.mask.pprLogRun,
  overflow: Status.mask.pprOverflow,
};

/** The reading side of a log of 512 entries. */
export class Log {
  /** Entries read. */
  entries = 0;
  readonly ring: PhysAddr;
  readonly #place: LogPlace;
  readonly #guest: GuestPort;
  readonly #registers: Registers;
  readonly #memory: TableMemory;

  /** Allocates the ring. @throws {GuestMemoryError} when there is no room. */
  constructor(place: LogPlace, guest: GuestPort, registers: Registers, memory: TableMemory) {
    this.#place = place;
    this.#guest = guest;
    this.#registers = registers;
    this.#memory = memory;
    this.ring = guest.heap.require(RING_BYTES, `the AMD IOMMU's ${place.name} log`, RING_BYTES);
  }

  /** Programs the ring and starts the log; interrupts are another matter. */
  enable(): void {
    const { base, head, tail, enable } = this.#place;
    const registers = this.#registers;
    registers.write64(base, RingBase.encode({ base: BigInt(this.ring) >> 12n, length: RING_LENGTH_CODE }));
    registers.write(head, 0);
    registers.write(tail, 0);
    registers.control(enable, 1);
  }

  /** Hands every entry to `each`, clears it, and says how far it has read. At most one ring full. */
  poll(each: (entry: Uint8Array) => void): void {
    const { head, tail } = this.#place;
    const end = this.#registers.read(tail) & (RING_BYTES - ENTRY_SIZE);
    let at = this.#registers.read(head) & (RING_BYTES - ENTRY_SIZE);
    while (at !== end) {
      const entry = this.#memory.copy(this.ring + at, ENTRY_SIZE);
      // Consumed slots are cleared, so that one that is seen before it is written can be told (erratum 732).
      for (let i = 0; i < ENTRY_SIZE; i += 4) this.#memory.write(this.ring + at + i, 0);
      at = (at + ENTRY_SIZE) & (RING_BYTES - 1);
      this.#registers.write(head, at);
      this.entries++;
      each(entry);
    }
  }

  /** After an overflow: starts the log again. False when it still runs. */
  restart(): boolean {
    const { run, overflow, enable, interrupt } = this.#place;
    const registers = this.#registers;
    if ((registers.read(Register.STATUS) & run) !== 0) return false;
    registers.control(enable, 0);
    registers.control(interrupt, 0);
    registers.write(Register.STATUS, overflow);
    registers.control(interrupt, 1);
    registers.control(enable, 1);
    return true;
  }

  /** Stops the log and gives its memory back. */
  stop(): void {
    this.#registers.control(this.#place.enable, 0);
    this.#guest.heap.free(this.ring);
  }
}

/**
 * What devices do, seen on the bus: the half of the contract that no operating system can check.
 *
 * @module
 */

import { Direction, type MachineEvent } from "@iova/core";
import { deviceAddress, type Entry, halvesOf } from "./entries.ts";
import type { Tracker } from "./tracker.ts";

/** Follows the accesses of every device that has a tracker. */
export class DeviceWatch {
  readonly #trackers = new Map<string, Tracker>();

  /** Watches a device. */
  add(tracker: Tracker): void {
    this.#trackers.set(tracker.device, tracker);
  }

  /** One event of the machine; everything but accesses is passed over. */
  see(event: MachineEvent): void {
    if (event.type !== "dma" && event.type !== "fault") return;
    const tracker = this.#trackers.get(event.device ?? "");
    if (tracker === undefined || tracker.disabled) return;
    // A refused access names its first byte only.
    const length = event.type === "dma" ? Number(event.length) : 1;
    this.#judge(tracker, BigInt(event.address as string), length, String(event.access));
  }

  #judge(tracker: Tracker, address: bigint, length: number, access: string): void {
    const { hi, lo } = halvesOf(address);
    const where = `${deviceAddress({ hi, lo })} [size=${length} bytes]`;
    const live = tracker.entries.holding(hi, lo, length);
    if (live.length > 0) {
      if (!live.some((entry) => allows(entry, access))) {
        const lent = live[0].direction === Direction.TO_DEVICE ? "reading" : "writing";
        tracker.report("E2", `dma-debug: device ${access} of a buffer that it was lent for ${lent} ${where}`);
      }
    } else if (tracker.entries.holding(hi, lo, 1).length > 0) {
      tracker.report("E7", `dma-debug: device ${access} runs past the end of its buffer ${where}`);
    } else if (tracker.ended.holding(hi, lo, 1).length > 0) {
      tracker.report("E1", `dma-debug: device ${access} after its driver unmapped the buffer ${where}`);
    } else if (this.#ofAnother(tracker, hi, lo)) {
      tracker.report("E4", `dma-debug: device ${access} through a mapping of another device ${where}`);
    }
    // Anything else is no buffer of any driver: registers of a peer, an interrupt.
  }

  #ofAnother(tracker: Tracker, hi: number, lo: number): boolean {
    for (const other of this.#trackers.values()) {
      if (other !== tracker && other.entries.holding(hi, lo, 1).length > 0) return true;
    }
    return false;
  }
}

function allows({ direction }: Entry, access: string): boolean {
  if (direction === Direction.BIDIRECTIONAL) return true;
  return access === (direction === Direction.TO_DEVICE ? "read" : "write");
}

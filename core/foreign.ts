/**
 * A machine over hardware that is not simulated here: another emulator's, or real. Its drivers, checks and workloads are
 * the usual ones and cannot tell; of platforms only the guest half is made, of devices nothing.
 *
 * @module
 */

import type { Bus } from "./bus.ts";
import type { FirmwareTable } from "./bus_translator.ts";
import type { Scheduler } from "./clock.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Device } from "./plugin.ts";
import type { GuestPort } from "./ports.ts";

/** What stands in the place of the simulated hardware. Whoever made it switches it off, after the machine has stopped. */
export interface ForeignHardware {
  /** Time as the hardware has it. Its `run` also brings in what the hardware has to tell. */
  readonly scheduler: Scheduler;
  /** Where its interrupts arrive. */
  readonly interrupts: Interrupts;
  /** Its CPU. `guest.memory` holds RAM only. */
  readonly guest: GuestPort;
  /** What its firmware tells the operating system. */
  readonly firmware: readonly FirmwareTable[];
  /** The 16-bit requester id of a device of the manifest. */
  requester(id: string): number;
}

/** What a machine knows of a device that is not simulated: where it is. */
export function foreignDevice(hardware: ForeignHardware, bus: Bus, id: string): Device {
  return { port: bus.attach(id, hardware.requester(id)), counters: () => ({}), reset() {} };
}

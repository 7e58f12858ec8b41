/**
 * The machine: a PCI host bridge without a function of its own, its windows into the CPU's addresses, and run-time firmware.
 *
 * @module
 */

import { type Bus, type ProfileServices, RamRegion } from "@iova/core";
import { describeMachine, startTime } from "@iova/chipset";
import { PciHost } from "@iova/pci";
import { Rtas } from "./hardware_rtas.ts";
import { MEMORY64_WINDOW, PORTS, SCRATCH, SCRATCH_SIZE, WINDOW_BASE } from "./layout.ts";

/** Builds it around `root`. @throws {InputError} when the clock's time cannot be read. */
export function buildMachine(services: ProfileServices, root: Bus, clock: string): void {
  const { space, io, where } = services;
  const host = new PciHost(services, root, {
    hostBridge: null,
    ports: false,
    outbound: (address) => address >= MEMORY64_WINDOW ? address : address + WINDOW_BASE,
  });
  space.addRegisters(WINDOW_BASE, PORTS, "PCI I/O ports", {
    read: (offset, width) => io.read(offset, width),
    write: (offset, width, value) => io.write(offset, width, value),
  });
  space.addRam(new RamRegion(SCRATCH, new ArrayBuffer(SCRATCH_SIZE)));
  const rtas = new Rtas(services, host, startTime(clock, where));
  describeMachine(root, {
    bigEndian: true,
    inputs: [],
    rtas: (name, nargs, args, nret, rets) => rtas.byName(name, nargs, args, nret, rets),
  });
}

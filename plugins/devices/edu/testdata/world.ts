/** An edu on a PCI bus, driven by its registers, and whole machines around it. */

import type { BusPort, Width } from "@iova/core";
import { loadMachine, type Machine } from "@iova/core";
import { pciBus } from "@iova/pci";
import { type PciWorld, pciWorld } from "@iova/pci/testing";
import { EduModel } from "../device.ts";
import type { EduDriver } from "../driver.ts";
import { DEFAULT_DMA_MASK, EduRegisters } from "../layout.ts";

const { at } = EduRegisters;

export interface EduWorld extends PciWorld {
  model: EduModel;
  port: BusPort;
  /** Whether the interrupt pin is asserted. */
  asserted(): boolean;
  read(offset: number, width?: Width): number;
  write(offset: number, value: number, width?: Width): void;
  /** Programs a transfer and lets it end. */
  transfer(source: bigint, destination: bigint, count: bigint, command: number): void;
  /** Lets everything that is scheduled happen. */
  run(): void;
}

/** An edu with `memory` bytes of RAM before it, untranslated. */
export function eduWorld(options: { dmaMask?: bigint; memory?: number } = {}): EduWorld {
  const world = pciWorld(options.memory ?? 0x10_0000);
  let asserted = false;
  const fn = pciBus(world.root).addFunction({ id: "edu0", vendor: 0x1234, device: 0x11e8, classCode: 0xff00 });
  fn.port.busMaster = true;
  const model = new EduModel({
    id: "edu0",
    port: fn.port,
    scheduler: world.scheduler,
    events: world.events,
    dmaMask: options.dmaMask ?? DEFAULT_DMA_MASK,
    dmaDelay: 1000,
    interrupt: (level) => asserted = level,
    warn: (id, message) => void world.warnings.push(`${id}: ${message}`),
  });
  const write = (offset: number, value: number, width: Width = 4) => model.write(offset, width, value);
  const write64 = (offset: number, value: bigint) => {
    write(offset, Number(value & 0xffff_ffffn));
    write(offset + 4, Number(value >> 32n));
  };
  const run = () => {
    while (world.scheduler.step()) { /* to the end */ }
  };
  return {
    ...world,
    model,
    port: fn.port,
    asserted: () => asserted,
    read: (offset, width = 4) => model.read(offset, width),
    write,
    transfer(source, destination, count, command) {
      write64(at.source, source);
      write64(at.destination, destination);
      write64(at.count, count);
      write(at.start, command);
      run();
    },
    run,
  };
}

/** A machine with an edu behind a platform, and its driver. */
export async function eduMachine(
  platform: string | { use: string; with: Record<string, unknown> },
  given: Record<string, unknown> = {},
  memory = "16MiB",
): Promise<{ machine: Machine; driver: EduDriver }> {
  const devices = [{ id: "edu0", use: "edu", with: given }];
  const machine = await loadMachine({ memory, platform, devices });
  return { machine, driver: machine.driver<EduDriver>("edu0") };
}

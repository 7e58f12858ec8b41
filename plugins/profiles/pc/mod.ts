/**
 * Profile `pc`: QEMU's `pc` machine, with a 440FX host bridge and a PIIX3 behind it. Software that was written for it
 * finds memory, functions, ports and interrupts where it expects them.
 *
 * @module
 */

import { API_VERSION, defineProfile, type ProfilePlugin } from "@iova/core";
import { PC_OPTIONS, pcMemoryMap } from "@iova/chipset";
import { pciBus } from "@iova/pci";
import { runFirmware } from "./guest.ts";
import { Board } from "./hardware.ts";
import { SPLIT } from "./layout.ts";

/** The plugin. */
const pc: ProfilePlugin<typeof PC_OPTIONS> = defineProfile({
  name: "pc",
  kind: "profile",
  api: API_VERSION,
  summary: "QEMU's pc machine: 440FX, PIIX, ISA interrupts, firmware configuration.",
  bus: "pci",
  options: PC_OPTIONS,
  memoryMap: (memory) => pcMemoryMap(memory, SPLIT),
  create(services, root, options) {
    const board = new Board(services, root, options);
    return {
      bridge: (parent, id, at) => pciBus(parent).addBridge(id, at).core,
      start: (guest) => runFirmware(guest),
      reset: () => board.reset(),
    };
  },
});

export default pc;

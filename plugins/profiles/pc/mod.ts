/**
 * Profile `pc`: QEMU's `pc` machine, with a 440FX host bridge and a PIIX3 behind it. Software that was written for it
 * finds memory, functions, ports and interrupts where it expects them.
 *
 * @module
 */

import { API_VERSION, defineProfile, type ProfilePlugin } from "@iova/core";
import { PC_OPTIONS } from "@iova/chipset";
import { pciBus } from "@iova/pci";
import { runFirmware } from "./guest.ts";
import { Board } from "./hardware.ts";
import { HIGH_MEMORY, SPLIT_AT, SPLIT_FROM } from "./layout.ts";

/** The plugin. */
const pc: ProfilePlugin<typeof PC_OPTIONS> = defineProfile({
  name: "pc",
  kind: "profile",
  api: API_VERSION,
  summary: "QEMU's pc machine: 440FX, PIIX, ISA interrupts, firmware configuration.",
  bus: "pci",
  options: PC_OPTIONS,
  memoryMap(memory) {
    const low = memory >= SPLIT_FROM ? SPLIT_AT : memory;
    return {
      ram: [{ base: 0, size: low }, ...(memory > low ? [{ base: HIGH_MEMORY, size: memory - low }] : [])],
      heap: memory > 2 ** 21 ? 2 ** 20 : 4096,
      registers: { first: 0xfed8_0000, end: 0xfee0_0000 },
    };
  },
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

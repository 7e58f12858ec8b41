/**
 * Profile `q35`: QEMU's `q35` machine, with configuration space in memory, and an AMD IOMMU where QEMU has it.
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
const q35: ProfilePlugin<typeof PC_OPTIONS> = defineProfile({
  name: "q35",
  kind: "profile",
  api: API_VERSION,
  summary: "QEMU's q35 machine: MCH, ICH9, 4 KiB of configuration space for each function.",
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

export default q35;

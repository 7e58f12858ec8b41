/**
 * Profile `q35`: QEMU's `q35` machine, with configuration space in memory, and an AMD IOMMU where QEMU has it.
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
const q35: ProfilePlugin<typeof PC_OPTIONS> = defineProfile({
  name: "q35",
  kind: "profile",
  api: API_VERSION,
  summary: "QEMU's q35 machine: MCH, ICH9, 4 KiB of configuration space for each function.",
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

export default q35;

/**
 * Profile `pseries`: QEMU's `pseries` machine, a partition under a hypervisor, whose PCI configuration goes through run-time
 * firmware. Its platform is `pseries-tce`; others work too.
 *
 * @module
 */

import { API_VERSION, defineProfile, type ProfilePlugin } from "@iova/core";
import { PC_OPTIONS } from "@iova/chipset";
import { pciBus } from "@iova/pci";
import { runFirmware } from "./guest.ts";
import { buildMachine } from "./hardware.ts";
import { HIGH_MEMORY, SPLIT_AT } from "./layout.ts";

const options: Pick<typeof PC_OPTIONS, "clock"> = { clock: PC_OPTIONS.clock };

/** The plugin. */
const pseries: ProfilePlugin<Pick<typeof PC_OPTIONS, "clock">> = defineProfile({
  name: "pseries",
  kind: "profile",
  api: API_VERSION,
  summary: "QEMU's pseries machine: a PCI host bridge behind hypercalls and run-time firmware.",
  bus: "pci",
  options,
  memoryMap(memory) {
    const low = Math.min(memory, SPLIT_AT);
    return {
      ram: [{ base: 0, size: low }, ...(memory > low ? [{ base: HIGH_MEMORY, size: memory - low }] : [])],
      heap: memory > 2 ** 21 ? 2 ** 20 : 4096,
      registers: { first: 0xfec0_0000, end: 0xfee0_0000 },
    };
  },
  create(services, root, { clock }) {
    buildMachine(services, root, clock);
    return {
      bridge: (parent, id, at) => pciBus(parent).addBridge(id, at).core,
      start: (guest) => runFirmware(guest),
    };
  },
});

export default pseries;

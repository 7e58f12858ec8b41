/**
 * Platform `pseries-tce`: a paravirtual IOMMU. The tables that translate bus addresses lie in the hypervisor's memory,
 * out of the guest's reach; the guest changes them by hypercall. Big-endian entries and call buffers in a little-endian
 * machine.
 *
 * @module
 */

import { API_VERSION, definePlatform, option, type PlatformPlugin } from "@iova/core";
import { PseriesGuest, PseriesPlatform } from "./platform.ts";

const GIB = 2 ** 30;

const options = {
  personality: option.choice("As LoPAR has it, or as QEMU does: the profile where none is given.", ["spec", "qemu"], {
    default: "spec",
  }),
  profile: option.choice(
    "Whose hypervisor: LoPAR's text, QEMU's own handlers, or KVM's in the kernel. Default: by the personality.",
    ["lopar", "qemu-tcg", "kvm"],
  ),
  ddw: option.boolean("Offer dynamic windows: a device with a 64-bit mask then reaches all memory directly.", {
    default: false,
  }),
  windowSize: option.size("The default window: from bus address 0, in pages of 4 KiB.", {
    default: GIB,
    min: 65536,
    max: 2 * GIB,
  }),
  pageSizes: option.string("Page sizes of dynamic windows, separated by commas.", {
    default: "4KiB,64KiB,2MiB,16MiB",
  }),
  windows: option.integer("Windows at once, the default one included.", { default: 2, min: 1, max: 2 }),
  largestBlock: option.integer("Most entries of one table, as RTAS tells the guest.", {
    default: 0x8000_0000,
    min: 1,
    max: 0xffff_ffff,
  }),
  tableMemory: option.size("Hypervisor memory for tables, of 8 bytes for each entry.", {
    default: 256 * 2 ** 20,
    min: 4 * 2 ** 20,
    max: GIB,
  }),
  multiTce: option.boolean("Offer the calls on many entries, H_STUFF_TCE and H_PUT_TCE_INDIRECT.", { default: true }),
  eeh: option.boolean("A fault stops every device of the bridge until the guest lifts the stop (profile lopar only).", {
    default: true,
  }),
  entitlement: option.size("The most memory that may be mapped at once (LoPAR, CMO). Absent: no limit.", {
    min: 4096,
  }),
  partition: option.size("The memory that entries may name, from 0. Absent: the machine's memory.", { min: 4096 }),
  guestPage: option.choice("The guest's own page size.", ["4KiB", "64KiB"], { default: "4KiB" }),
  strict: option.boolean(
    "The guest takes every failed call for a failed mapping, maps FROM_DEVICE for writing only, and reports misuse; " +
      "Linux does none of these.",
    { default: false },
  ),
  merge: option.boolean("Merge neighbouring scatterlist entries; false is Linux's iommu=novmerge.", { default: true }),
} as const;

/** The plugin. */
const pseriesTce: PlatformPlugin = definePlatform({
  name: "pseries-tce",
  kind: "platform",
  api: API_VERSION,
  summary: "Bus addresses are translated by tables of the hypervisor, which the guest changes by hypercall.",
  options,
  create: (services, given) => new PseriesPlatform(services, given),
  createGuest: (_services, given, firmware) => new PseriesGuest(given, () => firmware),
});

export default pseriesTce;

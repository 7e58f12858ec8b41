/**
 * Platform `amd-iommu`: an AMD IOMMU in the bridge, and a kernel that drives it as Linux does. Devices see addresses that
 * mean nothing but in their own domain's page table, and only while a buffer is mapped.
 *
 * @module
 */

import { API_VERSION, definePlatform, type PlatformPlugin } from "@iova/core";
import { AmdIommuGuest, GUEST_OPTIONS, readAtsDevices } from "./guest.ts";
import { readFirmware } from "./guest/acpi.ts";
import { createHardware, HARDWARE_OPTIONS } from "./hardware.ts";

const options = { ...GUEST_OPTIONS, ...HARDWARE_OPTIONS } as const;

/** The plugin. */
const amdIommu: PlatformPlugin = definePlatform({
  name: "amd-iommu",
  kind: "platform",
  api: API_VERSION,
  summary: "An AMD IOMMU: page tables per domain, strict or lazy flushing, ATS.",
  options,
  create(services, values) {
    const usesAts = readAtsDevices(values, services.where);
    const hardware = createHardware(services, values);
    // Firmware's part: the operating system is told where the IOMMU is and whom it serves.
    const guest = new AmdIommuGuest(hardware.firmware, values, usesAts, (id, text) => services.warn(id, text));
    return {
      translator: (host) => hardware.translator(host),
      dmaOps: (context) => guest.dmaOps(context),
      counters: () => guest.counters(),
      stop: () => guest.stop(),
    };
  },
  createGuest(services, values, firmware) {
    const usesAts = readAtsDevices(values, services.where);
    const guest = new AmdIommuGuest(readFirmware(firmware), values, usesAts, (id, text) => services.warn(id, text));
    return {
      translator: () => null,
      dmaOps: (context) => guest.dmaOps(context),
      counters: () => guest.counters(),
      stop: () => guest.stop(),
    };
  },
});

export default amdIommu;

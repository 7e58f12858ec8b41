/**
 * The hardware half: functions, bridges, configuration space, the host bridge.
 *
 * @module
 */

export { type AnnouncedFunction, announceFunction } from "./hardware_announced.ts";
export { Bar } from "./hardware_bar.ts";
export { PciBridge, PciUplink } from "./hardware_bridge.ts";
export { PciBus, pciBus } from "./hardware_bus.ts";
export type { PciChipset } from "./hardware_chipset.ts";
export { ConfigSpace, type ConfigWatch } from "./hardware_config.ts";
export { PciFunction, type PciNode } from "./hardware_function.ts";
export { ConfigWindow } from "./hardware_window.ts";
export { PciHost, type PciServices } from "./hardware_host.ts";
export { placeNumber } from "./hardware_place.ts";
export { Msi } from "./hardware_msi.ts";
export { Msix } from "./hardware_msix.ts";
export type {
  PciBarSpec,
  PciCapabilitySpec,
  PciExtendedCapabilitySpec,
  PciFunctionSpec,
  PciMsixSpec,
} from "./hardware_spec.ts";

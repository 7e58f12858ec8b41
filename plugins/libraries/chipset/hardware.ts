/**
 * The hardware: parts of a PC's chipset, each a register block of its own.
 *
 * @module
 */

export { BoardFunction, type BoardFunctionSpec } from "./hardware/board_function.ts";
export { type CmosFacts, fillCmos } from "./hardware/cmos_memory.ts";
export { ConfigPorts } from "./hardware/config_ports.ts";
export { FwCfg, numberBytes } from "./hardware/fw_cfg.ts";
export { IoApic } from "./hardware/io_apic.ts";
export { type LegacyOptions, LegacyParts, startTime } from "./hardware/legacy.ts";
export { Pic, PicPair } from "./hardware/pic.ts";
export { PirqRouter } from "./hardware/pirq.ts";
export { Pit } from "./hardware/pit.ts";
export { PlainPorts } from "./hardware/ports.ts";
export { Rtc, type RtcWiring } from "./hardware/rtc.ts";
export { PCI_HOTPLUG_PORT, SlotEjector } from "./hardware/slot_ejector.ts";

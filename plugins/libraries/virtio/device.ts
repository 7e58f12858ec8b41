/**
 * The device's side of virtio: rings over leases, the device without its transport, and transports.
 *
 * @module
 */

export * from "./device_attach.ts";
export * from "./device_chain.ts";
export { MANNERS, type Manners, type Personality } from "./device_manners.ts";
export * from "./device_mmio.ts";
export * from "./device_model.ts";
export * from "./device_pci.ts";
export * from "./device_queue.ts";
export { type Decoding, type Register, type RegisterLayout, RegisterTable } from "./device_registers.ts";
export * from "./device_rings.ts";
export * from "./device_rules.ts";
export * from "./device_words.ts";

/**
 * The driver's side of virtio: queues in guest memory, and how a driver finds and sets up its device.
 *
 * @module
 */

export * from "./driver_addressing.ts";
export * from "./driver_attach.ts";
export * from "./driver_buffers.ts";
export * from "./driver_queue.ts";
export * from "./driver_refusals.ts";
export * from "./driver_rings.ts";
export * from "./driver_setup.ts";
export * from "./driver_transport.ts";
export * from "./driver_mmio.ts";
export * from "./driver_pci.ts";
export { connectPci, type PciVectors } from "./driver_pci_interrupts.ts";
export { hasLegacyInterface, VirtioPciLegacyTransport } from "./driver_pci_legacy.ts";

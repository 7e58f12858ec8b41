/**
 * What both sides of a virtio device agree on: features and status, rings, the PCI transport. It is all that a driver and
 * a device have in common.
 *
 * @module
 */

export * from "./layout_features.ts";
export * from "./layout_mmio.ts";
export * from "./layout_notification.ts";
export * from "./layout_packed.ts";
export * from "./layout_pci.ts";
export * from "./layout_pci_legacy.ts";
export * from "./layout_ring.ts";

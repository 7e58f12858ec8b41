/**
 * virtio as a library: queues on both sides, devices without their transport, and transports (PCI, MMIO) on both sides.
 *
 * A device plugin's device half writes a {@linkcode VirtioModel} (what the device does with a chain of buffers) and plugs
 * it in with {@linkcode plugVirtio}; its driver half takes a {@linkcode driverTransport} and its queues. The two
 * sides meet in memory, registers and interrupts only.
 *
 * @module
 */

export * from "./device.ts";
export * from "./driver.ts";
export * from "./layout.ts";
export {
  checkVirtioOptions,
  usesPhysicalAddresses,
  type VirtioOptions,
  virtioOptions,
  type VirtioOptionSchema,
} from "./options.ts";

/**
 * The kernel of iova: addresses, `DmaOps`, `BusTranslator`, the ports, the bus tree, plugins, manifests, machines.
 * Plugins import this module (`@iova/core`) and nothing deeper.
 *
 * @module
 */

export * from "./address.ts";
export * from "./ats.ts";
export * from "./bus.ts";
export * from "./bus_translator.ts";
export * from "./clock.ts";
export * from "./dma_ops.ts";
export * from "./dma_ops_base.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./foreign.ts";
export * from "./guest.ts";
export * from "./heap.ts";
export * from "./interrupts.ts";
export * from "./manifest/loader.ts";
export * from "./machine.ts";
export * from "./manifest/manifest.ts";
export * from "./manifest/source.ts";
export * from "./mapping.ts";
export * from "./memory.ts";
export * from "./options.ts";
export * from "./plugin.ts";
export * from "./ports.ts";
export * from "./report/report.ts";

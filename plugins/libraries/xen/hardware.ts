/**
 * The hypervisor's side: domains, grant tables, mappings, copies, transfers, exchanges.
 *
 * @module
 */

export * from "./hardware/active.ts";
export * from "./hardware/copy.ts";
export * from "./hardware/costs.ts";
export * from "./hardware/domain.ts";
export * from "./hardware/exchange.ts";
export * from "./hardware/flaws.ts";
export * from "./hardware/frame_map.ts";
export * from "./hardware/frames.ts";
export * from "./hardware/grant_calls.ts";
export * from "./hardware/hypervisor.ts";
export * from "./hardware/machine_map.ts";
export * from "./hardware/map.ts";
export * from "./hardware/maptrack.ts";
export * from "./hardware/memory_calls.ts";
export * from "./hardware/schedule.ts";
export * from "./hardware/table.ts";
export * from "./hardware/table_page.ts";
export * from "./hardware/transfer.ts";
export * from "./hardware/unmap.ts";

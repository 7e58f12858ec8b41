/**
 * What an IDE controller and its driver agree on: ports and task file (ATA/ATAPI-7), bus-master registers and region
 * descriptors (SFF-8038i, Intel 82371SB), the IDENTIFY block, and packets (MMC). Everything is little-endian but packets.
 *
 * @module
 */

export * from "./layout_bus_master.ts";
export * from "./layout_commands.ts";
export * from "./layout_identify.ts";
export * from "./layout_packet.ts";
export * from "./layout_pci.ts";
export * from "./layout_task_file.ts";

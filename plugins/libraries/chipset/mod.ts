/**
 * Parts of a PC that machine profiles put together: interrupt controllers and router, timer, clock with its memory,
 * firmware configuration, hot-plug registers; and what a profile tells about its machine.
 *
 * @module
 */

export * from "./facts.ts";
export * from "./hardware.ts";
export * from "./layout.ts";
export * from "./memory.ts";
export * from "./options.ts";

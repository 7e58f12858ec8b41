/**
 * Everything that Xen and its guests agree on in bytes and numbers.
 *
 * @module
 */

export * from "./layout/constants.ts";
export * from "./layout/entries.ts";
export * from "./layout/memory_ops.ts";
export * from "./layout/operations.ts";

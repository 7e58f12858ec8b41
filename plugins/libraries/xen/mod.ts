/**
 * Xen, without a guest: the byte layouts of the grant table interface and of the memory operations, and the hypervisor
 * that answers them. Two platforms stand on it: one whose devices take grant references as bus addresses, and one whose
 * guest frames are not machine frames.
 *
 * @module
 */

export * from "./hardware.ts";
export * from "./layout.ts";

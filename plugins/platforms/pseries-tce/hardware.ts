/**
 * The hardware half: hypervisor and host bridges. Chapters: `hardware/`.
 *
 * @module
 */

export { hypervisorOf } from "./hardware/hypervisor.ts";
export { Phb, type PhbConfig } from "./hardware/phb.ts";
export { type ProfileName, PROFILES, type Rules } from "./hardware/profiles.ts";
export { Entitlement, PartitionMemory } from "./hardware/partition.ts";

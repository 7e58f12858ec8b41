/**
 * The test kit for plugins, ours and anybody's: a small world without a manifest, and the conformance kit for platforms.
 *
 * ```ts ignore
 * import { platformConformance } from "@iova/core/testing";
 * import platform from "./mod.ts";
 *
 * for (const { name, run } of platformConformance(platform)) Deno.test(name, run);
 * ```
 *
 * @module
 */

export * from "./testing_world.ts";
export * from "./testing_conformance.ts";
export { CaseWorld, FOREIGN_BYTE, type PlatformCase } from "./testing_case.ts";

/**
 * The conformance kit for platforms: what every platform plugin has to do, ours or anybody's, as named cases that any
 * test runner can run.
 *
 * ```ts ignore
 * import { platformConformance } from "@iova/core/testing";
 * import platform from "./mod.ts";
 *
 * const cases = platformConformance(platform, { entries: 64 }, {
 *   leftOut: { "fault-outside": "translates whole pages" },
 * });
 * for (const { name, run } of cases) Deno.test(name, run);
 * ```
 *
 * @module
 */

import type { PlatformPlugin } from "./plugin.ts";
import { CaseWorld, type PlatformCase } from "./testing_case.ts";
import { accessCases } from "./testing_cases_access.ts";
import { listCases } from "./testing_cases_lists.ts";
import { ruleCases } from "./testing_cases_rules.ts";
import { syncCases } from "./testing_cases_sync.ts";
import { transferCases } from "./testing_cases_transfer.ts";
import { generatedCases } from "./testing_generator.ts";
import { testPlatform } from "./testing_world.ts";

/** One case, ready to run. */
export interface ConformanceCase {
  /** What is true when it passes. */
  readonly name: string;
  /** Runs it in a world of its own; throws when it fails. */
  run(): void;
}

/** How a platform differs from what the kit assumes. */
export interface PlatformQuirks {
  /**
   * Cases that the platform is excused from, by id, each with the reason. The kit checks that each of them does fail: an
   * excuse that is not needed is a failure of its own.
   */
  readonly leftOut?: Readonly<Record<string, string>>;
  /** Another platform: the one under test sits in a bridge below it. */
  // deno-lint-ignore no-explicit-any
  readonly below?: { readonly plugin: PlatformPlugin<any>; readonly with?: Record<string, unknown> };
}

/** Every case, in the order in which they run. */
export const PLATFORM_CASES: readonly PlatformCase[] = [
  ...transferCases,
  ...syncCases,
  ...ruleCases,
  ...listCases,
  ...accessCases,
  ...generatedCases,
];

/**
 * The cases for one platform with these options, as a manifest would give them.
 *
 * @throws {RangeError} when `quirks` names a case that does not exist.
 */
export function platformConformance(
  // deno-lint-ignore no-explicit-any
  plugin: PlatformPlugin<any>,
  options: Record<string, unknown> = {},
  quirks: PlatformQuirks = {},
): ConformanceCase[] {
  const { leftOut = {}, below } = quirks;
  const unknown = Object.keys(leftOut).find((id) => !PLATFORM_CASES.some((one) => one.id === id));
  if (unknown !== undefined) throw new RangeError(`there is no conformance case "${unknown}"`);
  const title = [plugin.name, ...Object.entries(options).map(([key, value]) => `${key} ${value}`)].join(", ");
  const place = below === undefined ? "" : ` below ${below.plugin.name}`;
  const make = () => {
    const above = below === undefined ? undefined : testPlatform(below.plugin, { with: below.with });
    return new CaseWorld(testPlatform(plugin, { with: options, ...(above && { below: above }) }));
  };
  return PLATFORM_CASES.map((one) => {
    const reason = leftOut[one.id];
    const excuse = reason === undefined ? "" : ` (left out: ${reason})`;
    return {
      name: `${title}${place}: ${one.name} [${one.id}]${excuse}`,
      run: () => reason === undefined ? one.run(make()) : expectFailure(one, make()),
    };
  });
}

function expectFailure(one: PlatformCase, at: CaseWorld): void {
  try {
    one.run(at);
  } catch {
    return;
  }
  throw new Error(`case "${one.id}" is left out, but it passes: take the excuse away`);
}

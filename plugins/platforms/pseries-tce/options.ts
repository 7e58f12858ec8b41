/**
 * What the options come to.
 *
 * @module
 */

import { formatSize, InputError, parseSize } from "@iova/core";
import type { ProfileName } from "./hardware.ts";
import { IO_PAGE_SIZES } from "./layout.ts";

/** The values of the plugin's options; sizes in bytes. See the README. */
export interface Options {
  readonly personality: "spec" | "qemu";
  readonly profile?: ProfileName;
  readonly ddw: boolean;
  readonly windowSize: number;
  readonly pageSizes: string;
  readonly windows: number;
  readonly largestBlock: number;
  readonly tableMemory: number;
  readonly multiTce: boolean;
  readonly eeh: boolean;
  readonly entitlement?: number;
  readonly partition?: number;
  readonly guestPage: "4KiB" | "64KiB";
  readonly strict: boolean;
  readonly merge: boolean;
}

/** Whose hypervisor it is, where nothing more exact is said. */
export const PROFILE_OF: Readonly<Record<Options["personality"], ProfileName>> = { spec: "lopar", qemu: "qemu-tcg" };

/** The RTAS mask for the option `pageSizes`. @throws {InputError} when it names a size that there is not. */
export function pageSizeMask(text: string, { file, path }: { file: string; path: string }): number {
  let mask = 0;
  for (const word of text.split(",")) {
    const size = parseSize(word);
    const known = IO_PAGE_SIZES.find(([shift]) => 2 ** shift === size);
    if (known === undefined) {
      const sizes = IO_PAGE_SIZES.map(([shift]) => formatSize(2 ** shift)).join(", ");
      throw new InputError({
        file,
        path: `${path}.with.pageSizes`,
        found: `"${word}"`,
        expected: `sizes out of ${sizes}`,
      });
    }
    mask |= known[1];
  }
  return mask;
}

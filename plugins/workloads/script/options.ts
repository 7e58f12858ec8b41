/**
 * The options of `script`.
 *
 * @module
 */

import { option, type OptionsOf } from "@iova/core";

/** The options, as the manifest has them. */
export const OPTIONS = {
  module: option.path("The module, TypeScript or JavaScript, whose default export is the script.", { required: true }),
  options: option.object("What the script finds as its options.", { default: {} }),
} as const;

/** The options of `script`, read. */
export type ScriptOptions = OptionsOf<typeof OPTIONS>;

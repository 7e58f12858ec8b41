/**
 * Prints every module that the project exports, for `deno doc --lint`.
 *
 * @module
 */

import { exportsOf, filesBelow, ROOT } from "./tree.ts";

if (import.meta.main) {
  const configs = filesBelow(ROOT).filter((path) => /(^|\/)deno\.json$/.test(path));
  console.log(configs.flatMap((config) => exportsOf(ROOT, config)).join(" "));
}

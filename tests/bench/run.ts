/**
 * Runs every `*_bench.ts`, each in a process of its own so that none warms up or deoptimises another. Arguments select
 * those whose path contains one of them; `--json` is passed on.
 *
 * @module
 */

import { filesBelow, ROOT } from "../architecture/tree.ts";

/** What a benchmark may do: read the project, write below the temporary folder, start itself. */
const PERMISSIONS = ["--allow-read", "--allow-write=/tmp", `--allow-run=${Deno.execPath()},cat`];

if (import.meta.main) {
  const flags = Deno.args.filter((argument) => argument.startsWith("--"));
  const wanted = Deno.args.filter((argument) => !argument.startsWith("--"));
  const benches = filesBelow(ROOT).filter((path) => path.endsWith("_bench.ts"))
    .filter((path) => wanted.length === 0 || wanted.some((word) => path.includes(word)));
  let failed = 0;
  for (const bench of benches) {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--frozen", "--v8-flags=--expose-gc", ...PERMISSIONS, `${ROOT}/${bench}`, ...flags],
    }).spawn().status;
    if (!success) {
      console.error(`${bench} failed`);
      failed++;
    }
  }
  if (benches.length === 0) console.error("no benchmark has such a name");
  Deno.exit(failed > 0 || benches.length === 0 ? 1 : 0);
}

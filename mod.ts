/**
 * iova, a DMA workbench: `deno run --allow-read mod.ts run <manifest>` runs a machine, and as a library this module is
 * the kernel.
 *
 * ```ts
 * import { loadMachine } from "./mod.ts";
 *
 * const machine = await loadMachine("examples/quickstart.json", { platform: "strict" });
 * const report = await machine.run();
 * console.log(report.verified, report.devices[0].dma.maps);
 * ```
 *
 * @module
 */

export * from "./core/mod.ts";

if (import.meta.main) {
  // Not awaited here, so that `main` is told when nothing is left that could ever happen.
  import("./core/cli/main.ts").then(async ({ main }) => Deno.exit(await main(Deno.args)));
}

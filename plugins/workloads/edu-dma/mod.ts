/**
 * The workload `edu-dma`: drives the device edu: factorial, round trips through its DMA engine, verified, and, if asked, a
 * bus address that nobody was given, with what the bus made of it.
 *
 * @module
 */

import { API_VERSION, defineWorkload, option, type WorkloadPlugin } from "@iova/core";
import { EXPECTATIONS } from "./options.ts";
import type { EduProbe } from "./probe.ts";
import { runEduDma } from "./run.ts";

export type { EduProbe, ProbeResult } from "./probe.ts";

const options = {
  count: option.integer("Round trips through the device's buffer.", { default: 16, min: 1, max: 100000 }),
  size: option.size("Most bytes of a round trip; each has a random length and place.", {
    default: 4096,
    min: 1,
    max: 4096,
  }),
  factorial: option.integer("A number whose factorial the device is asked for.", { default: 10, min: 0, max: 33 }),
  badAddress: option.address("A bus address that the driver was never given: the device reads and writes it as well."),
  expect: option.choice(
    "What the bus must do at `badAddress`: `fault` refuse it, `reach` let it through, `any` do as it likes.",
    EXPECTATIONS,
    { default: "any" },
  ),
} as const;

/** The plugin. */
const plugin: WorkloadPlugin = defineWorkload({
  name: "edu-dma",
  kind: "workload",
  api: API_VERSION,
  summary: "Round trips through edu's DMA engine, verified, and a bad address if asked.",
  options,
  drives: "edu",
  run: (context, options) => runEduDma(context, context.driver as EduProbe, options),
});

export default plugin;

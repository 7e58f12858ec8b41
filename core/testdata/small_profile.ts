/** A profile for tests of the loader, which never makes it. */

import { defineProfile } from "../plugin.ts";

export default defineProfile({
  name: "small",
  kind: "profile",
  api: 1,
  summary: "One page of RAM.",
  options: {},
  bus: "./backplane_bus.ts",
  memoryMap: () => ({ ram: [{ base: 0, size: 4096 }], heap: 0, registers: { first: 0x1000, end: 0x2000 } }),
  create: () => {
    throw new Error("never made");
  },
});

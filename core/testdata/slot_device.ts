/** A device for tests of the loader, which never makes it. */

import { option } from "../options.ts";
import { defineDevice } from "../plugin.ts";

export default defineDevice({
  name: "slot",
  kind: "device",
  api: 1,
  summary: "Fits a backplane.",
  bus: "./backplane_bus.ts",
  options: { image: option.path("Its image.", { required: true }) },
  create: () => {
    throw new Error("never made");
  },
  driver: () => {
    throw new Error("never made");
  },
});

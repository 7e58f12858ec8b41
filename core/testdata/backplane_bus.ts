/** A bus for tests of the loader, which never makes it. */

import { defineBus } from "../plugin.ts";

export default defineBus({
  name: "backplane",
  kind: "bus",
  api: 1,
  summary: "Takes slots.",
  options: {},
  create: () => {
    throw new Error("never made");
  },
});

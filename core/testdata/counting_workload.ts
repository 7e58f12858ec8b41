/** A workload for tests of the loader and the command line: counts, and says what it was told to say. */

import { option } from "../options.ts";
import { defineWorkload } from "../plugin.ts";

export default defineWorkload({
  name: "counting",
  kind: "workload",
  api: 1,
  summary: "Counts.",
  options: {
    verify: option.boolean("Whether to end well.", { default: true }),
    count: option.integer("How far to count.", { default: 3 }),
    throws: option.boolean("Whether to break.", { default: false }),
    open: option.path("A file to write."),
  },
  run(context, { verify, count, throws, open }) {
    if (throws) throw new Error("no more numbers");
    if (open !== undefined) Deno.openSync(context.resolvePath(open), { write: true, create: true }).close();
    const { platform } = context.machine.resolved;
    for (let i = 0; i < count; i++) {
      context.observe(i === 2 ? `two of ${platform.options.depth}` : `number ${i}`);
      if (context.events.listening) context.events.emit({ type: "request", number: i });
    }
    const result = { verified: verify, requests: count, bytes: count * 512, details: { sum: count * (count - 1) / 2 } };
    return Promise.resolve(verify ? result : { ...result, failure: "told to fail" });
  },
});

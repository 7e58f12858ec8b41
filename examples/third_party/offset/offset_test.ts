import { assertEquals } from "@std/assert";
import { platformConformance } from "@iova/core/testing";
import platform from "./mod.ts";

const OPEN = "a window on all memory: no address is anybody's own";

const cases = platformConformance(platform, {}, {
  leftOut: {
    "fault-after-unmap": OPEN,
    "fault-outside": OPEN,
    "fault-write": OPEN,
    "fault-read": OPEN,
    "fault-other": OPEN,
    "fault-recorded": OPEN,
    "lease": OPEN,
    "misuse-reported": "nothing is remembered, so nothing can be missed",
  },
});
for (const { name, run } of cases) Deno.test(name, run);

Deno.test("the hash in machine.json is that of mod.ts", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(new URL("machine.json", import.meta.url)));
  const bytes = await Deno.readFile(new URL("mod.ts", import.meta.url));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  assertEquals(manifest.platform, { use: "./mod.ts", sha256: hash });
});

import { assertEquals } from "@std/assert";
import { blamed } from "./complaints.ts";

Deno.test("an error that crossed no boundary is blamed on the first file of its stack outside the kernel", () => {
  const error = new Error("boom");
  const stack = (...frames: string[]) => {
    error.stack = "Error: boom\n" + frames.map((frame) => `    at f (${frame}:3:7)`).join("\n");
    return (blamed(error) as Error).message;
  };
  const kernel = new URL("bus.ts", import.meta.url).href;
  const message = (name: string) => `plugin "${name}" failed in a running machine: boom`;
  assertEquals(stack(kernel, "file:///iova/plugins/devices/edu/device.ts"), message("edu"));
  assertEquals(stack("file:///home/me/card.ts", kernel), message("card.ts"));
  assertEquals(stack(kernel), "boom");
});

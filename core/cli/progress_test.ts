import { assertEquals } from "@std/assert";
import { Progress } from "./progress.ts";

/** What a progress line writes when it is asked for an update at each of `times`, in milliseconds. */
function written(times: readonly number[]): string[] {
  const output: string[] = [];
  const decoder = new TextDecoder();
  let now = 0;
  const progress = new Progress({ writeSync: (bytes) => output.push(decoder.decode(bytes)) }, () => now);
  for (now of times) progress.update("copy", now, 400);
  progress.clear();
  return output;
}

Deno.test("progress is one line that is written over and taken away at the end", () => {
  assertEquals(written([100, 200]), ["\r\x1b[Kcopy  25 %", "\r\x1b[Kcopy  50 %", "\r\x1b[K"]);
});

Deno.test("however many updates come, ten a second are written", () => {
  const everyMillisecond = Array.from({ length: 400 }, (_, i) => i);
  assertEquals(written(everyMillisecond).length, 3 + 1);
});

Deno.test("what is over in a moment shows nothing, and nothing is taken away", () => {
  assertEquals(written([0, 50, 99]), []);
});

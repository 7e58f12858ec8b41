import { assert, assertEquals, assertRejects } from "@std/assert";
import { layOut, measure, quantile, significant } from "./harness.ts";

const QUICK = { rounds: 3, batch: 0.2 };
const spin = (times: number) => (iterations: number) => {
  let x = 1;
  for (let i = 0; i < iterations * times; i++) x = (x * 31 + i) | 0;
  if (x === 0.5) throw x; // keeps the loop alive
};

Deno.test("a case is measured against C, and against another case when it says so", async () => {
  const cases = [{ name: "one", run: spin(100) }, { name: "ten", run: spin(1000), against: "one" }];
  const { c, figures: [one, ten] } = await measure("demo", cases, QUICK);
  assert(c > 0 && one.ns > 0);
  assertEquals([one.against, ten.against], ["C", "one"]);
  assertEquals([one.ratio, ten.ratio], [one.ns / c, ten.ns / one.ns]);
});

Deno.test("an aim is met or missed", async () => {
  const cases = [{ name: "slow", run: spin(10_000), atMost: 0 }, { name: "fast", run: spin(1), atMost: 1e9 }];
  const { figures } = await measure("demo", cases, QUICK);
  assertEquals(figures.map(({ aim }) => aim!.met), [false, true]);
});

Deno.test("figures are per operation", async () => {
  const counted = { name: "a", run: spin(1000), operations: 1000 };
  const { figures: [whole, part] } = await measure("demo", [{ ...counted, name: "b", operations: 1 }, counted], QUICK);
  assert(part.ns < whole.ns / 100);
});

Deno.test("a first run that is slow, because it is compiled on the way, does not make batches of one", async () => {
  let runs = 0;
  let most = 0;
  const run = (iterations: number) => {
    most = Math.max(most, iterations);
    for (const end = performance.now() + 5; runs === 0 && performance.now() < end;);
    runs++;
    spin(100)(iterations);
  };
  await measure("slow at first", [{ name: "slow at first", run }], QUICK);
  assert(most > 100, `batches of at most ${most}`);
});

Deno.test("a case against one that is not there is refused", async () => {
  await assertRejects(() => measure("demo", [{ name: "a", run: spin(1), against: "b" }], QUICK), Error, '"b"');
});

Deno.test("a quantile lies between its neighbours", () => {
  assertEquals([0, 0.25, 0.5, 1].map((q) => quantile([4, 1, 3, 2], q)), [1, 1.75, 2.5, 4]);
});

Deno.test("figures keep three digits, and columns line up", () => {
  assertEquals([0.012345, 12.345, 1234.5].map(significant), ["0.0123", "12.3", "1235"]);
  assertEquals(layOut("t", [["case", "ns", "aim"], ["a", "10", ""]]), "t\n  case  ns  aim\n  a     10");
});

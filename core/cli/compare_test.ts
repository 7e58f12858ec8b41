import { assertEquals, assertStringIncludes } from "@std/assert";
import { compareRuns, comparisonText, type Run } from "./compare.ts";
import { PLAIN } from "./style.ts";
import { REPORT, WORKLOAD } from "./testdata/reports.ts";

function run(label: string, observations: string[], observationCount = observations.length): Run {
  return { label, report: { ...REPORT, observations, observationCount, platformCounters: PLATFORM_COUNTERS } };
}

/** What a platform counts that no device does. */
const PLATFORM_COUNTERS = { hypercalls: 2, commands: 534 };

function told(runs: Run[]): string {
  return comparisonText(runs, compareRuns(runs), PLAIN);
}

Deno.test("runs that saw the same agree", () => {
  const runs = [run("one", ["a", "b"]), run("two", ["a", "b"])];
  assertEquals(compareRuns(runs), { agree: true, compared: 2, cut: false });
  assertEquals(
    told(runs),
    `\
  run  verified  requests   maps  unmaps  translations  faults  bounces  hypercalls  commands  warnings  virtual  wall
  one  ✓ yes          512  1,536   1,535         3,000       1       12           5       534         0     2 ms  8 ms
  two  ✓ yes          512  1,536   1,535         3,000       1       12           5       534         0     2 ms  8 ms

All 2 observations agree.`,
  );
});

Deno.test("the first observation that differs is shown as each run saw it", () => {
  const runs = [run("one", ["a", "b", "c"]), run("two", ["a", "b", "x"]), run("three", ["a", "b", "y"])];
  assertEquals(compareRuns(runs).difference, {
    index: 2,
    saw: [
      { label: "one", observation: "c" },
      { label: "two", observation: "x" },
      { label: "three", observation: "y" },
    ],
  });
  assertStringIncludes(told(runs), "First observation that differs: number 3\n  one    c\n  two    x\n  three  y");
});

Deno.test("a run that stops early differs where it stops", () => {
  const runs = [run("one", ["a", "b"]), run("two", ["a"])];
  assertStringIncludes(told(runs), "First observation that differs: number 2\n  one  b\n  two  (nothing more)");
});

Deno.test("observations that were not kept are not said to agree", () => {
  const kept = ["a", "b"];
  assertStringIncludes(told([run("one", kept, 9), run("two", kept, 9)]), "The first 2 observations agree.");
  const different = [run("one", kept, 9), run("two", kept, 8)];
  assertEquals(compareRuns(different).agree, false);
  assertStringIncludes(
    told(different),
    "The first 2 observations agree, then their numbers differ\n  one  9\n  two  8",
  );
});

Deno.test("a run that could not be made is a row that says so, and the others are compared", () => {
  const runs: Run[] = [run("one", ["a"]), { label: "two", error: "no window", badInput: true }, run("three", ["a"])];
  const text = told(runs);
  assertStringIncludes(text, "\n  two    ✗ could not run\n");
  assertStringIncludes(text, "\n\n  two  no window\n\nAll 1 observations agree.");
});

Deno.test("a run that was not verified says why", () => {
  const failed = { ...WORKLOAD, verified: false, failure: "block 7 differs" };
  const runs = [run("one", []), {
    label: "two",
    report: { ...REPORT, verified: false, workloads: [failed], observations: [] },
  }];
  const text = told(runs);
  assertStringIncludes(text, "\n  two  ✗ no ");
  assertStringIncludes(text, "\n\n  two  block 7 differs");
});

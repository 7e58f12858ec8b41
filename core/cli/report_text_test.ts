import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { machineText, resultText } from "./report_text.ts";
import { COLORED, PLAIN } from "./style.ts";
import { REPORT, WORKLOAD } from "./testdata/reports.ts";

Deno.test("a report shows the machine, its devices, other counters, the workload and the end", () => {
  assertEquals(
    machineText(REPORT.tree, PLAIN) + "\n" + resultText(REPORT, PLAIN),
    `\
  one disk  64 MiB
  └─ disk0  disk

Devices
  device  requests  bytes   maps  unmaps  translations  faults  bounces  hypercalls
  disk0        512  2 MiB  1,536   1,535         3,000       1       12           3

Counters
  disk0    resets 2, reads 2,000, writes 1,000, bytes read 64 KiB, bytes written 1 MiB, bounced bytes 48 KiB
  plain    walks 9
  machine  interrupts 480

Workload
  copy on disk0  ✓ verified
    moved         512 requests, 2 MiB
    virtual time  1.50 ms
    wall time     8 ms (64,000 requests/s)
    sha256        00ff
    blocks read   4,096
    mean latency  19.1 µs
    ratio         0.3333
    exact         true

✓ verified  on plain, 2 ms virtual, 8 ms wall, seed 7`,
  );
});

Deno.test("a report says why something was not verified", () => {
  const failed = { ...WORKLOAD, verified: false, failure: "block 7 differs" };
  const text = resultText({ ...REPORT, verified: false, workloads: [failed] }, PLAIN);
  assertStringIncludes(text, "copy on disk0  ✗ not verified\n    failure       block 7 differs\n");
  assertStringIncludes(text, "\n✗ not verified  on plain");
});

Deno.test("warnings are listed with how often they were given", () => {
  const warnings = [
    { id: "D4", message: "never unmapped", device: "disk0", count: 1200 },
    { id: "lease-timeout", message: "too long", count: 1 },
  ];
  assertStringIncludes(
    resultText({ ...REPORT, warnings }, PLAIN),
    `
Warnings: 1,201
    times  id             device  message
  1,200 ×  D4             disk0   never unmapped
      1 ×  lease-timeout          too long
`,
  );
});

Deno.test("a machine without a workload has nothing to verify", () => {
  const text = resultText({ ...REPORT, workloads: [] }, PLAIN);
  assertStringIncludes(text, "nothing to verify  on plain");
  assert(!text.includes("Workload"));
});

Deno.test("colours add nothing but colours", () => {
  // deno-lint-ignore no-control-regex
  const bare = resultText(REPORT, COLORED).replace(/\x1b\[\d+m/g, "");
  assertEquals(bare, resultText(REPORT, PLAIN));
});

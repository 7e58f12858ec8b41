// Each rule is shown to complain about a made-up tree that breaks it, and to be content with one that does not.

import { assertEquals } from "@std/assert";
import * as rules from "./rules.ts";

const PACKAGE = (name: string) => JSON.stringify({ name: `@iova/${name}`, version: "0.1.0", exports: "./mod.ts" });

/** A small house in order. */
const ORDERLY: Record<string, string> = {
  "mod.ts": 'export * from "./core/mod.ts";',
  "core/mod.ts": 'export * from "./bus.ts"; // as a PCI host bridge forwards\n',
  "core/bus.ts": 'import { resolve } from "@std/path/resolve";\n',
  "core/cli/main.ts": 'import { parseArgs } from "@std/cli";\nimport "../mod.ts";',
  "plugins/libraries/ring/deno.json": PACKAGE("ring"),
  "plugins/libraries/ring/README.md": "",
  "plugins/libraries/ring/mod.ts": 'import "@iova/core";',
  "plugins/devices/disk/deno.json": PACKAGE("disk"),
  "plugins/devices/disk/README.md": "",
  "plugins/devices/disk/mod.ts": 'import "./driver.ts"; import "./device.ts";',
  "plugins/devices/disk/layout.ts": 'import "./layout_ring.ts";',
  "plugins/devices/disk/driver.ts":
    'import "./layout.ts"; import "./driver_queue.ts"; import "@iova/ring"; import "./layout_ring.ts";',
  "plugins/devices/disk/driver_queue.ts": 'import "@iova/core";',
  "plugins/devices/disk/layout_ring.ts": "",
  "plugins/devices/disk/device.ts": 'import "./layout.ts"; import "./layout_ring.ts";',
  "plugins/devices/disk/disk_test.ts": 'import "fast-check"; import "@iova/core/testing"; import "./mod.ts";',
  "plugins/devices/disk/disk_bench.ts": 'import "../../../tests/bench/harness.ts";',
  "plugins/platforms/plain/deno.json": PACKAGE("plain"),
  "plugins/platforms/plain/README.md": "",
  "plugins/platforms/plain/mod.ts": "",
};

type Rule = (tree: rules.Tree) => string[];

/** What `rule` says about the orderly house after `changes`; null takes a file away. */
function complaints(rule: Rule, changes: Record<string, string | null> = {}): string[] {
  const root = Deno.makeTempDirSync({ prefix: "iova-house-" });
  try {
    for (const [path, text] of Object.entries({ ...ORDERLY, ...changes })) {
      if (text === null) continue;
      Deno.mkdirSync(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      Deno.writeTextFileSync(`${root}/${path}`, text);
    }
    return rule(new rules.Tree(root));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("no rule complains about a house in order", () => {
  for (const [name, rule] of Object.entries(rules)) {
    if (name !== "Tree") assertEquals(complaints(rule as Rule), [], name);
  }
});

const DISK = "plugins/devices/disk/";

Deno.test("a driver that imports its device is found", () => {
  const changes = { [`${DISK}driver.ts`]: 'import { Disk } from "./device.ts";' };
  assertEquals(complaints(rules.halvesMeetInLayoutsOnly, changes), [
    `${DISK}driver.ts and ${DISK}device.ts meet in ${DISK}device.ts`,
  ]);
});

Deno.test("a device that imports its driver's helper, as a type or dynamically, is found", () => {
  const expected = [
    `${DISK}driver.ts and ${DISK}device.ts meet in ${DISK}driver_queue.ts`,
    `${DISK}driver_queue.ts and ${DISK}device.ts meet in ${DISK}driver_queue.ts`,
  ];
  for (const source of ['import type { Q } from "./driver_queue.ts";', 'await import("./driver_queue.ts");']) {
    assertEquals(complaints(rules.halvesMeetInLayoutsOnly, { [`${DISK}device.ts`]: source }), expected);
  }
});

Deno.test("halves that meet in a third module are found", () => {
  const changes = {
    [`${DISK}driver.ts`]: 'import "./state.ts";',
    [`${DISK}device.ts`]: 'import "./deeper.ts";',
    [`${DISK}deeper.ts`]: 'import "./state.ts";',
    [`${DISK}state.ts`]: "export const shared = [];",
  };
  assertEquals(complaints(rules.halvesMeetInLayoutsOnly, changes), [
    `${DISK}driver.ts and ${DISK}device.ts meet in ${DISK}state.ts`,
  ]);
});

Deno.test("layouts that lead to a half are found", () => {
  const changes = { [`${DISK}layout.ts`]: 'import "./device_state.ts";', [`${DISK}device_state.ts`]: "" };
  assertEquals(complaints(rules.halvesMeetInLayoutsOnly, changes), [
    `${DISK}driver.ts and ${DISK}device.ts meet in ${DISK}device_state.ts`,
    `${DISK}driver.ts and ${DISK}device_state.ts meet in ${DISK}device_state.ts`,
  ]);
});

Deno.test("the same holds for a platform's guest and hardware", () => {
  const plain = "plugins/platforms/plain/";
  const changes = {
    [`${plain}guest.ts`]: 'import "./mod.ts";',
    [`${plain}hardware.ts`]: "",
    [`${plain}mod.ts`]: 'import "./hardware.ts";',
  };
  assertEquals(complaints(rules.halvesMeetInLayoutsOnly, changes), [
    `${plain}guest.ts and ${plain}hardware.ts meet in ${plain}hardware.ts`,
  ]);
});

Deno.test("core that imports a plugin, by name or by path, is found", () => {
  const changes = {
    "core/bus.ts": 'import "@iova/disk";',
    "core/cli/main.ts": 'import("../../plugins/platforms/plain/mod.ts");',
  };
  assertEquals(complaints(rules.coreImportsNoPlugin, changes), [
    "core/bus.ts: @iova/disk",
    "core/cli/main.ts: plugins/platforms/plain/mod.ts",
  ]);
});

Deno.test("core that names a platform, a bus type or a device is found, in code, strings and comments", () => {
  const changes = {
    "core/bus.ts": 'const swiotlbSlots = 1;\nconst name = "virtio-blk";\n// as Xen does\nclass PciBus {}',
  };
  assertEquals(complaints(rules.coreNamesNoPlugin, changes), [
    'core/bus.ts:1: "swiotlb" in a word',
    'core/bus.ts:2: "virtio" in a string',
    'core/bus.ts:3: "xen" in a comment',
    'core/bus.ts:4: "pci" in a word',
  ]);
});

Deno.test("a plugin that imports another one that is no library is found", () => {
  const changes = { [`${DISK}driver.ts`]: 'import "@iova/plain";' };
  assertEquals(complaints(rules.pluginsImportLibrariesOnly, changes), [`${DISK}driver.ts: @iova/plain`]);
});

Deno.test("a plugin that reaches into core or into a neighbour by path is found, also in its tests", () => {
  const changes = {
    [`${DISK}driver.ts`]: 'import "../../../core/bus.ts";',
    [`${DISK}disk_test.ts`]: 'import "../../libraries/ring/mod.ts";',
    "examples/third_party/offset/mod.ts": 'import "../../../core/mod.ts";',
  };
  assertEquals(complaints(rules.pluginsStayInTheirFolder, changes), [
    "examples/third_party/offset/mod.ts: core/mod.ts",
    `${DISK}disk_test.ts: plugins/libraries/ring/mod.ts`,
    `${DISK}driver.ts: core/bus.ts`,
  ]);
});

Deno.test("a dependency beyond the three packages is found, and so is a private entry of a package", () => {
  const changes = {
    "core/bus.ts": 'import "node:fs"; import "@std/fs"; import "npm:x"; import "@iova/core/memory.ts";',
  };
  assertEquals(complaints(rules.productDependsOnThreePackages, changes), [
    "core/bus.ts: node:fs",
    "core/bus.ts: @std/fs",
    "core/bus.ts: npm:x",
    "core/bus.ts: @iova/core/memory.ts",
  ]);
});

Deno.test("a plugin without a README, or with another name than its folder, is found", () => {
  const changes = {
    [`${DISK}README.md`]: null,
    "plugins/platforms/plain/deno.json": JSON.stringify({ name: "@iova/simple", exports: "./main.ts" }),
  };
  assertEquals(complaints(rules.pluginsAreWholePackages, changes), [
    `${DISK}README.md is missing`,
    "plugins/platforms/plain/deno.json: name is @iova/simple, not @iova/plain",
    "plugins/platforms/plain/deno.json: no version",
    "plugins/platforms/plain/main.ts is exported and missing",
  ]);
});

Deno.test("anything new at the top level is found", () => {
  assertEquals(complaints(rules.topLevelHoldsTheRoomsOnly, { "utils/a.ts": "", "build.sh": "" }), [
    "build.sh",
    "utils",
  ]);
});

Deno.test("a foreign call outside its one file is found; a comment about it is none", () => {
  const file = "plugins/devices/disk/device.ts";
  assertEquals(complaints(rules.foreignCallsStayInOneFile, { [file]: "// as Deno.dlopen does\nrun();\n" }), []);
  const [complaint, ...others] = complaints(rules.foreignCallsStayInOneFile, {
    [file]: '\nDeno.dlopen("libc.so.6", {});',
  });
  assertEquals([complaint.startsWith(`${file}:2: `), others], [true, []]);
});

Deno.test("a kernel that has grown too large is found; tests, kit, command line and comments do not count", () => {
  const long = "// said\n\nfirst();\n".repeat(3350);
  const uncounted = { "core/bus_test.ts": long, "core/testing.ts": long, "core/cli/main.ts": long };
  assertEquals(complaints(rules.kernelStaysSmall, uncounted), []);
  assertEquals(complaints(rules.kernelStaysSmall, { "core/bus.ts": long }), [
    "core/*.ts has 3351 lines of code, of at most 3350",
  ]);
  assertEquals(complaints(rules.kernelStaysSmall, { "core/manifest/loader.ts": long }), [
    "core/manifest/*.ts has 3350 lines of code, of at most 900",
  ]);
});

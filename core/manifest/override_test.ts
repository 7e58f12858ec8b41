import { assertEquals, assertThrows } from "@std/assert";
import { InputError } from "../errors.ts";
import { overrideManifest } from "./override.ts";

const MACHINE = {
  platform: "direct",
  devices: [{ id: "disk0", use: "d", with: { depth: 1, list: [1, 2] } }, { id: "disk1", use: "d" }],
  checks: ["a"],
};

function complaint(path: string): string {
  return assertThrows(() => overrideManifest(MACHINE, path, 1), InputError).message;
}

Deno.test("an override replaces one value and leaves the manifest that it was given alone", () => {
  const before = structuredClone(MACHINE);
  assertEquals(overrideManifest(MACHINE, "devices[0].with.depth", 8), {
    ...before,
    devices: [{ id: "disk0", use: "d", with: { depth: 8, list: [1, 2] } }, before.devices[1]],
  });
  assertEquals(MACHINE, before);
});

Deno.test("a list's entry is named by index, in brackets or not, or by id", () => {
  const expected = [MACHINE.devices[0], { id: "disk1", use: "d", at: "3" }];
  for (const path of ["devices[1].at", "devices.1.at", "devices.disk1.at"]) {
    assertEquals((overrideManifest(MACHINE, path, "3") as typeof MACHINE).devices, expected);
  }
});

Deno.test("an option of a plugin in short form makes it the long form", () => {
  assertEquals(overrideManifest(MACHINE, "platform.with.offset", "0x1000"), {
    ...MACHINE,
    platform: { use: "direct", with: { offset: "0x1000" } },
  });
  assertEquals((overrideManifest(MACHINE, "checks[0].with.x", 1) as typeof MACHINE).checks as unknown, [{
    use: "a",
    with: { x: 1 },
  }]);
});

Deno.test("objects on the way are made when they are missing", () => {
  assertEquals(overrideManifest({ platform: "p" }, "invalidation.policy", "wait"), {
    platform: "p",
    invalidation: { policy: "wait" },
  });
});

Deno.test("a whole value can be replaced, also inside an option's list", () => {
  assertEquals(overrideManifest(MACHINE, "devices", []), { ...MACHINE, devices: [] });
  const { devices } = overrideManifest(MACHINE, "devices.disk0.with.list[1]", 5) as typeof MACHINE;
  assertEquals(devices[0].with!.list, [1, 5]);
});

const IMPOSSIBLE: [path: string, message: string][] = [
  [
    "memry",
    'memry: found unknown key "memry", expected one of $schema, name, seed, memory, platform, profile, bus, devices, ' +
    'workload, checks, invalidation, leases; did you mean "memory"?',
  ],
  ["devices[2].at", "devices[2].at: found no device number 2, expected an index from 0 to 1, or one of disk0, disk1"],
  [
    "devices.dsk0.at",
    'devices.dsk0.at: found no device "dsk0", expected an index from 0 to 1, or one of disk0, disk1; did you mean "disk0"?',
  ],
  ["workload[0].use", "workload[0].use: found no workload number 0, expected no entry: the list is empty"],
  ["platform.offset", 'platform.offset: found unknown key "offset", expected one of use, with, sha256'],
  ["memory.size", "memory.size: found a plain value, expected no further path"],
  ["devices.disk0.with.depth.x", "devices.disk0.with.depth.x: found 1 on the way, expected an object"],
  ["devices.disk0.with.list[2]", "devices.disk0.with.list[2]: found no entry 2, expected an index of a list"],
];
for (const [path, message] of IMPOSSIBLE) {
  Deno.test(`there can be nothing at ${path}`, () => assertEquals(complaint(path), `--set: ${message}`));
}

Deno.test("what is no path at all is refused", () => {
  for (const path of ["", "devices[", "devices[x]", ".platform", "a..b", "[0]"]) {
    assertEquals(complaint(path), `--set: found "${path}", expected a path such as devices.disk0.with.depth`);
  }
});

Deno.test("an override cannot reach the prototype", () => {
  overrideManifest(MACHINE, "devices.disk0.with.__proto__.polluted", true);
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

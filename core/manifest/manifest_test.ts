import { assertEquals, assertThrows } from "@std/assert";
import { InputError } from "../errors.ts";
import { type Manifest, validateManifest } from "./manifest.ts";

function complaint(manifest: unknown): string {
  return assertThrows(() => validateManifest(manifest, "m.json"), InputError).message.replace(/^m\.json: /, "");
}

/** A small good manifest with some keys replaced. */
function machine(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    platform: "p",
    devices: [{ id: "disk0", use: "d" }, { id: "disk1", use: "d" }],
    workload: [{ use: "w", device: "disk0" }],
    ...changes,
  };
}

Deno.test("a manifest with every key is accepted", () => {
  const platform = { use: "p", with: { offset: 1 }, sha256: "0123456789abcdefABCDEF0123456789".repeat(2) };
  const full: Manifest = {
    $schema: "./manifest.schema.json",
    name: "all of it",
    seed: 0,
    memory: "64MiB",
    platform,
    bus: {
      id: "main",
      use: "b",
      with: {},
      acs: true,
      bridges: [{ id: "br0", at: "1", platform: "p", bypass: false, acs: true, bridges: [{ id: "br1" }] }],
    },
    devices: [{ id: "disk0", use: "d", with: { image: "x" }, bus: "br1", at: "3", platform, bypass: true }],
    workload: [{ use: "w", device: "disk0", with: {} }],
    checks: ["c", { use: "c", with: {} }],
    invalidation: { policy: "wait", deadline: "10ms" },
    leases: "checked",
  };
  assertEquals(validateManifest(full, "m.json"), full);
});

Deno.test("the least manifest names a platform", () => {
  assertEquals(validateManifest({ platform: "p" }, "m.json"), { platform: "p" });
  assertEquals(complaint({}), "platform: found nothing, expected How device addresses become memory addresses.");
});

Deno.test("what is no object is no manifest", () => {
  assertEquals(complaint([]), "found [], expected a manifest: an object");
  assertEquals(complaint(undefined), "found nothing, expected a manifest: an object");
});

Deno.test("an unknown key is an error with the nearest spelling", () => {
  assertEquals(
    complaint(machine({ plattform: "p" })),
    'plattform: found unknown key "plattform", expected one of $schema, name, seed, memory, platform, profile, bus, devices, ' +
      'workload, checks, invalidation, leases; did you mean "platform"?',
  );
  assertEquals(
    complaint(machine({ devices: [{ id: "a", use: "d", wiht: {} }] })),
    'devices[0].wiht: found unknown key "wiht", expected one of id, use, with, sha256, bus, at, platform, bypass; ' +
      'did you mean "with"?',
  );
  assertEquals(
    complaint(machine({ bus: { bridges: [{ id: "a", bridges: [{ id: "b", byass: true }] }] } })),
    'bus.bridges[0].bridges[0].byass: found unknown key "byass", expected one of id, at, platform, bypass, acs, ' +
      'bridges; did you mean "bypass"?',
  );
});

const WRONG: [name: string, changes: Record<string, unknown>, message: string][] = [
  [
    "memory that is no size",
    { memory: "lots" },
    'memory: found "lots", expected whole pages of 4 KiB, at least one, such as "64MiB"',
  ],
  ["no memory", { memory: 0 }, 'memory: found 0, expected whole pages of 4 KiB, at least one, such as "64MiB"'],
  [
    "half a page",
    { memory: "6KiB" },
    'memory: found "6KiB", expected whole pages of 4 KiB, at least one, such as "64MiB"',
  ],
  ["a seed that is no whole number", { seed: 1.5 }, "seed: found 1.5, expected a whole number"],
  ["an empty platform", { platform: " " }, 'platform.use: found " ", expected text that is not empty'],
  [
    "a platform without use",
    { platform: { with: {} } },
    "platform.use: found nothing, expected The platform plugin: a " +
    "bundled name, or any specifier that Deno can import; a path is relative to the manifest.",
  ],
  ["options that are no object", { platform: { use: "p", with: [] } }, "platform.with: found [], expected an object"],
  [
    "a hash that is none",
    { checks: [{ use: "c", sha256: "12" }] },
    'checks[0].sha256: found "12", expected 64 hexadecimal digits',
  ],
  ["devices that are no list", { devices: {} }, "devices: found {}, expected a list of device entries"],
  [
    "a device without an id",
    { devices: [{ use: "d" }] },
    "devices[0].id: found nothing, expected Its name in this manifest.",
  ],
  [
    "an empty id",
    { devices: [{ id: "", use: "d" }] },
    'devices[0].id: found "", expected a name of 1 to 64 characters',
  ],
  [
    "null for a word",
    { devices: [{ id: "a", use: "d", at: null }] },
    "devices[0].at: found null, expected text that is not empty",
  ],
  [
    "a policy that does not exist",
    { invalidation: { policy: "maybe" } },
    'invalidation.policy: found "maybe", expected one of "wait", "revoke"',
  ],
  [
    "a deadline that is no time",
    { invalidation: { deadline: "soon" } },
    'invalidation.deadline: found "soon", expected a time such as "10ms" or a number of nanoseconds',
  ],
];
for (const [name, changes, message] of WRONG) {
  Deno.test(`${name} is refused`, () => assertEquals(complaint(machine(changes)), message));
}

Deno.test("two devices with one id are refused", () => {
  assertEquals(
    complaint(machine({ devices: [{ id: "disk0", use: "d" }, { id: "disk0", use: "d" }] })),
    'devices[1].id: found "disk0" again, expected an id that no other device has (devices[0].id)',
  );
});

Deno.test("two buses with one id are refused, the root's default name included", () => {
  assertEquals(
    complaint(machine({ bus: { bridges: [{ id: "root" }] } })),
    'bus.bridges[0].id: found "root" again, expected an id that no other bus has (bus.id)',
  );
});

Deno.test("a device on an unknown bus is refused with the nearest one", () => {
  assertEquals(
    complaint(machine({ bus: { bridges: [{ id: "bridge0" }] }, devices: [{ id: "disk0", use: "d", bus: "brigde0" }] })),
    'devices[0].bus: found unknown bus "brigde0", expected one of root, bridge0; did you mean "bridge0"?',
  );
});

Deno.test("a workload on an unknown device is refused with the nearest one", () => {
  assertEquals(
    complaint(machine({ workload: [{ use: "w", device: "disk2x" }] })),
    'workload[0].device: found unknown device "disk2x", expected one of disk0, disk1; did you mean "disk0"?',
  );
  assertEquals(
    complaint({ platform: "p", workload: [{ use: "w", device: "disk0" }] }),
    'workload[0].device: found unknown device "disk0", expected no device: the manifest has none',
  );
});

Deno.test("what contains itself, or nests without end, is refused in one line", () => {
  const bridge: Record<string, unknown> = { id: "b" };
  bridge.bridges = [bridge, bridge];
  const expected = "expected a manifest";
  assertEquals(
    complaint(machine({ bus: { bridges: [bridge] } })),
    `found an object that contains itself, ${expected}`,
  );
  let deep: unknown = 1;
  for (let i = 0; i < 5000; i++) deep = [deep];
  assertEquals(
    complaint(machine({ platform: { use: "a", with: { deep } } })),
    `found more than 600 objects inside each other, ${expected}`,
  );
});

import { assertEquals, assertRejects } from "@std/assert";
import { InputError } from "../errors.ts";
import { readManifest, resolveDevice, type ResolvedMachine, resolveMachine, resolvePath } from "./loader.ts";
import { validateManifest } from "./manifest.ts";
import { filePath } from "../paths.ts";

const HERE = filePath(new URL("../testdata", import.meta.url));

function resolve(manifest: unknown): Promise<ResolvedMachine> {
  return resolveMachine(validateManifest(manifest, "m.json"), "m.json", HERE);
}

async function complaint(manifest: unknown): Promise<string> {
  return (await assertRejects(() => resolve(manifest), InputError)).message.replace(/^m\.json: /, "");
}

const PLAIN = "./plain_platform.ts";
const DEVICE = { id: "a", use: "./slot_device.ts", with: { image: "a.img" } };

Deno.test("a JSON manifest is read with the folder that its paths are relative to", async () => {
  const { manifest, file, base } = await readManifest(`${HERE}/machine.json`);
  assertEquals((manifest as { name: string }).name, "counting machine");
  assertEquals([file, base], [`${HERE}/machine.json`, HERE]);
});

Deno.test("a manifest is also the default export of a module", async () => {
  const { manifest, base } = await readManifest(new URL("../testdata/machine.ts", import.meta.url));
  assertEquals(manifest, { name: "typed", memory: 32768, platform: PLAIN });
  assertEquals(base, HERE);
});

Deno.test("a missing manifest is named as it was written", async () => {
  for (const name of ["nowhere.json", "nowhere.ts"]) {
    const error = await assertRejects(() => readManifest(name), InputError);
    assertEquals(error.message, `${name}: found no such file, expected a manifest`);
  }
});

Deno.test("a folder is no manifest", async () => {
  const error = await assertRejects(() => readManifest(HERE), InputError);
  assertEquals(error.problem.expected, "a manifest");
});

Deno.test("a module that throws is no manifest", async () => {
  const error = await assertRejects(() => readManifest(`${HERE}/bad_module.ts`), InputError);
  assertEquals(error.problem, {
    file: `${HERE}/bad_module.ts`,
    found: "a module that fails to load (no manifest here)",
    expected: "a manifest as its default export",
  });
});

Deno.test("a manifest on the network is refused", async () => {
  const error = await assertRejects(() => readManifest(new URL("https://example.com/m.json")), InputError);
  assertEquals(error.message, "https://example.com/m.json: found a https: URL, expected a manifest in a file");
});

Deno.test("what the manifest leaves out has its default", async () => {
  const machine = await resolve({ platform: PLAIN });
  assertEquals({ ...machine, platform: machine.platform.options, manifest: null }, {
    file: "m.json",
    base: HERE,
    manifest: null,
    seed: 1,
    memory: 64 * 1024 * 1024,
    platform: { depth: 4, offset: 0n, window: 65536 },
    busTree: { id: "root", acs: false, bridges: [] },
    devices: [],
    workload: [],
    checks: [],
    invalidation: { policy: "revoke", deadline: 10_000_000 },
    leases: "direct",
  });
});

Deno.test("a whole machine is resolved: buses, bridges, devices, workload", async () => {
  const { manifest } = await readManifest(`${HERE}/with_device.json`);
  const machine = await resolve(manifest);
  assertEquals(machine.bus?.plugin.name, "backplane");
  const { bridges, ...root } = machine.busTree;
  assertEquals(root, { id: "main", acs: true });
  const [{ platform, ...bridge }] = bridges;
  assertEquals(bridge, { id: "below", at: "2", acs: false, bypass: true, bridges: [] });
  assertEquals([platform?.options.depth, platform?.path], [2, "bus.bridges[0].platform"]);
  assertEquals(machine.devices.map(({ id, busId, at, use }) => [id, busId, at, use.path, use.options.image]), [
    ["a", "main", undefined, "devices[0]", "a.img"],
    ["b", "below", "7", "devices[1]", "b.img"],
  ]);
  assertEquals(machine.workload.map(({ index, device, use }) => [index, device, use.plugin.name]), [[
    0,
    "b",
    "driving",
  ]]);
  assertEquals([machine.invalidation, machine.leases], [{ policy: "wait", deadline: 5000 }, "checked"]);
});

Deno.test("an option out of range is named by its JSON path", async () => {
  assertEquals(
    await complaint({ platform: { use: PLAIN, with: { depth: 10 } } }),
    "platform.with.depth: found 10, expected a whole number, 1 to 9",
  );
  assertEquals(
    await complaint({ platform: PLAIN, devices: [{ ...DEVICE, with: { image: 7 } }] }),
    "devices[0].with.image: found 7, expected a file name",
  );
});

Deno.test("an unknown option is refused with the nearest one", async () => {
  assertEquals(
    await complaint({ platform: { use: PLAIN, with: { dept: 1 } } }),
    'platform.with.dept: found unknown option "dept", expected one of depth, offset, window; did you mean "depth"?',
  );
});

Deno.test("a plugin of the wrong kind is named by its JSON path", async () => {
  assertEquals(
    await complaint({ platform: PLAIN, devices: [{ id: "a", use: PLAIN }] }),
    'devices[0].use: found a platform plugin ("plain"), expected a device plugin',
  );
});

Deno.test("a workload that names no device is told which there are", async () => {
  const workload = [{ use: "./driving_workload.ts" }];
  assertEquals(
    await complaint({ platform: PLAIN, devices: [DEVICE, { ...DEVICE, id: "b" }], workload }),
    'workload[0].device: found no device, expected a slots device for "driving": a, b',
  );
  assertEquals(
    await complaint({ platform: PLAIN, workload }),
    'workload[0].device: found no device, expected a slots device for "driving", but there is none',
  );
});

Deno.test("a device that does not fit the machine's bus is refused", async () => {
  assertEquals(
    await complaint({ platform: PLAIN, devices: [DEVICE, { ...DEVICE, id: "b", use: "./other_device.ts" }] }),
    'devices[1].use: found "other", which plugs into a "ribbon" bus, expected a device for this machine\'s "backplane" bus',
  );
});

Deno.test("bridges need a bus plugin", async () => {
  assertEquals(
    await complaint({ platform: PLAIN, bus: { bridges: [{ id: "br0" }] } }),
    "bus.use: found nothing, expected a bus plugin, as no device names one",
  );
});

Deno.test("a path in an option is relative to the manifest", () => {
  assertEquals(resolvePath("../disk.img", "/machines/one"), "/machines/disk.img");
  assertEquals(resolvePath("/disk.img", "/machines/one"), "/disk.img");
});

Deno.test("a profile brings the root bus: devices for the bus whose place it takes fit, and a bus plugin beside it does not", async () => {
  const manifest = { platform: PLAIN, profile: "./small_profile.ts" };
  const { bus } = await resolve({ ...manifest, devices: [DEVICE] });
  assertEquals([bus?.plugin.name, bus?.plugin.kind, bus?.path], ["small", "profile", "profile"]);
  assertEquals(
    await complaint({ ...manifest, devices: [DEVICE, { ...DEVICE, id: "b", use: "./other_device.ts" }] }),
    'devices[1].use: found "other", which plugs into a "ribbon" bus, ' +
      'expected a device for this machine\'s "./backplane_bus.ts" bus',
  );
  assertEquals(
    await complaint({ ...manifest, bus: { use: "./backplane_bus.ts" } }),
    "bus.use: found a bus plugin, expected none beside a profile, which has its own",
  );
  assertEquals((await resolve({ ...manifest, bus: { id: "slots", acs: true } })).busTree.id, "slots");
  assertEquals((await resolve({ ...manifest, bus: { bypass: true } })).busTree.bypass, true);
});

Deno.test("a device for a machine that is there is resolved like one of its manifest's", async () => {
  const machine = await resolve({ platform: PLAIN, devices: [DEVICE] });
  const plugged = await resolveDevice({ ...DEVICE, id: "late" }, machine);
  assertEquals([plugged.id, plugged.busId, plugged.use.options.image], ["late", "root", "a.img"]);
  const wrongBus = { ...DEVICE, bus: "nowhere" };
  assertEquals(
    (await assertRejects(() => resolveDevice(wrongBus, machine), InputError)).message,
    'm.json: devices[0].bus: found unknown bus "nowhere", expected one of root',
  );
  const busless = await resolve({ platform: PLAIN });
  await assertRejects(() => resolveDevice(DEVICE, busless), InputError, "a machine without a bus");
  await assertRejects(() => resolveDevice({ ...DEVICE, use: "./other_device.ts" }, machine), InputError, "ribbon");
});

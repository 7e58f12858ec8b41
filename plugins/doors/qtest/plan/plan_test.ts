import { assertEquals, assertRejects } from "@std/assert";
import { InputError, type Manifest, resolveSource } from "@iova/core";
import { findBoard, planMachine } from "./plan.ts";

const plan = async (manifest: Manifest, version: readonly [number, number] = [7, 2]) => {
  const machine = await resolveSource(manifest);
  return planMachine(machine, findBoard(machine), version);
};
const refused = async (manifest: Manifest) =>
  (await assertRejects(() => plan(manifest), InputError) as InputError).message;

Deno.test("devices become arguments, at the places that they ask for or at free ones", async () => {
  const { machine, args, requesters, cpuEndian } = await plan({
    memory: "16MiB",
    platform: "direct",
    devices: [
      { id: "a", use: "edu", with: { dmaMask: "0xffffffffffffffff" } },
      { id: "b", use: "edu", at: "05.0" },
      { id: "c", use: "edu", at: "05.1" },
    ],
  });
  assertEquals(machine, "pc,memory-backend=ram");
  assertEquals(args, [
    "-device",
    '{"driver":"edu","id":"a","bus":"pci.0","addr":"4.0","dma_mask":18446744073709551615}',
    "-device",
    '{"driver":"edu","id":"b","bus":"pci.0","addr":"5.0","multifunction":true,"dma_mask":268435455}',
    "-device",
    '{"driver":"edu","id":"c","bus":"pci.0","addr":"5.1","multifunction":true,"dma_mask":268435455}',
  ]);
  assertEquals([...requesters], [["a", 0x20], ["b", 0x28], ["c", 0x29]]);
  assertEquals(cpuEndian, [0x20, 0x28, 0x29]);
});

Deno.test("a disk over an image is a block device and a function that names it", async () => {
  const { machine, args } = await plan({
    memory: "16MiB",
    platform: "amd-iommu",
    devices: [{ id: "d", use: "virtio-blk", with: { image: "/tmp/an,image", readOnly: true, vectors: 0 } }],
  });
  assertEquals(machine, "q35,memory-backend=ram");
  assertEquals(args.slice(0, 4), [
    "-device",
    "amd-iommu,intremap=off",
    "-blockdev",
    '{"driver":"raw","node-name":"d-medium0","read-only":true,' +
    '"file":{"driver":"file","filename":"/tmp/an,image","locking":"off"}}',
  ]);
  assertEquals(JSON.parse(args[5]), {
    driver: "virtio-blk-pci",
    id: "d",
    bus: "pcie.0",
    addr: "4.0",
    "disable-modern": false,
    "disable-legacy": "on",
    iommu_platform: true,
    vectors: 0,
    indirect_desc: true,
    event_idx: true,
    packed: false,
    drive: "d-medium0",
    "queue-size": 128,
    "num-queues": 1,
  });
});

Deno.test("what QEMU does not have is refused in the manifest's words", async () => {
  const base: Manifest = { memory: "16MiB", platform: "direct" };
  assertEquals(
    await refused({ ...base, platform: "strict" }),
    'manifest: platform: found "strict", which QEMU does not have, expected one of direct, swiotlb, amd-iommu, pseries-tce',
  );
  assertEquals(
    await refused({ ...base, memory: "1MiB" }),
    "manifest: memory: found 1 MiB, expected 4 MiB to 2 GiB in steps of 4 KiB, as QEMU takes it",
  );
  assertEquals(
    await refused({ ...base, platform: "pseries-tce" }),
    "manifest: memory: found 16 MiB, expected 256 MiB to 2 GiB in steps of 256 MiB, as QEMU takes it",
  );
  assertEquals(
    await refused({ ...base, bus: { bridges: [{ id: "b" }] }, devices: [{ id: "d", use: "edu", bus: "b" }] }),
    "manifest: bus.bridges: found a bridge, expected devices on the root bus only",
  );
  assertEquals(
    await refused({ ...base, devices: [{ id: "d", use: "edu", at: "01.0" }] }),
    'manifest: devices[0].at: found place "01.0", expected device[.function] in hexadecimal, "04.0" to "1e.7"',
  );
  assertEquals(
    await refused({ ...base, devices: [{ id: "d", use: "virtio-blk" }] }),
    "manifest: devices[0].with.image: found nothing, expected one of image and ram",
  );
});

Deno.test("a QEMU whose AMD IOMMU has to be told to translate is told", async () => {
  const manifest: Manifest = { memory: "16MiB", platform: "amd-iommu" };
  const iommu = async (...version: [number, number]) => (await plan(manifest, version)).args[1];
  assertEquals(await iommu(10, 1), "amd-iommu,intremap=off");
  assertEquals([await iommu(10, 2), await iommu(11, 1)], Array(2).fill("amd-iommu,intremap=off,dma-remap=on"));
});

Deno.test("a profile chooses among the machine types that have the platform", async () => {
  const base: Manifest = { memory: "16MiB", platform: "direct" };
  assertEquals((await plan({ ...base, profile: "q35" })).machine, "q35,memory-backend=ram");
  assertEquals(
    await refused({ ...base, platform: "amd-iommu", profile: "pc" }),
    'manifest: profile: found "pc", expected one of q35, where QEMU has platform amd-iommu',
  );
});

Deno.test("slots are microvm's, where QEMU has them", async () => {
  const devices = [{ id: "a", use: "virtio-blk", with: { ram: "64KiB" } }, { id: "b", use: "virtio-net", at: "5" }];
  const base: Manifest = { memory: "16MiB", platform: "direct", bus: { use: "virtio-mmio" }, devices };
  const { machine, args, requesters } = await plan(base);
  assertEquals(machine, "microvm,ioapic2=off,memory-backend=ram");
  assertEquals([...requesters], [["a", 0x08], ["b", 0x30]]);
  const made = args.filter((_, i) => args[i - 1] === "-device").map((text) => JSON.parse(text));
  assertEquals(made.map(({ driver, bus }) => [driver, bus]), [
    ["virtio-blk-device", "virtio-mmio-bus.0"],
    ["virtio-net-device", "virtio-mmio-bus.5"],
  ]);
  assertEquals(
    await refused({ ...base, platform: "amd-iommu" }),
    'manifest: bus: found "virtio-mmio", expected one of pci, where QEMU has platform amd-iommu',
  );
  assertEquals(
    await refused({ ...base, bus: { use: "virtio-mmio", with: { base: 0x1000_0000 } } }),
    "manifest: bus.with.base: found 0x10000000, expected 0xfeb00000, where QEMU has its slots",
  );
});

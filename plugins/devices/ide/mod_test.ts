import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type BlockDriver, BlockStatus } from "@iova/block";
import { checkImageWrites } from "@iova/block/testing";
import { InputError, loadMachine, type Machine, type Manifest } from "@iova/core";
import { pciGuest } from "@iova/pci";
import type { IdeDriver } from "./mod.ts";

const IMAGE = new URL("../../../examples/fat12.img", import.meta.url);
const PLATFORMS = ["direct", "strict", "swiotlb", "pseries-tce", "xen-pv", "amd-iommu"];

function manifest(options: Record<string, unknown>, platform: Manifest["platform"] = "direct"): Manifest {
  return { memory: "16MiB", platform, devices: [{ id: "disk0", use: "ide", with: options }] };
}

/** Reads `length` bytes at sector `sector` through the machine. */
async function read(machine: Machine, sector: number, length = 512, driver = machine.driver<BlockDriver>("disk0")) {
  const buffer = machine.guest.heap.require(length, "a buffer", 512);
  const status = await machine.settle(driver.read(sector, buffer, length));
  return [status, machine.guest.memory.bytes(buffer, length).slice()] as const;
}

for (const personality of ["spec", "qemu"]) {
  for (const transfers of ["dma", "pio"]) {
    Deno.test(`blk-io verifies on every platform by its name alone: ${personality}, ${transfers}`, async () => {
      const digests = new Set<unknown>();
      for (const platform of PLATFORMS) {
        const machine = await loadMachine({
          ...manifest({ ram: "512KiB", personality, transfers }, platform),
          workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", count: 60, blockSize: 8192 } }],
        });
        const report = await machine.run();
        assert(report.verified, `${platform}: ${report.workloads[0].failure}`);
        digests.add(report.workloads[0].details.sha256);
        const { dma } = report.devices[0];
        assertEquals([dma.maps - dma.unmaps, dma.coherentBytes], [0, 0], platform);
        assertEquals(dma.maps > 0, transfers === "dma");
        assertEquals(report.warnings, [], platform);
      }
      assertEquals(digests.size, 1);
    });
  }
}

Deno.test("Xen grants have no 32-bit addresses, and the driver says so in one error", async () => {
  const error = await assertRejects(() => loadMachine(manifest({ ram: "64KiB" }, "xen-grant")), InputError);
  assertEquals(
    error.message,
    'device "disk0": found a platform that refuses bus addresses of 32 bits (EIO), ' +
      'expected one that gives them, as an IDE region descriptor holds no more, or "transfers": "pio"',
  );
});

Deno.test("a workload in pieces of a CD-ROM's blocks is bad input, not a failed one", async () => {
  const machine = await loadMachine({
    ...manifest({ primaryMaster: { kind: "cdrom", ram: "64KiB" } }),
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "randread", blockSize: 512 } }],
  });
  const error = await assertRejects(() => machine.run(), InputError);
  assertStringIncludes(error.message, "with.blockSize: found 512 bytes, expected a multiple of 2048 bytes");
  machine.stop();
});

Deno.test("by PIO a disk works where no bus addresses of 32 bits are to be had, and is given no bus mastering", async () => {
  const machine = await loadMachine({
    ...manifest({ ram: "64KiB", transfers: "pio" }, "xen-grant"),
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", count: 60 } }],
  });
  const masters = ({ guest }: Machine) => pciGuest(guest).devices.filter((fn) => (fn.configRead(4, 2) & 4) !== 0);
  const mastering = masters(machine).length;
  const report = await machine.run();
  assert(report.verified, report.workloads[0].failure ?? "");
  assertEquals([mastering, report.devices[0].dma.maps, report.warnings], [0, 0, []]);
  const other = await loadMachine(manifest({ ram: "64KiB" }));
  assertEquals(masters(other).length, 1);
  other.stop();
});

Deno.test("a real image is read through the whole machine, and no platform changes a byte", async () => {
  for (const platform of PLATFORMS) {
    const machine = await loadMachine(manifest({ image: IMAGE.pathname, readOnly: true }, platform));
    const [status, bytes] = await read(machine, 0, 4096);
    assertEquals(status, BlockStatus.OK);
    assertEquals(bytes, Deno.readFileSync(IMAGE).slice(0, 4096));
    const driver = machine.driver<BlockDriver>("disk0");
    assertEquals([driver.readOnly, driver.capacity * 512], [true, Deno.statSync(IMAGE).size]);
    machine.stop();
  }
});

Deno.test("blk-copy copies an IDE disk as it copies any other", async () => {
  const to = Deno.makeTempFileSync();
  try {
    const machine = await loadMachine({
      ...manifest({ image: IMAGE.pathname, readOnly: true }, "amd-iommu"),
      workload: [{ use: "blk-copy", device: "disk0", with: { to } }],
    });
    assert((await machine.run()).verified);
    assertEquals(Deno.readFileSync(to), Deno.readFileSync(IMAGE));
  } finally {
    Deno.removeSync(to);
  }
});

Deno.test("four drives are four block devices beside each other, each with its own numbers", async () => {
  const machine = await loadMachine(manifest({
    primaryMaster: { ram: "64KiB", serial: "FIRST" },
    primarySlave: { ram: "1MiB", model: "A SLAVE", wwn: "0x5000c50012345678", cylinders: 8, heads: 4, sectors: 32 },
    secondaryMaster: { kind: "cdrom", ram: "128KiB" },
    secondarySlave: { image: IMAGE.pathname, readOnly: true },
  }, "strict"));
  const driver = machine.driver<IdeDriver>("disk0");
  const facts = driver.units.map((unit) => unit!.facts);
  assertEquals(facts.map(({ capacity }) => capacity), [128, 2048, 256, Deno.statSync(IMAGE).size / 512]);
  assertEquals(facts.map(({ model }) => model), ["QEMU HARDDISK", "A SLAVE", "QEMU DVD-ROM", "QEMU HARDDISK"]);
  assertEquals(facts.map(({ serial }) => serial), ["FIRST", "QM00002", "QM00003", "QM00004"]);
  assertEquals(facts.map(({ firmware }) => firmware), ["2.5+", "2.5+", "2.5+", "2.5+"]);
  assertEquals(driver.units.map((unit) => unit!.readOnly), [false, false, true, true]);
  assertEquals([driver.capacity, await driver.serial()], [128, "FIRST"]);
  for (const unit of driver.units) assertEquals((await read(machine, 0, 2048, unit!))[0], BlockStatus.OK);
  assertEquals((await read(machine, 0, 512, driver.units[3]!))[1], Deno.readFileSync(IMAGE).slice(0, 512));
  machine.stop();
});

Deno.test("a CD-ROM is copied block by block, by the bus master and by PIO", async () => {
  for (const transfers of ["dma", "pio"]) {
    for (const personality of ["spec", "qemu"]) {
      const machine = await loadMachine(
        manifest({ secondaryMaster: { kind: "cdrom", ram: "512KiB" }, transfers, personality }, "amd-iommu"),
      );
      const driver = machine.driver<BlockDriver>("disk0");
      assertEquals([driver.readOnly, driver.capacity], [true, 1024]);
      const [status, bytes] = await read(machine, 8, 128 * 1024);
      assertEquals(status, BlockStatus.OK);
      const disk = new (await import("@iova/block")).RamBackend(512 * 1024);
      assertEquals(bytes, disk.bytes.slice(4096, 4096 + 128 * 1024));
      assertEquals((await read(machine, 1, 2048))[0], BlockStatus.IO_ERROR, "not a whole block");
      assertEquals((await read(machine, 1020, 4096))[0], BlockStatus.IO_ERROR, "beyond the disc");
      machine.stop();
    }
  }
});

Deno.test("a controller without drives, and one with an empty CD-ROM, are machines as well", async () => {
  const empty = await loadMachine(manifest({}));
  assertEquals(empty.driver("disk0").drives, "nothing");
  empty.stop();
  const tray = await loadMachine(manifest({ secondaryMaster: { kind: "cdrom" } }));
  assertEquals(tray.driver<BlockDriver>("disk0").capacity, 0);
  tray.stop();
});

Deno.test("what is written and flushed is in the image afterwards", () => checkImageWrites("ide"));

Deno.test("a drive with a snapshot takes writes, and its image stays as it was", async () => {
  const before = Deno.readFileSync(IMAGE);
  const machine = await loadMachine(manifest({ secondarySlave: { image: IMAGE.pathname, snapshot: true } }));
  const driver = machine.driver<BlockDriver>("disk0");
  const buffer = machine.guest.heap.require(512, "a buffer", 512);
  machine.guest.memory.bytes(buffer, 512).fill(0x77);
  assertEquals([driver.readOnly, await machine.settle(driver.write(3, buffer, 512))], [false, BlockStatus.OK]);
  assertEquals((await read(machine, 3))[1], new Uint8Array(512).fill(0x77));
  machine.stop();
  assertEquals(Deno.readFileSync(IMAGE), before);
});

Deno.test("a surprise removal fails what is in flight, and what comes later", async () => {
  const machine = await loadMachine(manifest({ ram: "1MiB", burstTime: "1ms" }));
  const buffer = machine.guest.heap.require(512, "a buffer", 512);
  const driver = machine.driver<BlockDriver>("disk0");
  const flying = driver.read(0, buffer, 512);
  machine.remove("disk0", "surprise");
  assertEquals(await machine.settle(flying), BlockStatus.DEVICE_GONE);
  assertEquals(await machine.settle(driver.read(0, buffer, 512)), BlockStatus.DEVICE_GONE);
  assertEquals(machine.interrupts.isAsserted(14), false);
  assertEquals([0x1f7, 0x3f6, 0x177, 0x376].map((port) => machine.guest.ioRead(port, 1)), [0xff, 0xff, 0xff, 0xff]);
  machine.stop();
});

Deno.test("it stands beside the ISA bridge of a PC, and elsewhere at the first free place", async () => {
  const places: number[] = [];
  for (const profile of ["pc", undefined]) {
    const machine = await loadMachine({ ...manifest({ ram: "64KiB" }), ...(profile && { profile }) });
    places.push(machine.device("disk0").port.requester);
    assertEquals((await read(machine, 1))[0], BlockStatus.OK);
    machine.stop();
  }
  assertEquals(places, [0x09, 0x08]);
});

Deno.test("bad options name the file, the path, what was found and what was expected", async () => {
  const cases: [options: Record<string, unknown>, message: string][] = [
    [{ primaryMaster: {} }, "devices[0].with.primaryMaster: found neither image nor ram, expected one of the two"],
    [{ image: "a", ram: "1MiB" }, "devices[0].with: found both image and ram, expected one of the two"],
    [{ ram: "1MiB", primaryMaster: { ram: 512 } }, "devices[0].with: found primaryMaster and ram, expected one of"],
    [{ primarySlave: { ram: 1000 } }, "devices[0].with.primarySlave.ram: found 1000 bytes, expected a multiple of 512"],
    [{ primarySlave: { kind: "cdrom", ram: 512 } }, "primarySlave.ram: found 512 bytes, expected a multiple of 2048"],
    [{ primarySlave: { kind: "tape", ram: 512 } }, 'primarySlave.kind: found "tape", expected one of "disk", "cdrom"'],
    [{ primaryMaster: { ram: 512, modle: "x" } }, 'primaryMaster.modle: found unknown option "modle"'],
    [{ primaryMaster: { ram: 512, model: "Größe" } }, 'primaryMaster.model: found "Größe", expected printable ASCII'],
    [{ primaryMaster: { ram: 512, heads: 4 } }, "found 1 of cylinders, heads, sectors, expected all three, or none"],
    [{ primaryMaster: { image: "/nowhere/at.all" } }, 'with.primaryMaster.image: found "/nowhere/at.all", which does'],
    [
      { primarySlave: { ram: 512, overlay: "x" } },
      "devices[0].with.primarySlave.overlay: found an overlay over memory",
    ],
    [{ ram: "1MiB", faultPolicy: "ignore" }, 'devices[0].with.faultPolicy: found "ignore", expected one of "abort"'],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(() => loadMachine(manifest(options)), InputError);
    assertStringIncludes(error.message, message);
  }
});

Deno.test("a second controller is refused: the legacy ports are taken", async () => {
  const two = { ...manifest({ ram: "64KiB" }) };
  two.devices = [...two.devices!, { id: "disk1", use: "ide", with: { ram: "64KiB" } }];
  const error = await assertRejects(() => loadMachine(two), InputError);
  assertStringIncludes(error.message, "devices[1]");
  assertStringIncludes(error.message, "one IDE controller in a machine");
});

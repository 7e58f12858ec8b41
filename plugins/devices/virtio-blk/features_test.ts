import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { asResizable, BlockOp, BlockStatus } from "@iova/block";
import { InputError, loadMachine, type Machine, type Manifest } from "@iova/core";
import type { VirtioBlockDriver } from "./driver.ts";

function manifest(options: Record<string, unknown>, more: Partial<Manifest> = {}): Manifest {
  return { memory: "8MiB", platform: "strict", devices: [{ id: "d", use: "virtio-blk", with: options }], ...more };
}

/** Runs with a machine of one disk. */
async function withDisk(
  options: Record<string, unknown>,
  use: (machine: Machine, driver: VirtioBlockDriver, buffer: number) => Promise<void>,
  more: Partial<Manifest> = {},
): Promise<void> {
  const machine = await loadMachine(manifest({ ram: "1MiB", ...options }, more));
  const buffer = machine.guest.heap.require(64 * 1024, "a buffer", 4096);
  await use(machine, machine.driver<VirtioBlockDriver>("d"), buffer);
  machine.stop();
}

const CONTENT = { pattern: "mixed", count: 60, depth: 16 };

Deno.test("every transport, interface, kind of interrupt and personality serves a verified workload", async () => {
  const grid: [transport: string, driverInterface: string, bus: Manifest["bus"], platform: string][] = [
    ["modern", "modern", undefined, "strict"],
    ["transitional", "modern", undefined, "strict"],
    ["transitional", "legacy", undefined, "direct"],
    ["legacy", "legacy", undefined, "strict"],
    ["modern", "modern", { use: "virtio-mmio" }, "strict"],
    ["legacy", "legacy", { use: "virtio-mmio" }, "strict"],
  ];
  for (const [transport, driverInterface, bus, platform] of grid) {
    for (const vectors of bus === undefined ? [0, 1, 2, 5] : [2]) {
      for (const personality of ["spec", "qemu"]) {
        const options = { ram: "256KiB", queues: 4, transport, driverInterface, vectors, personality };
        const workload = [{ use: "blk-io", device: "d", with: CONTENT }];
        const machine = await loadMachine(manifest(options, { platform, workload, ...(bus && { bus }) }));
        const report = await machine.run();
        assertEquals([report.verified, report.warnings], [true, []], JSON.stringify([options, bus]));
      }
    }
  }
});

Deno.test("U17: a legacy driver on a device of bus addresses is a fault wherever a platform translates", async () => {
  const options = { transport: "transitional", driverInterface: "legacy" };
  await withDisk(options, async (machine, driver, buffer) => {
    const before = machine.guest.memory.bytes(buffer, 4).slice();
    const status = await machine.settle(driver.read(0, buffer, 512));
    assertEquals(status, BlockStatus.DEVICE_GONE, "the device found no ring and fell silent");
    assertEquals(machine.guest.memory.bytes(buffer, 4).slice(), before);
    assert(machine.device("d").port.stats.faults > 0);
  });
  await withDisk({ ...options, accessPlatform: false }, async (machine, driver, buffer) => {
    assertEquals(await machine.settle(driver.read(0, buffer, 512)), BlockStatus.OK);
  });
});

Deno.test("a legacy driver whose platform makes addresses beyond its 32 bits of page number says so", async () => {
  const options = { ram: "1MiB", transport: "legacy", driverAddressing: "always-dma-api" };
  const platform = { use: "direct", with: { offset: "0x100000000000" } };
  const bad = manifest(options, { platform, devices: [{ id: "d", use: "virtio-blk", bypass: false, with: options }] });
  const error = await assertRejects(() => loadMachine(bad), InputError);
  assertStringIncludes(
    error.message,
    "no memory for the ring of a legacy virtio interface, which must lie below 16 TiB",
  );
});

Deno.test("where memory is restricted a device must have both bits, or is given up in one error", async () => {
  const restricted = { ram: "1MiB", driverAddressing: "restricted" };
  await withDisk(restricted, async (machine, driver, buffer) => {
    assertEquals(await machine.settle(driver.read(0, buffer, 512)), BlockStatus.OK);
  });
  for (
    const [options, bit] of [[{ accessPlatform: false }, "ACCESS_PLATFORM"], [{ transport: "legacy" }, "VERSION_1"]]
  ) {
    const bad = manifest({ ...restricted, ...options as object });
    const error = await assertRejects(() => loadMachine(bad), InputError);
    assertEquals(
      error.message,
      `device "d": found restricted memory (device must provide VIRTIO_F_${bit}), ` +
        "expected a device that uses bus addresses, and says so",
    );
  }
});

Deno.test("what a legacy interface cannot have is refused where it is asked for", async () => {
  for (const name of ["packed", "inOrder", "notificationData", "notifConfigData", "orderPlatform"]) {
    const bad = manifest({ ram: "1MiB", transport: "legacy", [name]: true });
    const error = await assertRejects(() => loadMachine(bad), InputError);
    assertStringIncludes(
      error.message,
      `with.${name}: found true beside "transport": "legacy", expected a modern interface`,
    );
  }
  const error = await assertRejects(
    () => loadMachine(manifest({ ram: "1MiB", driverInterface: "legacy" })),
    InputError,
  );
  assertStringIncludes(error.message, 'with.driverInterface: found "legacy" beside "transport": "modern"');
});

Deno.test("a device of one interrupt vector falls back to its pin; each of several queues is used", async () => {
  await withDisk({ queues: 3, vectors: 4, queueSize: 8 }, async (machine, driver, buffer) => {
    assertEquals(driver.queueDepth, 24);
    const done: number[] = [];
    driver.onComplete = (tag, status) => void (status === BlockStatus.OK && done.push(tag));
    for (let tag = 0; tag < 24; tag++) assert(driver.submit(BlockOp.READ, tag, buffer + 512 * tag, 512, tag));
    assertEquals(driver.submit(BlockOp.READ, 0, buffer, 512, 24), false);
    driver.kick();
    machine.scheduler.settle();
    assertEquals(done.length, 24);
    assertEquals(machine.interrupts.count, 3, "one for each queue");
    assertEquals(await machine.settle(driver.read(0, buffer, 512)), BlockStatus.OK);
  });
  await withDisk({ queues: 2, vectors: 1 }, async (machine, driver, buffer) => {
    assertEquals(await machine.settle(driver.read(0, buffer, 512)), BlockStatus.OK);
  });
});

Deno.test("discards, zeros and erasures reach the medium; what the device does not offer is unsupported", async () => {
  await withDisk({ secureErase: true }, async (machine, driver, buffer) => {
    const bytes = machine.guest.memory.bytes(buffer, 3 * 512);
    const ops = [driver.discard, driver.writeZeroes, driver.secureErase];
    for (const [i, op] of ops.entries()) {
      assertEquals(await machine.settle(op.call(driver, 10 * i + 1, 512)), BlockStatus.OK);
      assertEquals(await machine.settle(driver.read(10 * i, buffer, 3 * 512)), BlockStatus.OK);
      assertEquals([0, 512, 1024].map((at) => bytes[at] + bytes[at + 4] + bytes[at + 9] === 0), [false, true, false]);
    }
    assertEquals(await machine.settle(driver.writeZeroes(0, 512, true)), BlockStatus.OK);
    assertEquals(await machine.settle(driver.discard(2048, 512)), BlockStatus.IO_ERROR);
  });
  await withDisk({ discard: false, writeZeroes: false }, async (machine, driver) => {
    assertEquals(await machine.settle(driver.discard(0, 512)), BlockStatus.UNSUPPORTED);
    assertEquals(await machine.settle(driver.writeZeroes(0, 512)), BlockStatus.UNSUPPORTED);
    assertEquals(await machine.settle(driver.secureErase(0, 512)), BlockStatus.UNSUPPORTED);
  });
});

Deno.test("requests of every kind keep the DMA API's rules, with their headers mapped once or each time", async () => {
  for (const requestMemory of ["coherent", "streaming"]) {
    for (const packed of [false, true]) {
      const warnings: string[] = [];
      const machine = await loadMachine(
        manifest({ ram: "1MiB", queues: 2, requestMemory, packed, secureErase: true }, { checks: ["dma-debug"] }),
        { listen: ({ type, message }) => type === "warning" && warnings.push(`${message}`) },
      );
      const driver = machine.driver<VirtioBlockDriver>("d");
      const buffer = machine.guest.heap.require(8192, "a buffer", 4096);
      const statuses = await machine.settle(Promise.all([
        driver.read(0, buffer, 4096),
        driver.discard(8, 4096),
        driver.write(16, buffer + 4096, 4096),
        driver.writeZeroes(24, 4096, true),
        driver.secureErase(32, 512),
        driver.flush(),
      ]));
      assertEquals(statuses, new Array(6).fill(BlockStatus.OK));
      machine.stop();
      assertEquals(warnings, [], `${requestMemory}, packed ${packed}`);
    }
  }
});

Deno.test("segments are cut to SIZE_MAX, and transfers to SEG_MAX of them and to whole blocks", async () => {
  await withDisk({ sizeMax: 4096, segMax: 4, blockSize: 2048 }, async (machine, driver, buffer) => {
    assertEquals([driver.maxTransfer, driver.blockSize], [16384, 2048]);
    assertEquals(await machine.settle(driver.read(0, buffer, 16384)), BlockStatus.OK);
    assertEquals(await machine.settle(driver.read(0, buffer, 512)), BlockStatus.IO_ERROR, "no whole block");
  });
});

Deno.test("a resize is noticed by the driver while it works", async () => {
  await withDisk({}, async (machine, driver, buffer) => {
    const seen: number[] = [];
    driver.onResize = (capacity) => void seen.push(capacity);
    const device = asResizable(machine.device("d"))!;
    assertEquals(await machine.settle(driver.read(2048, buffer, 512)), BlockStatus.IO_ERROR);
    assert(device.resize(2 * 1024 * 1024));
    machine.scheduler.settle();
    assertEquals([seen, driver.capacity], [[4096], 4096]);
    assertEquals(await machine.settle(driver.read(2048, buffer, 512)), BlockStatus.OK);
    assertEquals(machine.guest.memory.bytes(buffer, 512).slice(), new Uint8Array(512));
    assertEquals(device.resize(1000), false);
  });
});

Deno.test("the driver looks at the device's cache and switches it", async () => {
  await withDisk({}, (_machine, driver) => {
    assertEquals([driver.writeCache, driver.chooseCache(false), driver.writeCache], [true, true, false]);
    return Promise.resolve();
  });
  await withDisk({ configWce: false }, (_machine, driver) => {
    assertEquals([driver.writeCache, driver.chooseCache(false)], [null, false]);
    return Promise.resolve();
  });
});

Deno.test("a medium that takes time lets many requests wait together", async () => {
  await withDisk({ latency: "100us" }, async (machine, driver, buffer) => {
    const reads = Array.from({ length: 16 }, (_, i) => driver.read(i, buffer + 512 * i, 512));
    assertEquals(await machine.settle(Promise.all(reads)), new Array(16).fill(BlockStatus.OK));
    assert(machine.scheduler.now >= 100e3 && machine.scheduler.now < 200e3, `${machine.scheduler.now}`);
  });
});

Deno.test("an image keeps its content under a snapshot, and under an overlay that remembers", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const image = `${folder}/disk.img`;
    const original = Uint8Array.from({ length: 65536 }, (_, i) => i >>> 4);
    Deno.writeFileSync(image, original);
    const write = async (options: Record<string, unknown>, fill: number, expected: number) => {
      await withDisk({ ram: undefined, image, ...options }, async (machine, driver, buffer) => {
        const bytes = machine.guest.memory.bytes(buffer, 512);
        assertEquals(await machine.settle(driver.read(7, buffer, 512)), BlockStatus.OK);
        assertEquals(bytes[511], expected);
        bytes.fill(fill);
        assertEquals(await machine.settle(driver.write(7, buffer, 512)), BlockStatus.OK);
      });
    };
    await write({ snapshot: true }, 0x11, original[4095]);
    await write({ overlay: `${folder}/disk.overlay` }, 0x22, original[4095]);
    await write({ overlay: `${folder}/disk.overlay` }, 0x33, 0x22);
    assertEquals(Deno.readFileSync(image), original);
    Deno.writeFileSync(image, original.map((byte) => byte ^ 1));
    await assertRejects(
      () => write({ overlay: `${folder}/disk.overlay` }, 0, 0),
      InputError,
      "belongs to another base",
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("bad options name the file, the path, what was found and what was expected", async () => {
  const cases: [options: Record<string, unknown>, message: string][] = [
    [{ blockSize: 1000 }, "devices[0].with.blockSize: found 1000 bytes, expected a power of two"],
    [
      { blockSize: 4096, physicalBlockSize: 512 },
      "devices[0].with.physicalBlockSize: found 512 bytes, expected a power of",
    ],
    [{ ram: "513KiB", blockSize: 4096 }, "devices[0].with.ram: found 513 KiB, expected whole blocks"],
    [{ optIo: 100 }, "devices[0].with.optIo: found 100 bytes, expected whole blocks"],
    [
      { sizeMax: 512, segMax: 7, blockSize: 4096 },
      "with.sizeMax: found 512 bytes, expected segments that hold a block",
    ],
    [{ serial: "Größe" }, 'with.serial: found "Größe", expected printable ASCII'],
    [{ segMax: 127 }, "devices[0].with.segMax: found 127, expected at most 126"],
    [{ snapshot: true }, "devices[0].with.snapshot: found a snapshot of memory, expected an image below it"],
    [{ overlay: "x" }, "devices[0].with.overlay: found an overlay over memory, expected an image below it"],
    [
      { transport: "old" },
      'devices[0].with.transport: found "old", expected one of "modern", "transitional", "legacy"',
    ],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(() => loadMachine(manifest({ ram: "1MiB", ...options })), InputError);
    assertStringIncludes(error.message, message);
  }
});

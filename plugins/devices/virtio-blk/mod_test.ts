import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type BlockDriver, BlockStatus } from "@iova/block";
import { checkImageWrites } from "@iova/block/testing";
import { InputError, loadMachine, type Machine, type Manifest } from "@iova/core";

const IMAGE = new URL("../../../examples/fat12.img", import.meta.url);

function manifest(options: Record<string, unknown>, platform: Manifest["platform"] = "direct"): Manifest {
  return { memory: "8MiB", platform, devices: [{ id: "disk0", use: "virtio-blk", with: options }] };
}

const OFFSET: Manifest["platform"] = { use: "direct", with: { offset: "0x80000000" } };

/** Reads sector `sector` through the machine. */
async function readSector(machine: Machine, sector: number): Promise<[status: BlockStatus, bytes: Uint8Array]> {
  const buffer = machine.guest.heap.require(512, "a buffer", 512);
  const status = await machine.settle(machine.driver<BlockDriver>("disk0").read(sector, buffer, 512));
  return [status, machine.guest.memory.bytes(buffer, 512).slice()];
}

for (const platform of ["direct", "strict", OFFSET] as const) {
  Deno.test(`a sector of a real image is read through the whole machine on ${JSON.stringify(platform)}`, async () => {
    const machine = await loadMachine(manifest({ image: IMAGE.pathname, readOnly: true }, platform));
    const [status, bytes] = await readSector(machine, 0);
    assertEquals(status, BlockStatus.OK);
    assertEquals(bytes, Deno.readFileSync(IMAGE).slice(0, 512));
    const driver = machine.driver<BlockDriver>("disk0");
    assertEquals([driver.readOnly, driver.capacity * 512], [true, Deno.statSync(IMAGE).size]);
    machine.stop();
    const { ringReads, ringWrites, ...counters } = machine.device("disk0").counters();
    assertEquals(counters, { requests: 1, bytes: 512, errors: 0, flushes: 0, breakdowns: 0 });
    // Index, slot, descriptor; the index again; who wants an interrupt; the index once more. Element, index, event.
    assertEquals([ringReads, ringWrites], [6, 3]);
  });
}

Deno.test("what is written and flushed is in the image afterwards", () => checkImageWrites("virtio-blk"));

Deno.test("physical addresses sent to a device of bus addresses work where the two are equal, and fail visibly elsewhere", async () => {
  const same = await loadMachine(manifest({ ram: "1MiB", driverAddressing: "physical" }));
  assertEquals((await readSector(same, 8))[0], BlockStatus.OK);
  same.stop();
  for (const platform of [OFFSET, "strict"] as const) {
    const faults: string[] = [];
    const other = await loadMachine(manifest({ ram: "1MiB", driverAddressing: "physical" }, platform), {
      listen: ({ type, device }) => type === "fault" && faults.push(`${device}`),
    });
    assertEquals((await readSector(other, 8))[0], BlockStatus.DEVICE_GONE);
    assert(faults.length > 0 && faults.every((device) => device === "disk0"), "the bus saw it");
    assertEquals(other.device("disk0").counters().breakdowns, 1);
    other.stop();
  }
});

Deno.test("a device of physical addresses passes the platform, whatever it is", async () => {
  for (const platform of ["direct", "strict", OFFSET] as const) {
    const machine = await loadMachine(manifest({ ram: "1MiB", accessPlatform: false }, platform));
    assertEquals((await readSector(machine, 8))[0], BlockStatus.OK);
    assertEquals(machine.device("disk0").port.stats.faults, 0);
    machine.stop();
  }
});

Deno.test("a surprise removal fails what is in flight", async () => {
  const machine = await loadMachine(manifest({ ram: "1MiB" }));
  const buffer = machine.guest.heap.require(512, "a buffer", 512);
  const read = machine.driver<BlockDriver>("disk0").read(0, buffer, 512);
  machine.remove("disk0", "surprise");
  assertEquals(await machine.settle(read), BlockStatus.DEVICE_GONE);
  machine.stop();
});

Deno.test("a machine too small for the rings says so", async () => {
  const small = { ...manifest({ ram: "64KiB", queueSize: 1024 }), memory: "32KiB" };
  const error = await assertRejects(() => loadMachine(small), InputError);
  assertStringIncludes(error.message, "memory");
});

Deno.test("bad options name the file, the path, what was found and what was expected", async () => {
  const cases: [options: Record<string, unknown>, message: string][] = [
    [{}, "devices[0].with: found neither image nor ram, expected one of the two"],
    [{ image: "a", ram: "1MiB" }, "devices[0].with: found both image and ram, expected one of the two"],
    [{ ram: "1MiB", queueSize: 100 }, "devices[0].with.queueSize: found 100, expected a power of two"],
    [{ ram: "1MiB", queueSize: 2 }, "devices[0].with.queueSize: found 2, expected a whole number, 4 to 1024"],
    [{ ram: 1000 }, "devices[0].with.ram: found 1000 bytes, expected a multiple of 512 bytes"],
    [{ ram: "1MiB", serial: "123456789012345678901" }, "devices[0].with.serial: found "],
    [{ image: "/nowhere/at.all" }, 'devices[0].with.image: found "/nowhere/at.all", which does not exist'],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(() => loadMachine(manifest(options)), InputError);
    assertStringIncludes(error.message, message);
  }
});

import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { GuestMemoryError, InputError, readOptions, type WorkloadResult } from "@iova/core";
import { BlockOp, BlockStatus, openImage, RamBackend } from "@iova/block";
import { type BlockWorld, blockWorld, type BlockWorldOptions } from "@iova/block/testing";
import blkCopy from "./mod.ts";

function run({ settle, context }: BlockWorld, given: Record<string, unknown>): Promise<WorkloadResult> {
  const options = readOptions(blkCopy.options, given, { file: "machine.json", path: "workload[0].with" });
  return settle(blkCopy.run(context, options));
}

/** A world whose paths resolve in a folder of its own, for as long as `use` takes. */
async function inWorld(
  options: BlockWorldOptions,
  use: (world: BlockWorld, folder: string) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "iova-copy-" });
  try {
    await use(blockWorld({ ...options, folder }), folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

for (const order of ["sequential", "random"]) {
  Deno.test(`a copy in ${order} order is the medium, bit by bit, and its SHA-256 is told`, () => {
    // Not a whole number of blocks.
    const backend = new RamBackend(1024 * 1024 - 1536);
    return inWorld({ backend }, async (world, folder) => {
      const result = await run(world, { to: "copy.img", order, blockSize: 4096 });
      assertEquals(Deno.readFileSync(`${folder}/copy.img`), backend.bytes);
      assertEquals(result, {
        verified: true,
        requests: 256,
        bytes: 1024 * 1024 - 1536,
        details: { to: "copy.img", sha256: await sha256(backend.bytes), order },
      });
      assertEquals(world.guest.heap.used, 0);
    });
  });
}

Deno.test("sequential order is in order, and the last block is short", () =>
  inWorld({ backend: new RamBackend(5 * 512) }, async (world) => {
    await run(world, { to: "copy.img", blockSize: 1024 });
    assertEquals(world.driver.log, ["read 0+1024", "read 2+1024", "read 4+512"]);
  }));

Deno.test("random order reads every block once, in an order that follows from the seed", async () => {
  const logs: string[][] = [];
  for (const seed of [1, 1, 2]) {
    await inWorld({}, async (world) => {
      await run(world, { to: "copy.img", order: "random", blockSize: 4096, seed });
      logs.push(world.driver.log);
    });
  }
  const inOrder = Array.from({ length: 256 }, (_, i) => `read ${8 * i}+4096`);
  assertEquals(logs[0], logs[1]);
  assertNotEquals(logs[0], logs[2]);
  assertNotEquals(logs[0], inOrder);
  assertEquals(logs[0].toSorted(), inOrder.toSorted());
});

Deno.test("an older and longer file becomes the copy", () =>
  inWorld({ backend: new RamBackend(4096) }, async (world, folder) => {
    Deno.writeFileSync(`${folder}/copy.img`, new Uint8Array(10_000).fill(1));
    await run(world, { to: "copy.img" });
    assertEquals(Deno.readFileSync(`${folder}/copy.img`), new RamBackend(4096).bytes);
  }));

Deno.test("a block that fails is named and left as zeros, and the others are copied", () => {
  const backend = new RamBackend(16384);
  return inWorld({ backend }, async (world, folder) => {
    world.driver.faults.push({ op: BlockOp.READ, sector: 11, status: BlockStatus.IO_ERROR });
    const result = await run(world, { to: "copy.img", blockSize: 4096 });
    assertEquals([result.verified, result.requests, result.bytes], [false, 4, 12288]);
    assertEquals(result.failure, "1 of 4 blocks could not be read, the first at sector 8: IO_ERROR");
    const expected = backend.bytes.slice();
    expected.fill(0, 4096, 8192);
    assertEquals(Deno.readFileSync(`${folder}/copy.img`), expected);
  });
});

Deno.test("a device that is gone ends the copy", () =>
  inWorld({}, async (world) => {
    world.driver.faults.push({ sector: 16, status: BlockStatus.DEVICE_GONE });
    const result = await run(world, { to: "copy.img", blockSize: 4096, depth: 1 });
    assertEquals(world.driver.log.length, 3);
    assertMatch(result.failure!, /the first at sector 16: DEVICE_GONE$/);
  }));

Deno.test("a driver that refuses everything fails the copy with a reason", () =>
  inWorld({}, async (world) => {
    world.driver.room = 0;
    const result = await run(world, { to: "copy.img" });
    assertEquals(result.verified, false);
    assertMatch(result.failure!, /no buffer could be mapped/);
  }));

Deno.test("a file that is changed while it is written is not verified", () =>
  inWorld({ backend: new RamBackend(16384) }, async (world, folder) => {
    // Somebody else's write, between two blocks.
    world.scheduler.after(250, () => {
      const file = Deno.openSync(`${folder}/copy.img`, { write: true });
      file.writeSync(new Uint8Array([0xff, 0xff]));
      file.close();
    });
    const result = await run(world, { to: "copy.img", blockSize: 4096, depth: 1 });
    assertEquals(result.failure, '"copy.img" differs from what came through the machine in 1 of 4 blocks');
  }));

Deno.test("a file that is truncated while it is written is not verified", () =>
  inWorld({ backend: new RamBackend(16384) }, async (world, folder) => {
    world.scheduler.after(350, () => Deno.truncateSync(`${folder}/copy.img`, 0));
    const result = await run(world, { to: "copy.img", blockSize: 4096, depth: 1 });
    assertEquals(result.verified, false);
    assertMatch(result.failure!, /^"copy\.img" differs from what came through the machine in [34] of 4 blocks$/);
  }));

Deno.test("the image of a machine is not overwritten", () =>
  inWorld({}, async (world, folder) => {
    const path = `${folder}/disk.img`;
    const content = new Uint8Array(512).fill(7);
    Deno.writeFileSync(path, content);
    const image = openImage({ path, readOnly: true, file: "machine.json", optionPath: "devices[0].with.image" });
    const error = await assertRejects(() => run(world, { to: "disk.img" }), InputError);
    image.close();
    assertEquals(
      error.message,
      'machine.json: workload[0].with.to: found "disk.img", which is locked: a machine has it open, expected another file',
    );
    assertEquals(Deno.readFileSync(path), content);
    assertEquals(world.guest.heap.used, 0);
  }));

for (
  const [to, found] of [
    ["nowhere/copy.img", '"nowhere/copy.img", in a folder that does not exist'],
    [".", '".", a directory'],
  ]
) {
  Deno.test(`${to} cannot be written and is bad input`, () =>
    inWorld({}, async (world) => {
      const error = await assertRejects(() => run(world, { to }), InputError);
      assertEquals(
        error.message,
        `machine.json: workload[0].with.to: found ${found}, expected a file that can be written`,
      );
    }));
}

Deno.test("a block size that does not fit is bad input, and no file is made", () =>
  inWorld({}, async (world, folder) => {
    const odd = await assertRejects(() => run(world, { to: "copy.img", blockSize: 1000 }), InputError);
    assertEquals(
      odd.message,
      "machine.json: workload[0].with.blockSize: found 1000 bytes, expected a multiple of 512 bytes",
    );
    await assertRejects(() => run(world, { to: "copy.img", blockSize: "2MiB" }), InputError, "at most 1 MiB");
    await assertRejects(() => run(world, { to: "copy.img", depth: 1024 }), GuestMemoryError);
    assertEquals([...Deno.readDirSync(folder)], []);
  }));

Deno.test("what was read is observed, in order", () =>
  inWorld({ backend: new RamBackend(8192), observing: true }, async (world) => {
    await run(world, { to: "copy.img", blockSize: 4096 });
    assertEquals(world.observations.length, 2);
    assertMatch(world.observations[1], /^read sector=8 len=4096 status=0 content=[0-9a-f]{16}$/);
  }));

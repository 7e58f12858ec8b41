import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { GuestMemoryError, InputError, readOptions, type WorkloadResult } from "@iova/core";
import { type BlockBackend, BlockOp, BlockStatus, RamBackend } from "@iova/block";
import { type BlockWorld, blockWorld } from "@iova/block/testing";
import blkIo from "./mod.ts";

function options(given: Record<string, unknown>) {
  return readOptions(blkIo.options, given, { file: "machine.json", path: "workload[0].with" });
}

function run({ settle, context }: BlockWorld, given: Record<string, unknown>): Promise<WorkloadResult> {
  return settle(blkIo.run(context, options(given)));
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The part of a run's log before the second look, and what that second look did. */
function requests(world: BlockWorld, count: number): string[] {
  return world.driver.log.slice(0, count);
}

Deno.test("read goes through the region in order, and again from its start", async () => {
  const world = blockWorld();
  const result = await run(world, { blockSize: 512, offset: 1024, length: 2048, count: 6 });
  assertEquals(requests(world, 6), [
    "read 2+512",
    "read 3+512",
    "read 4+512",
    "read 5+512",
    "read 2+512",
    "read 3+512",
  ]);
  assertEquals([result.verified, result.requests, result.bytes], [true, 6, 3072]);
});

Deno.test("without a count every block is read once, and the checksum is the image's, tail included", async () => {
  const backend = new RamBackend(10 * 512);
  const world = blockWorld({ backend });
  const result = await run(world, { blockSize: 2048 });
  assertEquals(requests(world, 2), ["read 0+2048", "read 4+2048"]);
  assertEquals(result.requests, 2);
  assertEquals(result.details!.sha256, await sha256(backend.bytes));
  assertEquals(result.verified, true);
});

Deno.test("the second look reads the region in longer requests", async () => {
  const world = blockWorld();
  await run(world, { blockSize: 4096, depth: 8 });
  const log = world.driver.log.slice(256);
  assertEquals(log.slice(0, 2), ["read 0+32768", "read 64+32768"]);
  assertEquals(log.length, 32);
});

Deno.test("randread reads many different blocks, all within the region, the same for the same seed", async () => {
  const logs: string[][] = [];
  for (const seed of [5, 5, 6]) {
    const world = blockWorld();
    await run(world, { pattern: "randread", offset: 65536, length: 262144, count: 200, seed, verify: false });
    logs.push(world.driver.log);
  }
  assertEquals(logs[0], logs[1]);
  assertNotEquals(logs[0], logs[2]);
  const sectors = logs[0].map((line) => Number(/^read (\d+)\+4096$/.exec(line)![1]));
  assertEquals(sectors.every((sector) => sector >= 128 && sector < 640 && sector % 8 === 0), true);
  assertEquals(new Set(sectors).size > 50, true);
});

Deno.test("write fills the region with content that differs in every sector, and nothing outside it", async () => {
  const backend = new RamBackend(65536);
  const before = backend.bytes.slice();
  const world = blockWorld({ backend });
  const result = await run(world, { pattern: "write", offset: 8192, length: 32768, seed: 3 });
  assertEquals([result.verified, result.details!.writes, result.bytes], [true, 8, 32768]);
  assertEquals(backend.bytes.subarray(0, 8192), before.subarray(0, 8192));
  assertEquals(backend.bytes.subarray(40960), before.subarray(40960));
  const view = new DataView(backend.bytes.buffer);
  const sectors = new Set<string>();
  for (let at = 8192; at < 40960; at += 512) {
    // The number of the sector, then its generation.
    assertEquals([view.getUint32(at, true), view.getUint32(at + 4, true)], [at / 512, 1]);
    sectors.add(backend.bytes.subarray(at + 8, at + 512).join());
  }
  assertEquals(sectors.size, 64);
  assertEquals(result.details!.sha256, await sha256(backend.bytes.subarray(8192, 40960)));
});

Deno.test("a block that is written again holds its latest generation", async () => {
  const backend = new RamBackend(8192);
  const world = blockWorld({ backend });
  const result = await run(world, { pattern: "write", count: 5, depth: 4 });
  assertEquals(result.verified, true);
  const view = new DataView(backend.bytes.buffer);
  assertEquals([view.getUint32(4, true), view.getUint32(4096 + 4, true)], [3, 2]);
});

Deno.test("two requests for one block are never in flight together when something is written", async () => {
  const backend = new RamBackend(8192);
  const world = blockWorld({ backend });
  const result = await run(world, { pattern: "randwrite", count: 500, depth: 32, verify: false });
  assertEquals(result.verified, true);
  // Two blocks: at most two requests.
  assertEquals(world.driver.mostFlying, 2);
});

Deno.test("mixed reads and writes in the given proportion", async () => {
  const world = blockWorld();
  const { details, verified } = await run(world, { pattern: "mixed", mixRead: 80, count: 2000 });
  assertEquals(verified, true);
  assertEquals(Number(details!.reads) + Number(details!.writes), 2000);
  assertEquals(Number(details!.reads) > 1500 && Number(details!.reads) < 1700, true);
});

Deno.test("flushEvery flushes after as many writes, and the last flush comes after every write", async () => {
  const world = blockWorld({ backend: new RamBackend(65536) });
  const { details } = await run(world, { pattern: "write", count: 10, flushEvery: 4, depth: 1, verify: false });
  const short = world.driver.log.map((line) => line[0]).join("");
  assertEquals(short, "wwwwfwwwwfwwf");
  assertEquals(details!.flushes, 3);
});

Deno.test("a run that only reads does not flush", async () => {
  const world = blockWorld();
  await run(world, { pattern: "mixed", mixRead: 100, count: 50 });
  assertEquals(world.driver.flushes, 0);
});

Deno.test("as many requests as the depth are in flight, and no more than the queue holds", async () => {
  const deep = blockWorld();
  await run(deep, { depth: 16 });
  assertEquals(deep.driver.mostFlying, 16);
  const shallow = blockWorld({ queueDepth: 5 });
  await run(shallow, { depth: 16 });
  assertEquals(shallow.driver.mostFlying, 5);
});

Deno.test("latency is told in virtual nanoseconds", async () => {
  const world = blockWorld();
  const { details } = await run(world, { depth: 1, count: 10, verify: false });
  assertEquals([details!.latencyMinNs, details!.latencyMeanNs, details!.latencyMaxNs], [100, 100, 100]);
  assertEquals(details!.elapsedNs, 1000);
});

Deno.test("a driver that refuses for a while gets the same requests in the same order", async () => {
  const free = blockWorld();
  await run(free, { pattern: "randread", count: 300, seed: 1 });
  const tight = blockWorld();
  tight.driver.room = 3;
  const result = await run(tight, { pattern: "randread", count: 300, seed: 1 });
  assertEquals(result.verified, true);
  assertEquals(tight.driver.log, free.driver.log);
});

Deno.test("a driver that refuses everything fails the run with a reason", async () => {
  const world = blockWorld();
  world.driver.room = 0;
  const result = await run(world, {});
  assertEquals([result.verified, result.requests], [false, 0]);
  assertEquals(
    result.failure,
    "the driver refused a request while none was in flight: no buffer could be mapped",
  );
});

/** A medium that does what `spoil` does to every read. */
function spoiled(backend: BlockBackend, spoil: (position: number, bytes: Uint8Array, offset: number) => void) {
  return {
    ...{ size: backend.size, readOnly: false, flush: () => true, close: () => {} },
    write: (...request: Parameters<BlockBackend["write"]>) => backend.write(...request),
    read: (position: number, bytes: Uint8Array, offset: number, length: number) => {
      const done = backend.read(position, bytes, offset, length);
      spoil(position, bytes, offset);
      return done;
    },
  } as BlockBackend;
}

Deno.test("a block that reads differently the second time is not verified", async () => {
  let reads = 0;
  const backend = spoiled(new RamBackend(16384), (position, bytes, offset) => {
    // One bit, of one block, in one of its readings.
    if (position === 8192 && ++reads === 2) bytes[offset + 100] ^= 4;
  });
  const result = await run(blockWorld({ backend }), { count: 8, depth: 2 });
  assertEquals(result.verified, false);
  assertEquals(result.failure, "1 block wrong, first: sector 16 is not what it was");
});

Deno.test("a block that only the second look reads differently is not verified", async () => {
  let reads = 0;
  const backend = spoiled(new RamBackend(16384), (_position, bytes, offset) => {
    if (++reads > 4) bytes[offset + 4096 * 3] ^= 1;
  });
  const result = await run(blockWorld({ backend }), { depth: 4 });
  assertEquals(result.failure, "1 block wrong, first: sector 24 is not what was read before");
});

Deno.test("a byte that is not what was written is found, with its place", async () => {
  const backend = spoiled(new RamBackend(16384), (_position, bytes, offset) => bytes[offset + 4096 + 1000] ^= 0xff);
  const result = await run(blockWorld({ backend }), { pattern: "write", seed: 2 });
  assertEquals(result.failure, "1 block wrong, first: sector 8 is not what was written, from byte 1000 on");
});

Deno.test("a write that was acknowledged and lost is found", async () => {
  const ram = new RamBackend(16384);
  const backend = spoiled(ram, () => {});
  backend.write = (position, ...rest) => position === 4096 || ram.write(position, ...rest);
  const result = await run(blockWorld({ backend }), { pattern: "randwrite", count: 40 });
  assertEquals(result.verified, false);
  assertMatch(result.failure!, /^1 block wrong, first: sector 8 is not what was written, from byte \d+ on$/);
});

Deno.test("a failing sector is named with its status, and the others are still read", async () => {
  const world = blockWorld({ backend: new RamBackend(65536) });
  world.driver.faults.push({ op: BlockOp.READ, sector: 33, status: BlockStatus.IO_ERROR });
  const result = await run(world, { verify: false });
  assertEquals([result.verified, result.requests, result.bytes], [false, 16, 65536 - 4096]);
  assertEquals(result.failure, "1 request failed, first: the read of sector 32: IO_ERROR");
});

Deno.test("a device that is gone ends the run at once", async () => {
  const world = blockWorld();
  world.driver.faults.push({ sector: 80, status: BlockStatus.DEVICE_GONE });
  const result = await run(world, { depth: 1 });
  assertEquals(result.failure, "1 request failed, first: the read of sector 80: DEVICE_GONE");
  assertEquals(world.driver.log.length, 11);
});

Deno.test("a flush that fails is not verified", async () => {
  const world = blockWorld();
  world.driver.faults.push({ op: BlockOp.FLUSH, status: BlockStatus.IO_ERROR });
  const result = await run(world, { pattern: "write", count: 1 });
  assertEquals(result.failure, "1 request failed, first: a flush: IO_ERROR");
});

Deno.test("an expected SHA-256 is compared, and a wrong one is not verified", async () => {
  const backend = new RamBackend(65536);
  const right = await sha256(backend.bytes);
  assertEquals((await run(blockWorld({ backend }), { sha256: right.toUpperCase() })).verified, true);
  const wrong = right.replace(/^./, right[0] === "0" ? "1" : "0");
  const result = await run(blockWorld({ backend }), { sha256: wrong });
  assertEquals(result.failure, `the region's SHA-256 is ${right}, not ${wrong}`);
});

Deno.test("observations tell operation, place, status and content, and no address or time", async () => {
  const seen: string[][] = [];
  for (const memory of [1024 * 1024, 2 * 1024 * 1024]) {
    const world = blockWorld({ observing: true, memory, backend: new RamBackend(8192) });
    if (memory > 1024 * 1024) world.guest.heap.require(123456, "something in the way");
    await run(world, { pattern: "mixed", count: 20, seed: 9, flushEvery: 5 });
    seen.push(world.observations);
  }
  assertEquals(seen[0], seen[1]);
  const form = /^(read|write|flush) sector=\d+ len=\d+ status=0( content=[0-9a-f]{16})?$|^sha256=[0-9a-f]{64}$/;
  for (const line of seen[0]) assertMatch(line, form);
});

Deno.test("nothing is observed when nobody compares", async () => {
  const world = blockWorld();
  await run(world, { count: 5 });
  assertEquals(world.observations, []);
});

for (
  const [given, message] of [
    [{ blockSize: 1000 }, "blockSize: found 1000 bytes, expected a multiple of 512 bytes"],
    [{ offset: 100 }, "offset: found 100 bytes, expected a multiple of 512 bytes"],
    [{ length: 1000 }, "length: found 1000 bytes, expected a multiple of 512 bytes"],
    [{ offset: "1MiB" }, "offset: found 1 MiB, expected less than the device's 1 MiB"],
    [{ length: "2MiB" }, "length: found 2 MiB, expected at most the 1 MiB there are"],
    [{ offset: "512KiB", length: "1MiB" }, "length: found 1 MiB, expected at most the 512 KiB there are"],
    [{ blockSize: "2MiB" }, "blockSize: found 2 MiB, expected at most 1 MiB, the driver's longest transfer"],
    [{ length: 2048 }, "blockSize: found 4 KiB, expected at most the region's 2 KiB"],
    [{ sha256: "abc" }, 'sha256: found "abc", expected 64 hexadecimal digits'],
    [{ sha256: "0".repeat(64), verify: false }, 'verify: found false, expected true, as "sha256" is given'],
  ] as const
) {
  Deno.test(`${JSON.stringify(given)} does not fit and is bad input`, async () => {
    const error = await assertRejects(() => run(blockWorld(), given), InputError);
    assertEquals(error.message, `machine.json: workload[0].with.${message}`);
  });
}

Deno.test("buffers that do not fit into guest memory are named with the memory that they need", async () => {
  const error = await assertRejects(() => run(blockWorld({ memory: 65536 }), { depth: 64 }), GuestMemoryError);
  assertEquals([error.what, error.bytes], ["the buffers of blk-io", 262144]);
});

Deno.test("only patterns that write need a device that can be written", () => {
  const needs = ["read", "write", "randread", "randwrite", "mixed"].map((pattern) =>
    blkIo.writes!(options({ pattern }))
  );
  assertEquals(needs, [false, true, false, true, true]);
  assertEquals(blkIo.writes!(options({ pattern: "mixed", mixRead: 100 })), false);
});

Deno.test("guest memory is given back", async () => {
  const world = blockWorld();
  await run(world, { count: 10 });
  assertEquals(world.guest.heap.used, 0);
});

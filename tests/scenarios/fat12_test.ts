// A small file system through the whole machine: copied bit by bit, and never written when it must not be.

import { assertEquals, assertRejects } from "@std/assert";
import { type DeviceEntry, InputError, loadMachine, type Manifest, type WorkloadEntry } from "@iova/core";
import { ROOT } from "../architecture/tree.ts";
import { inFolder, PLATFORMS, sha256Of } from "./scenario.ts";

const IMAGE = `${ROOT}/examples/fat12.img`;

/** A machine with one disk, `disk.img`. */
function manifest(platform: string, disk: DeviceEntry["with"], ...workload: WorkloadEntry[]): Manifest {
  return {
    memory: "16MiB",
    platform,
    devices: [{ id: "disk0", use: "virtio-blk", with: { image: "disk.img", ...disk } }],
    workload: workload.map((entry) => ({ device: "disk0", ...entry })),
  };
}

/** A folder with a copy of the image, dated long ago, as `disk.img`. */
function withImage(use: (folder: string) => Promise<void>): Promise<void> {
  return inFolder(async (folder) => {
    Deno.copyFileSync(IMAGE, `${folder}/disk.img`);
    Deno.utimeSync(`${folder}/disk.img`, 1000, 1000);
    await use(folder);
  });
}

/** Bytes and date of the image are what they were. */
function assertUntouched(folder: string): void {
  assertEquals(Deno.readFileSync(`${folder}/disk.img`), Deno.readFileSync(IMAGE));
  assertEquals(Deno.statSync(`${folder}/disk.img`).mtime, new Date(1_000_000));
}

for (const platform of PLATFORMS) {
  for (const order of ["sequential", "random"]) {
    Deno.test(`a FAT image copied in ${order} order on ${platform} is bit-identical, and the image is not touched`, () =>
      withImage(async (base) => {
        const copy = { use: "blk-copy", with: { to: "copy.img", order, blockSize: 1024 } };
        const machine = await loadMachine(manifest(platform, { readOnly: true }, copy), { base });
        const report = await machine.run();
        assertEquals(report.verified, true);
        assertEquals(report.warnings, []);
        assertEquals(report.workloads[0].details.sha256, await sha256Of(IMAGE));
        assertEquals(Deno.readFileSync(`${base}/copy.img`), Deno.readFileSync(IMAGE));
        assertUntouched(base);
      }));
  }

  Deno.test(`a copy, then writes, then a copy on ${platform}: the second copy is the image as it ends`, () =>
    withImage(async (base) => {
      const workload = [
        { use: "blk-copy", with: { to: "before.img" } },
        { use: "blk-io", with: { pattern: "mixed", count: 500, blockSize: 1024, flushEvery: 50, offset: 65536 } },
        { use: "blk-copy", with: { to: "after.img", order: "random", blockSize: 512 } },
      ];
      const report = await (await loadMachine(manifest(platform, {}, ...workload), { base })).run();
      assertEquals(report.workloads.map(({ verified, failure }) => failure ?? verified), [true, true, true]);
      assertEquals(await sha256Of(`${base}/before.img`), await sha256Of(IMAGE));
      assertEquals(await sha256Of(`${base}/after.img`), await sha256Of(`${base}/disk.img`));
      // Below the region of the writes nothing has changed.
      assertEquals(
        Deno.readFileSync(`${base}/disk.img`).subarray(0, 65536),
        Deno.readFileSync(IMAGE).subarray(0, 65536),
      );
      assertEquals(await sha256Of(`${base}/disk.img`) === await sha256Of(IMAGE), false);
    }));

  Deno.test(`a driver that writes to a read-only image on ${platform} is refused by the device`, () =>
    withImage(async (base) => {
      Deno.writeTextFileSync(
        `${base}/write.ts`,
        `export default async ({ driver, guest }: any) => {
           const buffer = guest.heap.require(512, "a sector");
           return { details: { status: await driver.write(0, buffer, 512) } };
         };`,
      );
      const script = { use: "script", with: { module: "write.ts" } };
      const report = await (await loadMachine(manifest(platform, { readOnly: true }, script), { base })).run();
      // BlockStatus.IO_ERROR
      assertEquals(report.workloads[0].details, { status: 1 });
      assertUntouched(base);
    }));
}

Deno.test("a write workload on a read-only image is bad input, and the image is not touched", () =>
  withImage(async (base) => {
    const write = { use: "blk-io", with: { pattern: "write" } };
    await assertRejects(
      () => loadMachine(manifest("direct", { readOnly: true }, write), { base }),
      InputError,
      'workload[0].device: found "disk0", which is read-only, expected a device that blk-io can write',
    );
    assertUntouched(base);
  }));

Deno.test("guest memory that does not hold a workload's buffers is bad input that names the memory needed", () =>
  withImage(async (base) => {
    const read = { use: "blk-io", with: { blockSize: "64KiB", depth: 64 } };
    const small = { ...manifest("direct", { readOnly: true }, read), memory: "1MiB" };
    const machine = await loadMachine(small, { base });
    const { message } = await assertRejects(() => machine.run(), InputError);
    assertEquals(
      message.replace(/needs .* more/, "needs … more"),
      "manifest: memory: found 1 MiB, expected room for the buffers of blk-io, which needs … more",
    );
  }));

Deno.test("an image that a machine has open for writing is bad input for a second one", () =>
  withImage(async (base) => {
    const first = await loadMachine(manifest("direct", {}), { base });
    await assertRejects(() => loadMachine(manifest("direct", {}), { base }), InputError, "which is locked");
    first.stop();
    (await loadMachine(manifest("direct", {}), { base })).stop();
  }));

Deno.test("an image that is truncated while the machine runs fails requests, and the machine goes on", () =>
  withImage(async (base) => {
    const machine = await loadMachine(
      manifest("direct", { readOnly: true }, { use: "blk-io", with: { blockSize: 1024, verify: false } }),
      { base },
    );
    Deno.truncateSync(`${base}/disk.img`, 65536);
    const [{ verified, failure, requests }] = (await machine.run()).workloads;
    assertEquals([verified, requests], [false, 128]);
    assertEquals(failure, "64 requests failed, first: the read of sector 128: IO_ERROR");
  }));

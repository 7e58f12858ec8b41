// The driver and the device of virtio-blk, with a socket between them: the guest half on shared memory, the device half
// behind vhost-user, with and without a virtual IOMMU, on split and packed rings.

import { assert, assertEquals } from "@std/assert";
import { type BlockDriver, BlockStatus } from "@iova/block";
import { unavailable } from "@iova/libc";
import blk from "@iova/virtio-blk";
import { countOpen, type ServedGuest, servedGuest, type ServedGuestOptions } from "./testing.ts";

const ignore = unavailable() !== null;
const test = (name: string, fn: () => Promise<void> | void) => Deno.test({ name, ignore, fn });

/** A guest with its driver; afterwards nothing may be left open. */
async function withGuest(
  options: ServedGuestOptions,
  work: (guest: ServedGuest, driver: BlockDriver) => Promise<void>,
): Promise<void> {
  const leaked = countOpen();
  const guest = servedGuest(blk, options);
  try {
    await work(guest, await guest.driver() as BlockDriver);
  } finally {
    guest.close();
  }
  assertEquals(leaked(), [0, 0]);
}

/** Writes a pattern over several pages, reads it back into other ones. */
async function roundTrip(guest: ServedGuest, driver: BlockDriver, sector = 8, length = 20480): Promise<void> {
  const { heap, memory } = guest.cpu;
  const [from, to] = [heap.require(length, "from", 512) + 0, heap.require(length, "to", 512)];
  const bytes = memory.bytes(from, length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >> 8) + sector;
  assertEquals(await guest.wait(driver.write(sector, from, length)), BlockStatus.OK);
  assertEquals(await guest.wait(driver.flush()), BlockStatus.OK);
  assertEquals(await guest.wait(driver.read(sector, to, length)), BlockStatus.OK);
  assertEquals(memory.bytes(to, length), bytes);
  heap.free(from);
  heap.free(to);
}

for (const packed of [false, true]) {
  for (const iommu of [false, true]) {
    const kind = `${packed ? "packed" : "split"} ring${iommu ? ", behind an IOMMU" : ""}`;
    test(`what the driver writes is what it reads (${kind})`, () =>
      withGuest({ iommu, with: { ram: "1MiB", packed, serial: "real" } }, async (guest, driver) => {
        await roundTrip(guest, driver);
        assertEquals(await guest.wait(driver.serial()), "real");
        for (let i = 0; i < 300; i++) await roundTrip(guest, driver, i, 512);
        assert(guest.transport.interrupts > 0);
      }));
  }
}

test("behind an IOMMU the device asks for each page once, with the right that it needs", () =>
  withGuest({ iommu: true, with: { ram: "1MiB", requestMemory: "streaming" } }, async (guest, driver) => {
    const { iotlb } = guest.served;
    await roundTrip(guest, driver);
    const before = iotlb.counters();
    const invalidations = guest.iommu!.invalidations;
    const buffer = guest.cpu.heap.require(4096, "page", 4096);
    for (let i = 0; i < 50; i++) assertEquals(await guest.wait(driver.read(8, buffer, 4096)), BlockStatus.OK);
    const after = iotlb.counters();
    // Indirect table, header, data, status: four maps, four questions, four invalidations.
    assertEquals(after.misses - before.misses, 200);
    assertEquals(after.invalidations - before.invalidations, 200);
    assertEquals(guest.iommu!.invalidations - invalidations, 200);
    assertEquals([after.refusals, after.pending], [0, 0]);
  }));

test("with invalidations gathered, ranges up to the end of the address space are forgotten", () =>
  withGuest({ iommu: true, with: { ram: "1MiB", requestMemory: "streaming" } }, async (guest, driver) => {
    guest.iommu!.lazy = 32;
    for (let i = 0; i < 100; i++) await roundTrip(guest, driver, i, 4096);
    guest.iommu!.flush();
    assert(guest.served.iotlb.counters().invalidations > 10);
    // What is left is what was asked for since: the rings have gone as well and were asked for again.
    assert(guest.served.iotlb.counters().entries < 8, String(guest.served.iotlb.counters().entries));
    await roundTrip(guest, driver);
  }));

test("a page that the guest has not mapped fails its request, and the next one is served", () =>
  withGuest({ iommu: true, with: { ram: "1MiB" } }, async (guest, driver) => {
    const { find } = guest.iommu!;
    const buffer = guest.cpu.heap.require(4096, "page", 4096);
    const target = guest.memory.userAddress(buffer);
    const tables = guest.iommu!;
    tables.find = (iova, perm) => {
      const found = find.call(tables, iova, perm);
      return found?.uaddr === target ? null : found;
    };
    assertEquals(await guest.wait(driver.read(8, buffer, 4096)), BlockStatus.IO_ERROR);
    assert(guest.front.refusals >= 1 && guest.front.refusals <= 2, `${guest.front.refusals} refusals`);
    tables.find = find;
    await roundTrip(guest, driver);
  }));

test("a page that may only be read is not written, whatever the front-end grants", () =>
  withGuest({ iommu: true, with: { ram: "1MiB" } }, async (guest, driver) => {
    const { served, front } = guest;
    await roundTrip(guest, driver);
    const page = guest.memory.userAddress(0x8000);
    // Asked for reading and granted for both, then asked for writing and refused.
    let asked: number[] = [];
    front.tables = {
      find(_iova, perm) {
        asked.push(perm);
        return perm === 1 ? { uaddr: page, size: 4096n, perm: 3 } : null;
      },
    };
    const bytes = new Uint8Array(16);
    const port = served.plugin.port;
    assertEquals(port.readAt(0, 0x7777_7000, bytes, 0, 16), 3);
    guest.until(() => port.readAt(0, 0x7777_7000, bytes, 0, 16) === 0);
    assertEquals(port.writeAt(0, 0x7777_7000, bytes, 0, 16), 3);
    let status = 3;
    guest.until(() => (status = port.writeAt(0, 0x7777_7000, bytes, 0, 16)) !== 3);
    assertEquals([status, asked], [2, [1, 2]]);
    asked = [];
    assertEquals(port.readAt(0, 0x7777_7000, bytes, 0, 16), 0);
    assertEquals(asked, []);
  }));

test("rings that are paused go on where they stopped, with memory in another place", () =>
  withGuest({ with: { ram: "1MiB" } }, async (guest, driver) => {
    for (let i = 0; i < 5; i++) await roundTrip(guest, driver, i, 512);
    guest.transport.pause();
    assertEquals(guest.transport.bases, [15]);
    guest.transport.start();
    await roundTrip(guest, driver);
    const { front, memory } = guest;
    assertEquals(front.must(5, memory.table, memory.fds), 0);
    await roundTrip(guest, driver);
  }));

test("memory above 4 GiB is reached, and a request may span pages of both regions", () =>
  withGuest({ with: { ram: "1MiB" }, ram: [[0, 1 << 20], [2 ** 32, 1 << 20]] }, async (guest, driver) => {
    const { heap } = guest.cpu;
    const low = heap.require((1 << 20) - 0x2_0000 - heap.used, "everything low");
    const high = heap.require(65536, "high", 4096);
    assert(high >= 2 ** 32);
    await roundTrip(guest, driver);
    heap.free(low);
    heap.free(high);
  }));

test("a disk that grows tells its guest, which finds the new size and uses it", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "iova-resize-" });
  const image = `${folder}/disk.img`;
  Deno.writeFileSync(image, new Uint8Array(1 << 20));
  await withGuest({ with: { image } }, async (guest, driver) => {
    assertEquals(driver.capacity, 2048);
    Deno.truncateSync(image, 2 << 20);
    assert(guest.served.refresh());
    guest.until(() => driver.capacity !== 2048);
    assertEquals([guest.front.changes, driver.capacity], [1, 4096]);
    await roundTrip(guest, driver, 4000, 4096);
  });
  Deno.removeSync(folder, { recursive: true });
});

test("a guest that asks for nothing costs nothing: the loop waits until its time is up", () =>
  withGuest({ iommu: true, with: { ram: "1MiB" } }, async (guest, driver) => {
    await roundTrip(guest, driver);
    guest.server.turn(0);
    const started = performance.now();
    guest.server.turn(120);
    assert(performance.now() - started >= 115);
  }));

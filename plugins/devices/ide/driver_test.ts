/** The driver over the device: what it maps, what it writes into a table, what it does when things go wrong. */

import { assert, assertEquals } from "@std/assert";
import { type BlockDriver, BlockOp, BlockStatus, type RamBackend } from "@iova/block";
import { type DmaStats, dmaStats, EventStream, type PhysAddr, Random, type ScatterEntry } from "@iova/core";
import { ScarceOps } from "@iova/pci/testing";
import { bindIde, type IdeDriver, type IdeDriverOptions } from "./driver.ts";
import { readFacts } from "./driver_facts.ts";
import { Identify } from "./layout.ts";
import {
  discOptions,
  diskOptions,
  type IdeWorld,
  ideWorld,
  type IdeWorldOptions,
  PageTable,
  testDisc,
  testDisk,
} from "./testdata/world.ts";

interface DriverWorld extends IdeWorld {
  driver: IdeDriver;
  dma: ScarceOps;
  stats: DmaStats;
  buffer: PhysAddr;
  /** Completions of `submit`, as they come. */
  done: [tag: number, status: BlockStatus][];
  settle<T>(promise: Promise<T>): Promise<T>;
}

async function driverWorld(
  options: IdeWorldOptions = {},
  driving: Partial<IdeDriverOptions> = {},
  shift = 0,
): Promise<DriverWorld> {
  const w = ideWorld(options);
  w.ide.powerOn();
  w.pci.enumerate();
  const stats = dmaStats();
  const events = new EventStream(() => 0);
  const warn = (id: string, message: string) => void w.warnings.push(`${id}: ${message}`);
  const requester = w.ide.fn.port.requester;
  const dma = new ScarceOps({
    guest: w.guest,
    device: { id: "disk0", requester },
    stats,
    upstream: null,
    events,
    warn,
  });
  dma.shift = shift;
  const bound = bindIde(
    { id: "disk0", guest: w.guest, dma, requester, random: new Random(1), events, warn },
    { transfers: "dma", readOnly: [false, false, false, false], ...driving },
  );
  const driver = await w.scheduler.run(bound) as IdeDriver;
  const done: [number, BlockStatus][] = [];
  driver.onComplete = (tag, status) => void done.push([tag, status]);
  const buffer = w.guest.heap.require(0x10_0000, "a buffer", 0x1_0000);
  return { ...w, driver, dma, stats, buffer, done, settle: (promise) => w.scheduler.run(promise) };
}

const live = ({ stats }: DriverWorld) => stats.maps - stats.unmaps;
const first32 = (w: DriverWorld, at = w.buffer) => w.space.read(at, 4);

for (const personality of ["spec", "qemu"] as const) {
  for (const transfers of ["dma", "pio"] as const) {
    Deno.test(`every length from one sector to the longest is read and written (${personality}, ${transfers})`, async () => {
      const w = await driverWorld({ personality }, { transfers });
      assertEquals([w.driver.capacity, w.driver.maxTransfer, w.driver.queueDepth], [4096, 512 * 1024, 32]);
      for (const sectors of [1, 2, 15, 16, 17, 128, 255, 256, 257, 1024]) {
        const length = sectors * 512;
        assertEquals(await w.settle(w.driver.read(7, w.buffer, length)), BlockStatus.OK);
        assertEquals(w.space.bytes(w.buffer, length), w.disk.bytes.subarray(7 * 512, 7 * 512 + length));
        w.space.bytes(w.buffer, length).fill(sectors);
        assertEquals(await w.settle(w.driver.write(2000, w.buffer, length)), BlockStatus.OK);
        assert(w.disk.bytes.subarray(2000 * 512, 2000 * 512 + length).every((byte) => byte === (sectors & 0xff)));
      }
      assertEquals([live(w), w.warnings], [0, []]);
      assertEquals(w.stats.maps > 0, transfers === "dma");
      w.driver.stop();
      assertEquals(w.stats.coherentBytes, 0);
    });
  }
}

Deno.test("a buffer that is not aligned is cut where regions may not cross, and 64 KiB is a count of 0", async () => {
  const w = await driverWorld();
  const lists: string[] = [];
  const { mapSg } = w.dma;
  w.dma.mapSg = (list: ScatterEntry[], direction) => {
    lists.push(list.map(({ cpu, length }) => `${(cpu - w.buffer).toString(16)}+${length.toString(16)}`).join(" "));
    return mapSg.call(w.dma, list, direction);
  };
  const at = w.buffer + 0xfe00;
  assertEquals(await w.settle(w.driver.read(0, at, 0x20000)), BlockStatus.OK);
  assertEquals(lists, ["fe00+200 10000+10000 20000+fe00"]);
  assertEquals(w.space.bytes(at, 0x20000), w.disk.bytes.subarray(0, 0x20000));
  const table = w.i(0xc004, 4);
  const hex = (value: number) => w.get(value, 24).match(/.{8}/g)!.join(" ");
  const le = (value: number) => [0, 8, 16, 24].map((s) => (value >>> s & 255).toString(16).padStart(2, "0")).join("");
  assertEquals(hex(table), `${le(at)} 00020000 ${le(w.buffer + 0x10000)} 00000000 ${le(w.buffer + 0x20000)} 00fe0080`);
});

Deno.test("segments that a platform moved are cut again on their bus addresses", async () => {
  const table = new PageTable();
  for (let page = 0; page < 0x400; page++) table.pages.set(page + 3, page);
  const w = await driverWorld({ translate: table.translate }, {}, 0x3000);
  assertEquals(await w.settle(w.driver.read(0, w.buffer, 0x20000)), BlockStatus.OK);
  assertEquals(w.space.bytes(w.buffer, 0x20000), w.disk.bytes.subarray(0, 0x20000));
  assertEquals(w.warnings, []);
});

Deno.test("requests wait in line, and end in the order in which they came", async () => {
  const w = await driverWorld();
  for (let tag = 0; tag < 32; tag++) {
    assert(w.driver.submit(BlockOp.READ, tag, w.buffer + 512 * tag, 512, tag));
  }
  assertEquals(w.driver.submit(BlockOp.READ, 0, w.buffer, 512, 99), false, "the line is full");
  assertEquals(w.done, []);
  w.driver.kick();
  w.scheduler.settle();
  assertEquals(w.done, Array.from({ length: 32 }, (_, tag) => [tag, BlockStatus.OK]));
  for (let tag = 0; tag < 32; tag++) assertEquals(first32(w, w.buffer + 512 * tag), tag);
});

Deno.test("a map that fails refuses the request, and nothing stays mapped", async () => {
  const w = await driverWorld();
  w.dma.left = 1;
  assertEquals(w.driver.submit(BlockOp.READ, 0, w.buffer, 0x20000, 1), false);
  assertEquals(live(w), 0);
  assertEquals(await w.settle(w.driver.read(0, w.buffer, 0x20000)), BlockStatus.IO_ERROR);
  assertEquals(await w.settle(w.driver.read(3, w.buffer, 512)), BlockStatus.OK);
});

Deno.test("what a drive refuses is an error with its registers, and the next request works", async () => {
  for (const transfers of ["dma", "pio"] as const) {
    const disk: RamBackend = testDisk();
    const w = await driverWorld({ drives: [diskOptions(disk)] }, { transfers });
    const { read } = disk;
    disk.read = () => false;
    assertEquals(await w.settle(w.driver.read(9, w.buffer, 1024)), BlockStatus.IO_ERROR);
    disk.read = read;
    assertEquals(await w.settle(w.driver.read(9, w.buffer, 1024)), BlockStatus.OK);
    assertEquals(w.warnings, [
      "ide-error: primary master: read of 1024 bytes at sector 9: status 0x41, error 0x40",
    ]);
    assertEquals(live(w), 0);
  }
});

Deno.test("addresses outside the drive, odd lengths and writes to a read-only drive fail without a command", async () => {
  const w = await driverWorld({}, { readOnly: [true, false, false, false] });
  const { requests } = w.ide;
  for (const [sector, length] of [[4096, 512], [4095, 1024], [-1, 512], [0, 511], [0, 0]]) {
    assertEquals(await w.settle(w.driver.read(sector, w.buffer, length)), BlockStatus.IO_ERROR);
  }
  assertEquals(await w.settle(w.driver.write(0, w.buffer, 512)), BlockStatus.IO_ERROR);
  assertEquals(w.ide.requests, requests);
});

Deno.test("a bus error: the timer finds it, the channel is reset, the request fails, and the driver goes on", async () => {
  const table = new PageTable();
  for (let page = 0; page < 0x400; page++) table.pages.set(page, page);
  const w = await driverWorld({ translate: table.translate });
  table.pages.delete(w.buffer >>> 12);
  assertEquals(await w.settle(w.driver.read(0, w.buffer, 512)), BlockStatus.IO_ERROR);
  assertEquals(w.warnings, [
    "ide-reset: primary channel: no interrupt for 30 s (status 0x58, bus master 0x02, a bus error); it is reset",
  ]);
  assert(w.scheduler.now > 30e9);
  assertEquals(live(w), 0);
  table.pages.set(w.buffer >>> 12, w.buffer >>> 12);
  assertEquals(await w.settle(w.driver.read(5, w.buffer, 65536)), BlockStatus.OK);
  assertEquals(first32(w), 5);
});

Deno.test("an interrupt with a bus error beside it is no success", async () => {
  const w = await driverWorld();
  const { read } = w.io;
  let lies = 1;
  w.io.read = (port, width) => {
    const value = read.call(w.io, port, width);
    return port === 0xc002 && (value & 4) !== 0 && lies-- > 0 ? value | 2 : value;
  };
  assertEquals(await w.settle(w.driver.read(1, w.buffer, 512)), BlockStatus.IO_ERROR);
  assertEquals(w.warnings.length, 1);
  assertEquals(await w.settle(w.driver.read(1, w.buffer, 512)), BlockStatus.OK);
});

Deno.test("the engine is stopped at the end of a transfer, and before a drive that takes too long is reset", async () => {
  const w = await driverWorld({ burst: 512, burstTime: 20e9 });
  assertEquals(await w.settle(w.driver.read(1, w.buffer, 512)), BlockStatus.OK);
  assertEquals(w.i(0xc000), 0);
  const writes: string[] = [];
  const { write } = w.io;
  w.io.write = (port, width, value) => {
    writes.push(`${port.toString(16)} ${value}`);
    write.call(w.io, port, width, value);
  };
  const slow = w.driver.read(1, w.buffer, 4096);
  writes.length = 0;
  assertEquals(await w.settle(slow), BlockStatus.IO_ERROR);
  assertEquals(writes.slice(0, 3), ["c000 0", "c002 6", "3f6 6"]);
  w.space.bytes(w.buffer, 4096).fill(0);
  w.run();
  assertEquals(w.space.bytes(w.buffer, 4096), new Uint8Array(4096));
});

Deno.test("requests that wait behind one that is lost are served after the reset", async () => {
  const table = new PageTable();
  for (let page = 0; page < 0x400; page++) table.pages.set(page, page);
  const w = await driverWorld({ translate: table.translate });
  table.pages.delete(w.buffer >>> 12);
  const lost = w.driver.write(0, w.buffer, 512);
  const behind = w.driver.read(6, w.buffer + 4096, 512);
  assertEquals(await w.settle(Promise.all([lost, behind])), [BlockStatus.IO_ERROR, BlockStatus.OK]);
  assertEquals(first32(w, w.buffer + 4096), 6);
});

Deno.test("a drive that does not come back from its reset is given up, and everything fails from then on", async () => {
  const w = await driverWorld();
  const channel = w.ide.channels[0];
  const flying = w.driver.read(0, w.buffer, 512);
  w.ide.stop();
  Object.assign(channel.drives[0]!, { reset: () => {} });
  assertEquals(await w.settle(flying), BlockStatus.IO_ERROR);
  assertEquals(await w.settle(w.driver.read(0, w.buffer, 512)), BlockStatus.DEVICE_GONE);
  assert(w.driver.submit(BlockOp.READ, 0, w.buffer, 512, 7));
  w.scheduler.settle();
  assertEquals(w.done, [[7, BlockStatus.DEVICE_GONE]]);
  assertEquals(w.warnings.map((warning) => warning.split(":")[0]), ["ide-reset", "device-gone"]);
  assertEquals(live(w), 0);
});

Deno.test("stopping takes everything back, whatever is under way, and nothing is touched afterwards", async () => {
  const w = await driverWorld({ burst: 512, burstTime: 1000 });
  const flying = w.driver.read(1, w.buffer, 4096);
  for (let i = 0; i < 3; i++) w.scheduler.step();
  w.driver.stop();
  assertEquals([live(w), w.stats.coherentBytes], [0, 0]);
  w.space.bytes(w.buffer, 4096).fill(0);
  w.run();
  assertEquals(await flying, BlockStatus.DEVICE_GONE);
  assertEquals(w.space.bytes(w.buffer, 4096), new Uint8Array(4096));
  w.driver.stop();
});

Deno.test("48-bit commands are used from where 28 bits end, and for more than 256 sectors", async () => {
  const disk = testDisk(4096);
  Object.defineProperty(disk, "size", { value: (2 ** 28 + 100) * 512 });
  const positions: number[] = [];
  disk.read = (position) => positions.push(position / 512) > 0;
  const w = await driverWorld({ drives: [diskOptions(disk)] });
  const commands: number[] = [];
  w.events.listen(({ type, command }) => type === "request" && commands.push(command as number));
  assertEquals(w.driver.capacity, 2 ** 28 + 100);
  for (const [sector, sectors] of [[0, 256], [0, 257], [2 ** 28 - 1, 1], [2 ** 28 - 1, 2], [2 ** 28 + 99, 1]]) {
    assertEquals(await w.settle(w.driver.read(sector, w.buffer, 512 * sectors)), BlockStatus.OK);
  }
  assertEquals(commands, [0xc8, 0x25, 0xc8, 0x25, 0x25]);
  assertEquals(positions.at(-1), 2 ** 28 + 99);
});

Deno.test("a drive without 48-bit commands is used as far as 28 bits reach, whatever it says of its size", () => {
  const block = Identify.encode({ sectors28: 0x2000_0000, capabilities: 1 << 8, ultra: 0x3f });
  const { capacity, reach, lba48, mode } = readFacts(block, 0, false, true, 0);
  assertEquals([capacity, reach, lba48, mode], [0x2000_0000, 0x1000_0000, false, 0x45]);
});

Deno.test("two drives share a channel in turns, and a flush is a command of its own", async () => {
  const disks = [testDisk(64), testDisk(64)];
  let flushes = 0;
  disks[1].flush = () => ++flushes > 0;
  const w = await driverWorld({
    drives: [diskOptions(disks[0]), diskOptions(disks[1]), discOptions(testDisc(4)), null],
  });
  const [one, two, disc] = w.driver.units.slice(0, 3) as BlockDriver[];
  const all = [
    one.read(1, w.buffer, 512),
    two.write(2, w.buffer + 512, 512),
    two.flush(),
    one.read(3, w.buffer + 1024, 512),
    disc.read(4, w.buffer + 4096, 2048),
    disc.flush(),
  ];
  assertEquals(await w.settle(Promise.all(all)), all.map(() => BlockStatus.OK));
  assertEquals([first32(w), first32(w, w.buffer + 1024), flushes], [1, 3, 1]);
  assertEquals(w.space.read(w.buffer + 4096, 1), 5);
  assertEquals(await one.serial(), "SN0123456789");
});

Deno.test("sectors are forgotten by TRIM, many at once, where the drive knows it", async () => {
  const disk = testDisk();
  const w = await driverWorld({ drives: [diskOptions(disk), discOptions(testDisc(4)), null, null] });
  assertEquals(await w.settle(w.driver.discard!(10, 3 * 512)), BlockStatus.OK);
  assertEquals([9, 10, 12, 13].map((n) => disk.bytes[512 * n + 8] === 0), [false, true, true, false]);
  const ranges: string[] = [];
  const discard = (position: number, length: number) => ranges.push(`${position / 512}+${length / 512}`) > 0;
  Object.assign(disk, { discard });
  Object.defineProperty(w.driver.facts, "reach", { value: 200_000 });
  Object.defineProperty(w.ide.channels[0].drives[0] as unknown as { capacity: number }, "capacity", { value: 200_000 });
  assertEquals(await w.settle(w.driver.discard!(7, 150_000 * 512)), BlockStatus.OK);
  assertEquals(ranges, ["7+65535", "65542+65535", "131077+18930"]);
  assertEquals(await w.settle(w.driver.discard!(199_999, 1024)), BlockStatus.IO_ERROR);
  assertEquals(await w.settle(w.driver.units[1]!.discard!(0, 2048)), BlockStatus.UNSUPPORTED);
  assertEquals([live(w), w.warnings], [0, []]);
  const before = w.guest.heap.used;
  w.driver.stop();
  assertEquals(w.guest.heap.used < before, true);
});

Deno.test("a serial number is told as block drivers tell it", async () => {
  const w = await driverWorld();
  assert(w.driver.submit(BlockOp.GET_ID, 0, w.buffer, 20, 3));
  w.scheduler.settle();
  assertEquals(w.done, [[3, BlockStatus.OK]]);
  assertEquals(new TextDecoder().decode(w.space.bytes(w.buffer, 20).slice()), "SN0123456789\0\0\0\0\0\0\0\0");
});

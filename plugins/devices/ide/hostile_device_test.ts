/**
 * Hostile devices: a real one whose answers are changed on the way, and one that answers with anything. The driver
 * neither throws nor hangs: every request ends, and every mapping is given back.
 */

import { assert, assertEquals } from "@std/assert";
import { type BlockDriver, BlockOp, BlockStatus } from "@iova/block";
import { dmaStats, EventStream, PhysicalDmaOps, Random, type Width } from "@iova/core";
import { bindIde } from "./driver.ts";
import { discOptions, diskOptions, ideWorld, testDisc, testDisk } from "./testdata/world.ts";

const SEED = 5088;
const DEVICES = 1500;
const REQUESTS = 14;

/** Changes what is read from ports: one bit, all of it, or nothing but the last answer again. */
function meddle(random: Random, value: number, width: Width): number {
  const ones = width === 4 ? 0xffff_ffff : 2 ** (8 * width) - 1;
  switch (random.below(6)) {
    case 0:
      return ones;
    case 1:
      return 0;
    case 2:
      return (random.next() & ones) >>> 0;
    default:
      return ((value ^ 1 << random.below(8 * width)) & ones) >>> 0;
  }
}

async function oneDevice(seed: number): Promise<string> {
  const random = new Random(seed);
  const drives = [diskOptions(testDisk(64)), random.below(2) === 0 ? null : discOptions(testDisc(8)), null, null];
  const w = ideWorld({ memory: 0x4_0000, drives, personality: random.below(2) === 0 ? "spec" : "qemu" });
  w.ide.powerOn();
  w.pci.enumerate();
  const stats = dmaStats();
  const events = new EventStream(() => 0);
  const warn = (id: string, message: string) => void w.warnings.push(`${id}: ${message}`);
  const { requester } = w.ide.fn.port;
  const dma = new PhysicalDmaOps({
    guest: w.guest,
    device: { id: "disk0", requester },
    stats,
    upstream: null,
    events,
    warn,
  });
  // How often an answer is changed; some devices are honest until they have been bound.
  const rate = [3, 20, 200][random.below(3)];
  const honest = random.below(2) === 0;
  let bound = false;
  const { read } = w.io;
  w.io.read = (port, width) => {
    const value = read.call(w.io, port, width);
    const ours = port !== 0xcf8 && (port < 0xcfc || port > 0xcff);
    return ours && (bound || !honest) && random.below(rate) === 0 ? meddle(random, value, width) : value;
  };
  const transfers = random.below(2) === 0 ? "dma" : "pio";
  const promise = bindIde(
    { id: "disk0", guest: w.guest, dma, requester, random, events, warn },
    { transfers, readOnly: [false, false, false, false] },
  );
  const driver = await w.scheduler.run(promise);
  bound = true;
  const ends = driver.drives === "block" ? use(driver as BlockDriver, random) : "nothing";
  driver.stop();
  w.run();
  assertEquals([stats.maps - stats.unmaps, stats.coherentBytes], [0, 0]);
  return ends + w.warnings.map((warning) => ` ${warning.split(":")[0]}`).join("");

  function use(block: BlockDriver, random: Random): string {
    const buffer = w.guest.heap.require(8192, "a buffer", 4096);
    const done = new Map<number, BlockStatus>();
    block.onComplete = (tag, status) => {
      assert(!done.has(tag), "a request ends once");
      done.set(tag, status);
    };
    let taken = 0;
    for (let n = 0; n < REQUESTS; n++) {
      const op = [BlockOp.READ, BlockOp.READ, BlockOp.WRITE, BlockOp.FLUSH][random.below(4)];
      const length = op === BlockOp.FLUSH ? 0 : 2048 * (1 + random.below(4));
      if (block.submit(op, 4 * random.below(12), buffer, length, taken)) taken++;
      if (random.below(3) === 0) {
        block.kick();
        for (let i = 0; i < 50 && w.scheduler.step(); i++) { /* a while */ }
      }
    }
    block.kick();
    for (let turns = 0; done.size < taken && w.scheduler.step(); turns++) assert(turns < 200_000, "it never ends");
    assertEquals(done.size, taken, "every request ends");
    return [...new Set(done.values())].sort().map((status) => STATUS[status]).join(" ");
  }
}

const STATUS = {
  [BlockStatus.OK]: "ok",
  [BlockStatus.IO_ERROR]: "error",
  [BlockStatus.UNSUPPORTED]: "unsupported",
  [
    BlockStatus.DEVICE_GONE
  ]: "gone",
};

Deno.test(`hostile devices: ${DEVICES} of them, ${REQUESTS} requests each`, async () => {
  console.log(`seed ${SEED}`);
  const seen = new Map<string, number>();
  for (let n = 0; n < DEVICES; n++) {
    try {
      for (const what of (await oneDevice(SEED + n)).split(" ")) seen.set(what, (seen.get(what) ?? 0) + 1);
    } catch (error) {
      throw new Error(`device ${n} of seed ${SEED}: ${error}`, { cause: error });
    }
  }
  console.log([...seen].map(([what, count]) => `${what}: ${count}`).join(", "));
  for (const what of ["ok", "error", "gone", "nothing", "ide-error", "ide-reset", "device-gone"]) {
    assert(seen.has(what), `no case reached "${what}"`);
  }
});

Deno.test("a device that answers every read with one value is found to be none, or given up", async () => {
  for (const value of [0, 0xff, 0x7f, 0x50, 0x58, 0x80, 0x08, 0x01]) {
    const w = ideWorld({ memory: 0x4_0000 });
    w.ide.powerOn();
    w.pci.enumerate();
    const stats = dmaStats();
    const events = new EventStream(() => 0);
    const warn = () => {};
    const { requester } = w.ide.fn.port;
    const device = { id: "disk0", requester };
    const dma = new PhysicalDmaOps({ guest: w.guest, device, stats, upstream: null, events, warn });
    const { read } = w.io;
    w.io.read = (port, width) =>
      port >= 0xcf8 && port <= 0xcff ? read.call(w.io, port, width) : value * [0, 1, 0x101, 0, 0x1010101][width];
    const context = { id: "disk0", guest: w.guest, dma, requester, random: new Random(1), events, warn };
    const promise = bindIde(context, { transfers: "dma", readOnly: [] });
    const driver = await w.scheduler.run(promise);
    assertEquals(driver.drives, "nothing", value.toString(16));
    driver.stop();
    assertEquals(stats.coherentBytes, 0);
  }
});

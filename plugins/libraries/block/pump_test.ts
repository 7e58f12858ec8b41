import { assertEquals, assertThrows } from "@std/assert";
import { AddressSpace, GuestHeap, GuestMemoryError, type GuestPort, RamRegion, Scheduler } from "@iova/core";
import { type BlockDriver, BlockOp, BlockStatus } from "./contract.ts";
import { NextRequest, RequestPump, type RequestSlot, type RequestSource } from "./pump.ts";

/** A driver that completes in the order of submission, a turn later, and can be told to refuse. */
class FakeDriver implements BlockDriver {
  readonly drives = "block";
  readonly capacity = 1024;
  readonly readOnly = false;
  readonly maxTransfer = 65536;
  onComplete: BlockDriver["onComplete"] = () => {};
  /** `tag:sector` of everything accepted. */
  readonly log: string[] = [];
  flying = 0;
  mostFlying = 0;
  /** Accepts no more than this many at once. */
  room = Infinity;
  status: BlockStatus = BlockStatus.OK;

  constructor(readonly scheduler: Scheduler, readonly queueDepth = 64) {}

  submit(_op: BlockOp, sector: number, _buffer: number, _length: number, tag: number): boolean {
    if (this.flying >= this.room) return false;
    this.log.push(`${tag}:${sector}`);
    this.mostFlying = Math.max(this.mostFlying, ++this.flying);
    this.scheduler.post(() => {
      this.flying--;
      this.onComplete(tag, this.status);
    });
    return true;
  }
  kick(): void {}
  read = () => Promise.resolve(BlockStatus.UNSUPPORTED);
  write = this.read;
  flush = this.read;
  serial = () => Promise.resolve(null);
  stop(): void {}
}

/** Reads sectors 0, 1, 2, … `count` − 1. */
class Counting implements RequestSource {
  issued = 0;
  readonly done: string[] = [];
  /** Waits after this request until nothing is in flight. */
  waitAt = -1;
  constructor(readonly count: number) {}
  next(slot: RequestSlot): NextRequest {
    if (this.issued === this.count) return NextRequest.END;
    if (this.issued === this.waitAt && this.done.length < this.issued) return NextRequest.WAIT;
    slot.op = BlockOp.READ;
    slot.sector = this.issued++;
    slot.length = 512;
    return NextRequest.READY;
  }
  completed(slot: RequestSlot, status: BlockStatus): void {
    this.done.push(`${slot.sector}=${status}`);
  }
}

function world(depth: number, { queueDepth = 64, memory = 65536, buffer = 512 } = {}) {
  const scheduler = new Scheduler();
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(memory)));
  const heap = new GuestHeap(space, [[4096, memory]]);
  const guest = {
    heap,
    memory: space,
    get now() {
      return scheduler.now;
    },
  } as unknown as GuestPort;
  const driver = new FakeDriver(scheduler, queueDepth);
  return { scheduler, heap, driver, make: () => new RequestPump(driver, guest, depth, buffer, "the test's buffers") };
}

const sectors = (count: number, status = 0) => Array.from({ length: count }, (_, i) => `${i}=${status}`);

Deno.test("every request is made once, and as many as the depth are in flight", async () => {
  const { scheduler, driver, make } = world(4);
  const source = new Counting(10);
  assertEquals(await scheduler.run(make().run(source)), true);
  assertEquals(source.done, sectors(10));
  assertEquals(driver.mostFlying, 4);
  assertEquals(driver.log.slice(0, 5), ["0:0", "1:1", "2:2", "3:3", "0:4"]);
});

Deno.test("no more are in flight than the driver's queue holds", async () => {
  const { scheduler, driver, make } = world(32, { queueDepth: 3 });
  const pump = make();
  assertEquals(pump.depth, 3);
  await scheduler.run(pump.run(new Counting(10)));
  assertEquals(driver.mostFlying, 3);
});

Deno.test("a refused request is tried again, in its place in the order, with its own buffer", async () => {
  const { scheduler, driver, make } = world(8);
  driver.room = 2;
  const source = new Counting(9);
  assertEquals(await scheduler.run(make().run(source)), true);
  assertEquals(source.done, sectors(9));
  assertEquals(driver.mostFlying, 2);
  // Tag 2 was refused; tags 0 and 1 come free meanwhile and must not get its request.
  assertEquals(driver.log.slice(0, 4), ["0:0", "1:1", "2:2", "0:3"]);
});

Deno.test("a driver that refuses with nothing in flight ends the run as incomplete", async () => {
  const { scheduler, driver, make } = world(4);
  driver.room = 0;
  const source = new Counting(3);
  assertEquals(await scheduler.run(make().run(source)), false);
  assertEquals(source.done, []);
});

Deno.test("a source that waits is asked again after a completion", async () => {
  const { scheduler, driver, make } = world(4);
  const source = new Counting(6);
  source.waitAt = 2;
  assertEquals(await scheduler.run(make().run(source)), true);
  assertEquals(source.done, sectors(6));
  assertEquals(driver.mostFlying, 4);
});

Deno.test("a pump runs one source after another, each as deep as it says", async () => {
  const { scheduler, driver, make } = world(4);
  const pump = make();
  await scheduler.run(pump.run(new Counting(5)));
  driver.mostFlying = 0;
  const second = new Counting(5);
  assertEquals(await scheduler.run(pump.run(second, 1)), true);
  assertEquals([second.done.length, driver.mostFlying], [5, 1]);
});

Deno.test("an empty source ends at once", async () => {
  const { scheduler, make } = world(4);
  assertEquals(await scheduler.run(make().run(new Counting(0))), true);
});

Deno.test("the source hears the status, and a completion that nobody asked for is dropped", async () => {
  const { scheduler, driver, make } = world(1);
  driver.status = BlockStatus.IO_ERROR;
  const source = new Counting(2);
  const run = make().run(source);
  driver.onComplete(7, BlockStatus.OK);
  await scheduler.run(run);
  driver.onComplete(0, BlockStatus.OK);
  assertEquals(source.done, sectors(2, 1));
});

Deno.test("buffers do not overlap, and closing gives them back", () => {
  const { heap, make } = world(4, { buffer: 1024 });
  const pump = make();
  assertEquals(heap.used, 4096);
  const buffers: number[] = [];
  pump.run({
    next: (slot) => {
      buffers.push(slot.buffer);
      slot.length = 1024;
      return NextRequest.READY;
    },
    completed: () => {},
  });
  assertEquals(buffers, [4096, 5120, 6144, 7168]);
  pump.close();
  assertEquals(heap.used, 0);
});

Deno.test("buffers that do not fit into guest memory are named with their size", () => {
  const error = assertThrows(world(32, { memory: 16384 }).make, GuestMemoryError);
  assertEquals([error.what, error.bytes], ["the test's buffers", 16384]);
});

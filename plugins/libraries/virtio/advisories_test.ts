/**
 * Published mistakes of other implementations that concern rings, each as a test that they are not made here. Those of
 * saved states (CVE-2013-4148 to -4151, -4535, -4536) and of other device types (CVE-2023-3180) have nothing to happen to.
 */

import { assert, assertEquals } from "@std/assert";
import { BusStatus, dmaStats, Errno, EventStream } from "@iova/core";
import { pciWorld } from "@iova/pci/testing";
import { Chain } from "./device_chain.ts";
import { Outcome, VirtioDevice, type VirtioModel } from "./device_model.ts";
import { VirtioPciFunction } from "./device_pci.ts";
import { type DeviceRingOptions, Pop, RingFault } from "./device_queue.ts";
import { SplitDeviceQueue } from "./device_split.ts";
import { DmaAddressing } from "./driver_addressing.ts";
import { BufferList } from "./driver_buffers.ts";
import { SplitDriverQueue } from "./driver_split.ts";
import { RecordingOps, requestList } from "./testdata/recording_ops.ts";
import { bufferNames, RAM, ringWorld } from "./testdata/ring_world.ts";
import { MockDriver, MockRing } from "./testing.ts";

const TABLE = 0x20000;

function world(options: Partial<DeviceRingOptions> = {}) {
  const w = ringWorld();
  const ring = new MockRing(w.space, { size: 8, base: 0x10000 });
  const [desc, avail, used] = ring.addresses.map(Number);
  const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: avail, deviceHi: 0, deviceLo: used };
  const queue = new SplitDeviceQueue({ size: 8, port: w.port, addresses, indirect: true, ...options });
  return { ...w, ring, queue, chain: new Chain(8) };
}

/** A device that does nothing with what it is given, and says so or breaks. */
class Idle implements VirtioModel {
  readonly type = 4;
  readonly features = [];
  readonly queueSizes = [16];
  readonly config = new Uint8Array(0);
  outcome: Outcome = Outcome.DONE;
  requests = 0;
  act: (chain: Chain) => void = () => {};

  request(_queue: number, chain: Chain): Outcome {
    this.requests++;
    this.act(chain);
    return this.outcome;
  }
}

function deviceWorld() {
  const w = pciWorld(0x200000);
  const model = new Idle();
  const { scheduler, events, guest } = w;
  const { fn, device } = new VirtioPciFunction({
    id: "idle",
    bus: w.root,
    type: model.type,
    classCode: 0xff0000,
    vectors: 2,
    make: (port) => new VirtioDevice({ id: "idle", port, scheduler, events, model }),
  });
  w.pci.enumerate();
  const ring = new MockRing(w.space, { size: 16, base: 0x100000 });
  const driver = new MockDriver({ guest, requester: fn.port.requester, ring, features: [32, 33, 28] });
  driver.start();
  return { ...w, model, device, fn, ring, driver };
}

Deno.test("CVE-2011-2212: an indirect table longer than the ring does not run over what holds its copy", () => {
  for (const len of [16 * 9, 0x7fff_fff0, 0xffff_fff0]) {
    const w = world();
    w.ring.chain(0, [{ addr: BigInt(TABLE), len, flags: 4 }]);
    assertEquals([w.queue.pop(w.chain), w.queue.fault], [Pop.BROKEN, RingFault.TABLE_SIZE]);
  }
});

Deno.test("CVE-2011-2512: a notification for queue −1, or any other that is not there, finds no queue", () => {
  const w = deviceWorld();
  for (const index of [-1, 1, 15, 16, 65535, 0x7fff_ffff, NaN]) w.device.kick(index);
  w.scheduler.settle();
  assertEquals([w.model.requests, w.driver.status], [0, 0x0f]);
});

Deno.test("CVE-2016-5403: a driver that offers more than the ring holds does not make the device remember more", () => {
  const w = world();
  w.ring.desc(0, { addr: 1n, len: 1 });
  let taken = 0;
  for (let i = 0; i < 100; i++) {
    w.ring.offer(0);
    if (w.queue.pop(w.chain) === Pop.CHAIN) taken++;
  }
  assertEquals([taken, w.queue.fault], [8, RingFault.TOO_MANY]);
});

Deno.test("CVE-2016-6490: a descriptor of no bytes ends the work at once", () => {
  for (const place of [0, 1, 2]) {
    const w = world();
    w.ring.chain(0, [0, 1, 2].map((i) => ({ addr: 1n, len: i === place ? 0 : 8, flags: 2 })));
    assertEquals([w.queue.pop(w.chain), w.queue.fault], [Pop.BROKEN, RingFault.EMPTY_BUFFER]);
  }
});

Deno.test("CVE-2016-7422: a buffer of nearly 4 GiB is as long as it says, and moving it fails without touching memory", () => {
  const w = world();
  w.ring.chain(0, [{ addr: 0x30000n, len: 0xffff_ffff, flags: 2 }]);
  assertEquals([w.queue.pop(w.chain), w.chain.writeBytes], [Pop.CHAIN, 0xffff_ffff]);
  let pieces = 0;
  const status = w.chain.visitWrite(w.port, 0xffff_0000, 0xffff, { piece: () => void pieces++ });
  assertEquals([status, pieces], [BusStatus.UNSUPPORTED_REQUEST, 0]);
});

Deno.test("CVE-2018-1059: a table and a buffer over pages that are no neighbours are followed page by page", () => {
  const w = world();
  w.pages.set(0x21, 0x60).set(0x31, 0x70);
  // Entry 1 of the table lies on the second page.
  w.ring.entry(0x20ff0, { addr: 0x30ffen, len: 4, flags: 1, next: 1 });
  w.ring.entry(0x60000, { addr: 0x40000n, len: 1, flags: 2 });
  w.space.bytes(0x30ffe, 2).set([1, 2]);
  w.space.bytes(0x70000, 2).set([3, 4]);
  w.ring.chain(0, [{ addr: 0x20ff0n, len: 32, flags: 4 }]);
  assertEquals([w.queue.pop(w.chain), bufferNames(w.chain)], [Pop.CHAIN, ["30ffe+4", "40000+1w"]]);
  const into = new Uint8Array(4);
  assertEquals([w.chain.read(w.port, 0, into, 0, 4), [...into]], [BusStatus.OK, [1, 2, 3, 4]]);
});

Deno.test("CVE-2019-18960, CVE-2023-41051: a buffer that begins in memory and ends outside moves nothing beyond the end", () => {
  for (const [addr, inside] of [[RAM - 4, 4], [RAM - 1, 1], [RAM, 0]]) {
    const w = world();
    w.ring.chain(0, [{ addr: BigInt(addr), len: 64, flags: 2 }]);
    assertEquals(w.queue.pop(w.chain), Pop.CHAIN);
    const bytes = new Uint8Array(64).fill(0x55);
    assertEquals(w.chain.write(w.port, 0, bytes, 0, 64), BusStatus.UNSUPPORTED_REQUEST);
    const end = [...w.space.bytes(RAM - 8, 8)];
    assert(end.slice(0, 8 - inside).every((byte) => byte === 0), "nothing before the buffer");
  }
});

Deno.test("CVE-2019-3900: a driver that offers more with every request that is served keeps nobody else from their turn", () => {
  const w = deviceWorld();
  w.ring.desc(0, { addr: 0x110000n, len: 1, flags: 2 });
  w.model.act = () => w.ring.offer(0);
  w.ring.offer(0);
  w.driver.kick();
  w.scheduler.settle();
  // What has not been given back cannot be offered again: the ring is full after its 16 descriptors.
  assertEquals([w.model.requests, w.device.breakdown, w.ring.usedIdx], [16, RingFault.TOO_MANY, 16]);
});

Deno.test("CVE-2019-14835, CVE-2026-6425: a chain has no more buffers than its record has room for, table and ring together", () => {
  const w = world();
  for (let i = 0; i < 4; i++) w.ring.entry(TABLE + 16 * i, { addr: 1n, len: 1, flags: 1, next: i + 1 });
  for (let i = 4; i < 8; i++) w.ring.entry(TABLE + 16 * i, { addr: 1n, len: 1, flags: i < 7 ? 1 : 0, next: i + 1 });
  w.ring.chain(0, [{ addr: 1n, len: 1 }, { addr: BigInt(TABLE), len: 128, flags: 4 }]);
  assertEquals([w.queue.pop(w.chain), w.queue.fault], [Pop.BROKEN, RingFault.LOOP]);
});

Deno.test("CVE-2021-3748, CVE-2022-26353, CVE-2022-26354: a request that breaks the device leaves nothing mapped, and its chain is not used", () => {
  const w = deviceWorld();
  w.model.outcome = Outcome.BROKEN;
  w.ring.chain(0, [{ addr: 0x110000n, len: 64, flags: 2 }]);
  w.driver.kick();
  w.scheduler.settle();
  assertEquals([w.driver.status, w.ring.usedIdx, w.context.leases.leases.size], [0x4f, 0, 0]);
  w.device.complete(0, 0, 64);
  w.device.finish(0, 0, 64);
  w.scheduler.settle();
  assertEquals(w.ring.usedIdx, 0, "a broken device does not touch memory");
});

Deno.test("CVE-2024-3446: a ring that lies in the device's own registers is no ring", () => {
  const w = deviceWorld();
  const registers = BigInt(w.pci.function(w.fn.port.requester).bar(4).address);
  w.driver.transport.writeStatus(0);
  Object.assign(w.ring, { addresses: [registers, registers + 0x1000n, registers + 0x2000n] });
  w.driver.start();
  w.driver.kick();
  w.scheduler.settle();
  assertEquals([w.driver.status & 0x40, w.device.breakdown], [0x40, RingFault.UNREACHABLE]);
});

Deno.test("CVE-2024-3446: a device that is kicked from inside its own request does not enter itself", () => {
  const w = deviceWorld();
  let depth = 0;
  let deepest = 0;
  w.model.act = () => {
    deepest = Math.max(deepest, ++depth);
    for (let i = 0; i < 3; i++) w.driver.kick();
    depth--;
  };
  for (let head = 0; head < 4; head++) w.ring.chain(head, [{ addr: 0x110000n, len: 1, flags: 2 }]);
  w.driver.kick();
  w.scheduler.settle();
  assertEquals([w.model.requests, deepest, w.ring.usedIdx], [4, 1, 4]);
});

function driverWorld(indirect: boolean) {
  const { guest } = pciWorld();
  const stats = dmaStats();
  const device = { id: "d", requester: 8 };
  const dma = new RecordingOps({ guest, device, stats, upstream: null, events: new EventStream(() => 0), warn() {} });
  const options = { index: 0, size: 8, guest, addressing: new DmaAddressing(dma), indirect, notify() {} };
  const queue = SplitDriverQueue.create(options)!;
  dma.calls.length = 0;
  const use = (slot: number, id: number, length: number) => {
    const { deviceLo } = queue.addresses;
    guest.memory.write(deviceLo + 4 + 8 * slot, 4, id);
    guest.memory.write(deviceLo + 8 + 8 * slot, 4, length);
    guest.memory.write(deviceLo + 2, 2, slot + 1);
  };
  return { guest, dma, stats, queue, use };
}

Deno.test("CVE-2024-8612: a device that claims to have written more than there is room for is not believed", () => {
  const w = driverWorld(false);
  w.queue.add(requestList(), 1);
  w.use(0, 0, 514);
  assertEquals([w.queue.poll(), w.queue.broken], [-1, true]);
  assertEquals([w.queue.detachUnused(), w.stats.maps - w.stats.unmaps], [1, 0]);
});

Deno.test("L5: a table that fails to map while another request is in flight undoes its own entries, not the other's", () => {
  const w = driverWorld(true);
  w.queue.add(new BufferList(2).out(0x50000, 5).in(0x51000, 6), 1);
  w.dma.calls.length = 0;
  w.dma.failing = 3;
  assertEquals(w.queue.add(requestList(), 2), -Errno.ENOMEM);
  assertEquals(w.dma.calls.slice(3), ["unmap 10000 16 to device", "unmap 11000 512 to device"]);
});

Deno.test("L6: failing over and over does not make the ring look larger than it is", () => {
  for (const indirect of [false, true]) {
    const w = driverWorld(indirect);
    for (let i = 0; i < 100; i++) {
      w.dma.failing = 1 + i % 4;
      assertEquals(w.queue.add(requestList(), 0), -Errno.ENOMEM);
    }
    w.dma.failing = 0;
    assertEquals(w.queue.free, 8);
    let added = 0;
    while (w.queue.add(requestList(), added) === 0) added++;
    assertEquals([added, w.queue.free], indirect ? [8, 0] : [2, 0]);
  }
});

Deno.test("L8: a mapping that fails is a reason to try again, not an I/O error", () => {
  const w = driverWorld(false);
  w.dma.failing = 1;
  assertEquals(w.queue.add(requestList(), 0), -Errno.ENOMEM);
  assertEquals([w.queue.broken, w.queue.add(requestList(), 0)], [false, 0]);
});

Deno.test("L9: a ring is given back with the size that was asked for, not one rounded to pages", () => {
  const w = driverWorld(false);
  w.queue.release();
  assertEquals(w.dma.calls.filter((call) => call.startsWith("free")), ["free 4166"]);
});

Deno.test("L10: a table is unmapped before its memory is anything else, and freed with the queue only", () => {
  const w = driverWorld(true);
  w.queue.add(requestList(), 0);
  const { used } = w.guest.heap;
  w.dma.calls.length = 0;
  assertEquals(w.queue.detachUnused(), 0);
  assert(/^unmap [0-9a-f]+ 64 to device$/.test(w.dma.calls[0]), "the table comes first");
  assertEquals(w.guest.heap.used, used);
  w.queue.release();
  assert(w.guest.heap.used < used);
});

Deno.test("L14: a device that rewrites the flags and links of the ring changes nothing of what is unmapped", () => {
  for (const [flags, next] of [[0, 0], [1, 7], [4, 0], [0xffff, 0xffff]]) {
    const w = driverWorld(false);
    w.queue.add(requestList(), 5);
    for (let i = 0; i < 8; i++) {
      w.guest.memory.write(w.queue.addresses.descLo + 16 * i + 12, 2, flags);
      w.guest.memory.write(w.queue.addresses.descLo + 16 * i + 14, 2, next);
    }
    w.dma.calls.length = 0;
    w.use(0, 0, 1);
    assertEquals([w.queue.poll(), w.dma.calls.length, w.queue.free], [5, 4, 8]);
  }
});

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DmaApiError } from "@iova/core";
import { Offload, Segmentation } from "@iova/net";
import { testFrame } from "@iova/net/testing";
import { broadcast } from "./testdata/world.ts";
import { type DriverWorld, driverWorld } from "./testdata/driver_world.ts";

/** Puts a frame into the world's buffer and transmits it. */
function send(d: DriverWorld, bytes: Uint8Array, tag: number, at = 0): boolean {
  d.w.space.bytes(d.buffer + at, bytes.length).set(bytes);
  return d.nic.transmit(d.buffer + at, bytes.length, tag);
}

function settle(d: DriverWorld): void {
  d.nic.kick();
  d.w.scheduler.settle();
}

Deno.test("frames go out and come in, and every mapping is given back at the end", async () => {
  const d = await driverWorld();
  for (let tag = 0; tag < 5; tag++) assert(send(d, broadcast(60 + tag), tag, 256 * tag));
  settle(d);
  assertEquals([d.gone, d.w.backend.frames.map(({ length }) => length)], [[0, 1, 2, 3, 4], [60, 61, 62, 63, 64]]);
  for (let i = 0; i < 40; i++) assertEquals(d.w.come(broadcast(1000 + i)), true);
  assertEquals([d.came.length, d.came[39], d.nic.stats.rxBytes], [40, broadcast(1039), 40 * 1000 + 39 * 20]);
  d.nic.stop();
  d.nic.stop();
  assertEquals([d.stats.maps, d.w.status], [d.stats.unmaps, 0]);
});

Deno.test("a frame in many buffers is put together, and handed over in its pieces", async () => {
  const d = await driverWorld({ driver: { rxBuffer: 512 } });
  const pieces: number[] = [];
  const { onReceive } = d.nic;
  d.nic.onReceive = (frame) => {
    for (let i = 0; i < frame.pieces; i++) pieces.push(frame.size(i));
    onReceive(frame);
  };
  d.w.come(broadcast(1500));
  assertEquals([d.came, pieces], [[broadcast(1500)], [500, 512, 488]]);
});

/** Changes the header of the buffer that the device filled last, before the driver looks. */
function tamper(d: DriverWorld, change: (view: DataView) => void): void {
  const { w } = d;
  const [queue] = w.device.queues;
  const { finish } = w.device;
  w.device.finish = (index, id, written) => {
    const desc = (queue.descLo >>> 0) + 16 * id;
    const at = w.space.ram(desc)!.view.getUint32(desc, true);
    change(new DataView(w.space.ram(at)!.bytes.buffer, at, 12));
    finish.call(w.device, index, id, written);
  };
  w.come(broadcast(60));
  w.device.finish = finish;
}

Deno.test("headers that cannot be are seen through, and their buffers used again", async () => {
  const d = await driverWorld();
  const lies: ((view: DataView) => void)[] = [
    (view) => view.setUint16(10, 0, true),
    (view) => view.setUint16(10, 17, true),
    (view) => view.setUint16(10, 2, true),
    (view) => view.setUint8(1, 2),
    (view) => view.setUint8(1, 1),
    (view) => (view.setUint8(0, 1), view.setUint16(6, 59, true)),
  ];
  for (const [i, lie] of lies.entries()) {
    tamper(d, lie);
    assertEquals([d.nic.stats.rxErrors, d.came.length], [i + 1, 0]);
  }
  const { finish } = d.w.device;
  d.w.device.finish = (index, id) => finish.call(d.w.device, index, id, 11);
  d.w.come(broadcast(60));
  d.w.device.finish = finish;
  assertEquals([d.nic.stats.rxErrors, d.came.length, d.warnings], [7, 0, []]);
  for (let i = 0; i < 20; i++) d.w.come(broadcast(60));
  assertEquals(d.came.length, 20);
});

Deno.test("what the device does on transmitted frames is known, and asked for in headers", async () => {
  const d = await driverWorld();
  assertEquals(d.nic.offloads, 63);
  d.w.backend.accepts = 63;
  const bytes = testFrame({ payload: 3000, partial: true });
  d.w.space.bytes(d.buffer, bytes.length).set(bytes);
  const offload = {
    checksumStart: 34,
    checksumOffset: 16,
    segmentation: Segmentation.TCP4,
    segmentSize: 1000,
    headerLength: 54,
  };
  assert(d.nic.transmit(d.buffer, bytes.length, 0, offload));
  settle(d);
  assertEquals([d.w.backend.frames, d.w.backend.needs], [[bytes], [Offload.CHECKSUM | Offload.TCP4]]);
  const plain = await driverWorld({ device: { checksum: false } });
  assertEquals([plain.nic.offloads, plain.nic.maxFrame], [0, 1518]);
});

Deno.test("a full queue refuses, and takes again when a frame has gone", async () => {
  const d = await driverWorld();
  let sent = 0;
  while (send(d, broadcast(60), sent)) sent++;
  assertEquals(sent, 16);
  settle(d);
  assertEquals([d.gone.length, send(d, broadcast(60), 99)], [16, true]);
});

Deno.test("without indirect tables a frame takes two descriptors", async () => {
  const d = await driverWorld({ driver: { indirect: false } });
  let sent = 0;
  while (send(d, broadcast(60), sent)) sent++;
  assertEquals(sent, 8);
});

Deno.test("a frame that cannot be mapped waits for those in flight, and is dropped when none is", async () => {
  const d = await driverWorld({ mappings: 18 });
  // Sixteen receive buffers; two mappings are left for frames.
  assertEquals([send(d, broadcast(60), 1), send(d, broadcast(60), 2), send(d, broadcast(60), 3)], [true, true, false]);
  settle(d);
  d.dma.left = 0;
  assertEquals([send(d, broadcast(60), 4), d.gone], [true, [1, 2]]);
  d.w.scheduler.settle();
  assertEquals([d.gone, d.nic.stats.txDropped, d.w.backend.frames.length], [[1, 2, 4], 1, 2]);
});

Deno.test("receive buffers that cannot be mapped are tried again, also when there is none at all", async () => {
  const d = await driverWorld({ mappings: 3, device: { control: false } });
  // From here on what is unmapped cannot be mapped again.
  d.dma.left = -1000;
  for (let i = 0; i < 3; i++) assertEquals(d.w.come(broadcast(60)), true);
  assertEquals(d.w.come(broadcast(60)), false);
  d.dma.left = 16;
  while (d.w.scheduler.step());
  for (let i = 0; i < 16; i++) assertEquals(d.w.come(broadcast(60)), true);
  assertEquals(d.came.length, 19);
});

Deno.test("a buffer longer than a mapping may be is several, in both directions", async () => {
  const d = await driverWorld({ largest: 1024, driver: { rxBuffer: 4096 } });
  assert(send(d, broadcast(5000), 1));
  settle(d);
  d.w.come(broadcast(4000));
  assertEquals([d.w.backend.frames, d.came], [[broadcast(5000)], [broadcast(4000)]]);
});

Deno.test("with streaming memory a frame's header is mapped too, and unmapped after it", async () => {
  const d = await driverWorld({ driver: { requestMemory: "streaming", indirect: false } });
  const before = d.stats.maps;
  send(d, broadcast(60), 1);
  assertEquals(d.stats.maps - before, 2);
  settle(d);
  d.nic.stop();
  assertEquals(d.stats.maps, d.stats.unmaps);
});

Deno.test("a frame that is no frame is a mistake of the driver's user", async () => {
  const d = await driverWorld({ device: { checksum: false } });
  for (const length of [0, 1519]) assertThrows(() => d.nic.transmit(d.buffer, length, 0), DmaApiError);
});

Deno.test("a command that the device never answers costs the device", async () => {
  const d = await driverWorld();
  d.w.device.kick = () => {};
  const answer = d.nic.setPromiscuous(true);
  assertEquals(await d.w.scheduler.run(answer), false);
  assertEquals([d.warnings.length, d.nic.linkUp], [1, false]);
  assert(d.warnings[0].startsWith("device-gone"), d.warnings[0]);
  assertEquals(await d.w.scheduler.run(d.nic.setPromiscuous(true)), false);
});

Deno.test("a command that cannot be mapped is refused, and nobody spins for its answer", async () => {
  const d = await driverWorld();
  d.dma.left = 1;
  assertEquals(await d.w.scheduler.run(d.nic.setVlan(5, true)), false);
  d.dma.left = Infinity;
  assertEquals(await d.w.scheduler.run(d.nic.setVlan(5, true)), true);
});

Deno.test("commands are sent one at a time, in order, and data too long for their memory is refused", async () => {
  const d = await driverWorld();
  const many = Array.from({ length: 600 }, () => Uint8Array.of(2, 0, 0, 0, 0, 1));
  const answers = [d.nic.setVlan(1, true), d.nic.setAddresses(many, []), d.nic.setVlan(2, true)];
  assertEquals(await d.w.scheduler.run(Promise.all(answers)), [true, false, true]);
});

Deno.test("a device that breaks is given up: frames come back, and so does what is sent later", async () => {
  const d = await driverWorld();
  send(d, broadcast(60), 1);
  d.w.device.needsReset("for a test");
  d.w.scheduler.settle();
  assertEquals([d.gone, d.nic.linkUp, d.warnings.length], [[1], false, 1]);
  assertEquals(send(d, broadcast(60), 2), true);
  d.w.scheduler.settle();
  assertEquals(d.gone, [1, 2]);
  d.nic.stop();
  assertEquals(d.stats.maps, d.stats.unmaps);
});

Deno.test("a device of another type, or one that refuses, is no network device", async () => {
  await assertRejects(() => driverWorld({ device: { size: 3, queueSize: 0 } }), Error, "the device has no queue");
});

Deno.test("MTU, speed and address are those of the configuration", async () => {
  const d = await driverWorld({ device: { mtu: 9000, checksum: false, mergeable: false } });
  assertEquals([d.nic.mtu, d.nic.maxFrame, [...d.nic.mac]], [9000, 9018, [0x52, 0x54, 0, 0, 0, 2]]);
  d.w.come(broadcast(9014));
  assertEquals(d.came, [broadcast(9014)]);
});

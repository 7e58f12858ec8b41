import { assertEquals } from "@std/assert";
import { Scheduler } from "@iova/core";
import { LoopbackBackend, NullBackend } from "./backend_simple.ts";
import { ReplayBackend } from "./backend_capture.ts";
import { plainFrame } from "./frame.ts";
import { Hub, hubNamed } from "./hub.ts";
import { TestInterface } from "./testing.ts";

const frame = plainFrame(Uint8Array.from([1, 2, 3]));

Deno.test("a loopback gives back what it gets, and makes a sender wait for itself", () => {
  const loop = new LoopbackBackend();
  assertEquals(loop.send(frame), true);
  const nic = new TestInterface();
  nic.accepts = 5;
  loop.attach(nic);
  nic.room = 1;
  assertEquals([loop.accepts, loop.send(frame), loop.send(frame)], [5, true, false]);
  loop.resume();
  assertEquals([nic.readies, nic.frames.length, loop.counters()], [1, 1, { frames: 1 }]);
  loop.resume();
  assertEquals(nic.readies, 1);
});

Deno.test("two ports of a hub are a cable: a receiver without room makes its sender wait", () => {
  const hub = new Hub();
  const [a, b] = [hub.join(), hub.join()];
  const [left, right] = [new TestInterface(), new TestInterface()];
  a.attach(left);
  assertEquals(a.send(frame), true, "nobody is there");
  b.attach(right);
  right.accepts = 3;
  right.room = 0;
  assertEquals([a.accepts, a.send(frame)], [3, false]);
  right.room = 1;
  b.resume();
  assertEquals([left.readies, a.send(frame), right.frames], [1, true, [Uint8Array.from([1, 2, 3])]]);
});

Deno.test("a port that leaves sets its sender free", () => {
  const hub = new Hub();
  const [a, b] = [hub.join(), hub.join()];
  const [left, right] = [new TestInterface(), new TestInterface()];
  a.attach(left);
  b.attach(right);
  right.room = 0;
  assertEquals(a.send(frame), false);
  b.close();
  assertEquals([left.readies, a.send(frame), hub.size], [1, true, 1]);
});

Deno.test("on a hub of three a receiver without room misses the frame, and the common ground is what all take", () => {
  const hub = new Hub();
  const ports = [hub.join(), hub.join(), hub.join()];
  const nics = ports.map((port) => {
    const nic = new TestInterface();
    port.attach(nic);
    return nic;
  });
  nics[1].accepts = 7;
  nics[2].accepts = 5;
  nics[2].room = 0;
  assertEquals([ports[0].accepts, ports[0].send(frame)], [5, true]);
  assertEquals([nics[0].frames.length, nics[1].frames.length, ports[0].counters()], [0, 1, { frames: 1, missed: 1 }]);
});

Deno.test("a hub's name belongs to its machine, or to the process", () => {
  const [one, other] = [{}, {}];
  assertEquals(hubNamed("lan", one) === hubNamed("lan", one), true);
  assertEquals(hubNamed("lan", one) === hubNamed("lan", other), false);
  const shared = hubNamed("test-lan", null);
  const port = shared.join();
  assertEquals(hubNamed("test-lan", null) === shared, true);
  port.close();
  assertEquals(hubNamed("test-lan", null) === shared, false);
});

Deno.test("a replay keeps its distances, waits for room, and begins when the interface is ready", () => {
  const scheduler = new Scheduler();
  const packet = (time: bigint, byte: number) => ({ time, bytes: Uint8Array.from([byte]), original: 1 });
  const replay = new ReplayBackend([packet(1000n, 1), packet(1500n, 2), packet(1400n, 3), packet(3000n, 4)], scheduler);
  const nic = new TestInterface();
  const seen: [number, number][] = [];
  nic.deliver = ({ bytes }) => nic.room-- > 0 && seen.push([scheduler.now, bytes[0]]) > 0;
  replay.attach(nic);
  scheduler.spend(70);
  nic.room = 3;
  replay.resume();
  while (scheduler.step());
  assertEquals(seen, [[70, 1], [570, 2], [570, 3]]);
  nic.room = 1;
  scheduler.spend(5000);
  replay.resume();
  assertEquals(seen[3], [70 + 2000 + 5000, 4]);
  assertEquals([replay.send(), replay.counters()], [true, { replayed: 4, dropped: 1 }]);
});

Deno.test("nothing takes everything", () => {
  const nothing = new NullBackend();
  assertEquals([nothing.send(), nothing.accepts, nothing.counters()], [true, 0, { dropped: 1 }]);
});

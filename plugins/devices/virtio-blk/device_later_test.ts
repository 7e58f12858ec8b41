import { assert, assertEquals } from "@std/assert";
import { blkWorld, DATA, HDR, header, HOLE, request, ST } from "./testdata/world.ts";

const LATENCY = 50_000;

type World = ReturnType<typeof blkWorld>;

/** Runs until `time`, in nanoseconds of virtual time. */
const until = (w: World, time: number) => w.scheduler.advance(time);

/** Kicks, and runs until everything is done. */
function go(w: World): void {
  w.driver.kick();
  rest(w);
}

/** Runs until everything is done. */
const rest = (w: World) => w.scheduler.advance(w.scheduler.now + 4 * LATENCY);

Deno.test("a medium that takes time answers then, and not before", () => {
  const w = blkWorld({ latency: LATENCY });
  request(w, 0, 3, 512);
  w.driver.kick();
  until(w, LATENCY - 1);
  assertEquals([w.ring.usedIdx, w.hex(DATA, 4), w.hex(ST, 1)], [0, "00000000", "ff"]);
  rest(w);
  assertEquals([w.ring.used(0), w.hex(DATA, 4), w.hex(ST, 1)], [[0, 513], "03000000", "00"]);
  assertEquals([w.model.requests, w.model.bytes, w.driver.usedInterrupts], [1, 512, 1]);
});

Deno.test("many requests wait together; writes and flushes come in their order", () => {
  const w = blkWorld({ latency: LATENCY });
  w.space.bytes(DATA, 512).fill(0xaa);
  request(w, 1, 9, 512);
  w.driver.kick();
  until(w, 1);
  w.put(HDR, header(4));
  w.ring.chain(3, [{ addr: BigInt(HDR), len: 16 }, { addr: BigInt(ST) + 1n, len: 1, flags: 2 }]);
  go(w);
  assertEquals([w.ring.usedIdx, w.ring.used(0), w.ring.used(1)], [2, [0, 1], [3, 1]]);
  assert(w.disk.bytes.subarray(9 * 512, 10 * 512).every((byte) => byte === 0xaa));
  assertEquals([w.disk.flushes, w.hex(ST, 2)], [1, "0000"]);
});

Deno.test("data in several buffers, with parts of the header and the status in them, moves as one stream", () => {
  const w = blkWorld({ latency: LATENCY });
  w.put(HDR, header(1, 9));
  const data = w.space.bytes(DATA, 512);
  data.forEach((_, i) => data[i] = i * 3);
  w.space.bytes(HDR + 16, 100).set(data.subarray(0, 100));
  w.ring.chain(0, [
    { addr: BigInt(HDR), len: 116 },
    { addr: BigInt(DATA) + 100n, len: 412 },
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  go(w);
  assertEquals(w.disk.bytes.slice(9 * 512, 10 * 512), data.slice());
  w.put(HDR, header(0, 9));
  w.ring.chain(4, [
    { addr: BigInt(HDR), len: 16 },
    { addr: BigInt(DATA) + 0x1000n, len: 200, flags: 2 },
    { addr: BigInt(DATA) + 0x2000n, len: 313, flags: 2 },
  ]);
  go(w);
  assertEquals(w.ring.used(1), [4, 513]);
  assertEquals(w.space.bytes(DATA + 0x1000, 200).slice(), data.slice(0, 200));
  assertEquals(w.space.bytes(DATA + 0x2000, 313).slice(), Uint8Array.of(...data.subarray(200), 0));
});

Deno.test("memory that is taken away in the middle fails the request, and no byte reaches it", () => {
  const w = blkWorld({ latency: LATENCY, translated: true });
  request(w, 0, 3, 512);
  w.driver.kick();
  until(w, LATENCY / 2);
  const before = w.context.leases.leases.size;
  w.device.port.revokeAll("a test");
  w.unmapped.add(DATA >>> 12);
  rest(w);
  assert(before >= 2);
  assertEquals([w.hex(DATA, 4), w.hex(ST, 1), w.ring.used(0)], ["00000000", "01", [0, 0]]);
});

Deno.test("a reset, a reset of the queue, or a breakdown forgets what is under way", () => {
  for (const end of ["reset", "queue", "broken"] as const) {
    const w = blkWorld({ latency: LATENCY, features: [32, 33, 40] });
    request(w, 0, 3, 512);
    w.driver.kick();
    until(w, LATENCY / 2);
    if (end === "reset") w.driver.transport.writeStatus(0);
    else if (end === "queue") assert(w.driver.transport.resetQueue(0));
    else w.device.needsReset("a test");
    rest(w);
    assertEquals([w.ring.usedIdx, w.hex(DATA, 4), w.hex(ST, 1)], [0, "00000000", "ff"], end);
    assertEquals(w.context.leases.leases.size, 0, end);
  }
});

Deno.test("a failing medium, data that leads nowhere and a status that does: as without a latency", () => {
  const failing = blkWorld({ latency: LATENCY });
  failing.disk.failing = true;
  request(failing, 0, 3, 512);
  go(failing);
  assertEquals([failing.hex(ST, 1), failing.ring.used(0)], ["01", [0, 0]]);
  const nowhere = blkWorld({ latency: LATENCY });
  nowhere.put(HDR, header(0, 3));
  nowhere.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    { addr: HOLE, len: 512, flags: 2 },
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  go(nowhere);
  assertEquals([nowhere.hex(ST, 1), nowhere.driver.status], ["01", 0x0f]);
  const status = blkWorld({ latency: LATENCY });
  status.put(HDR, header(0, 3));
  status.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    { addr: BigInt(DATA), len: 512, flags: 2 },
    { addr: HOLE, len: 1, flags: 2 },
  ]);
  go(status);
  assertEquals([status.driver.status, status.device.breakdown], [0x4f, "status leads nowhere"]);
});

Deno.test("a translation that is pending parks the request, before and after the medium's work", () => {
  const w = blkWorld({ latency: LATENCY, translated: true });
  w.pending.add(DATA >>> 12);
  request(w, 0, 3, 512);
  go(w);
  assertEquals(w.ring.usedIdx, 0);
  w.pending.clear();
  w.resume();
  until(w, w.scheduler.now + LATENCY / 2);
  w.pending.add(ST >>> 12);
  rest(w);
  assertEquals(w.ring.usedIdx, 0);
  w.pending.clear();
  w.resume();
  rest(w);
  assertEquals([w.ring.used(0), w.hex(DATA, 4), w.hex(ST, 1)], [[0, 513], "03000000", "00"]);
});

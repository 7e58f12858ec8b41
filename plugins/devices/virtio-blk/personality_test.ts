import { assertEquals } from "@std/assert";
import { blkWorld, DATA, HDR, header, HOLE, request, ST } from "./testdata/world.ts";

/** One request of QEMU's device: its status byte and used length. */
function outcome(w: ReturnType<typeof blkWorld>): [status: number, length: number] {
  w.go();
  return [w.space.bytes(ST, 1)[0], w.ring.used((w.ring.usedIdx - 1) % w.ring.size)[1]];
}

const qemu = (options: Parameters<typeof blkWorld>[0] = {}) => blkWorld({ personality: "qemu", ...options });

Deno.test("cases 4 and 5, QEMU: the used length is the whole writable size, whatever happened", () => {
  const cases: [type: number, sector: bigint, length: number, status: number, used: number][] = [
    [99, 0n, 512, 2, 513],
    [10, 0n, 6, 2, 7],
    [12, 0n, 0, 2, 1],
    [14, 0n, 0, 2, 1],
    [0, 2048n, 512, 1, 513],
    [0, 2n ** 64n - 1n, 512, 1, 513],
    [0, 0n, 100, 1, 101],
    [0, 0n, 0, 0, 1],
  ];
  for (const [type, sector, length, status, used] of cases) {
    const w = qemu();
    request(w, type, sector, length);
    assertEquals(outcome(w), [status, used], `type ${type}`);
  }
});

Deno.test("case 3, QEMU: a short serial number gets one NUL, and the rest is left alone", () => {
  const w = qemu({ serial: "vhost_user_blk" });
  w.space.bytes(DATA, 21).fill(0xcc);
  request(w, 8, 0, 20);
  assertEquals(outcome(w), [0, 21]);
  assertEquals(w.hex(DATA, 20), "76686f73745f757365725f626c6b" + "00" + "cccccccccc");
});

Deno.test("robustness 16 to 18, QEMU: what leads nowhere reads as zeros, counts as moved, or is lost", () => {
  const header16 = qemu();
  header16.ring.chain(0, [
    { addr: HOLE, len: 16 },
    { addr: BigInt(DATA), len: 512, flags: 2 },
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  assertEquals([outcome(header16), header16.hex(DATA, 4)], [[0, 513], "00000000"], "sector 0 begins with its number");
  const data = qemu();
  data.put(HDR, header(0, 3));
  data.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    { addr: HOLE, len: 512, flags: 2 },
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
  assertEquals(outcome(data), [0, 513]);
  const status = qemu();
  status.put(HDR, header(0, 3));
  status.ring.chain(0, [
    { addr: BigInt(HDR), len: 16 },
    { addr: BigInt(DATA), len: 512, flags: 2 },
    { addr: HOLE, len: 1, flags: 2 },
  ]);
  assertEquals([outcome(status), status.driver.status], [[0xff, 513], 0x0f]);
});

Deno.test("QEMU ignores the barrier bit of a request type; the specification has no such type", () => {
  for (const [personality, expected] of [["qemu", [0, 513]], ["spec", [2, 0]]] as const) {
    const w = blkWorld({ personality });
    request(w, 0x8000_0000, 3, 512);
    assertEquals(outcome(w), [...expected]);
  }
});

Deno.test("QEMU's configuration ends after byte 57, and reads beyond give all ones", () => {
  const { driver: { transport } } = qemu({ queueSize: 256 });
  const words = Array.from({ length: 15 }, (_, i) => transport.readConfig(4 * i, 4).toString(16).padStart(8, "0"));
  assertEquals(
    words.join(" "),
    [
      "00000800 00000000 00000000 000000fe 3f100002 00000200 00000000 00000000 00010001 003fffff",
      "00000001 00000001 003fffff 00000001 ffffffff",
    ].join(" "),
  );
  assertEquals([transport.readConfig(56, 1), transport.readConfig(57, 1)], [1, 0xff]);
});

Deno.test("QEMU's default offer is ours, with and without bus addresses", () => {
  assertEquals(qemu({ start: false }).driver.transport.offered().value, 0x103_3000_6e54n);
  assertEquals(qemu({ start: false, accessPlatform: false }).driver.transport.offered().value, 0x101_3000_6e54n);
});

Deno.test("QEMU lets a driver accept nothing at all, and serves kicks before DRIVER_OK", () => {
  const w = qemu({ features: [], accessPlatform: false, start: false });
  assertEquals(w.driver.negotiate(), 0x0b);
  w.driver.enable();
  request(w, 0, 3, 512);
  assertEquals(outcome(w), [0, 513]);
  assertEquals(w.driver.status, 0x0b);
});

// Mistakes that other back-ends were published with. Each is made here as it was made there.

import { assert, assertEquals } from "@std/assert";
import { Access } from "@iova/core";
import { close, eventfd, type Mapping, mapShared, memoryFile, unavailable } from "@iova/libc";
import blk from "@iova/virtio-blk";
import { areaBytes, SplitEntry, SplitRegion } from "./layout_inflight.ts";
import { DESC, put, Raw } from "./testdata/raw.ts";
import { serveDevice } from "./testing.ts";

const OK = "0000000000000000";
const REFUSED = "0100000000000000";

function test(name: string, fn: (raw: Raw) => void): void {
  Deno.test({
    name,
    ignore: unavailable() !== null,
    fn() {
      const raw = new Raw(() => serveDevice(blk, { ram: "1MiB" }));
      try {
        fn(raw);
      } finally {
        raw.close();
      }
      assertEquals(raw.leaked(), [0, 0]);
    },
  });
}

test("CVE-2018-1059: a buffer that runs out of its region ends there, and the request with it", (raw) => {
  raw.start();
  raw.makeAvailable({ data: (1 << 20) - 256 });
  raw.kick();
  raw.turns(3);
  assertEquals([raw.usedIndex(), raw.status(0)], [1, 1]);
});

test("CVE-2019-14818: tables that are sent again and again leave nothing behind", (raw) => {
  raw.start();
  const fd = memoryFile("again", 1 << 20);
  const table = `01000000 00000000 ${put(0, 1 << 20, 0x7f12_3456_0000, 0)}`;
  for (let i = 0; i < 50; i++) raw.ask(`05000000 09000000 28000000 ${table}`, [fd]);
  assertEquals(raw.server.session!.memory.regions.length, 1);
  close(fd);
});

test("CVE-2020-10722 to -10726: sizes and places of rings that wrap are refused, or lead nowhere", (raw) => {
  raw.negotiate();
  raw.memory();
  for (const size of [0, 3, 65535, 65536, 2 ** 31, 2 ** 32 - 1]) {
    const answer = raw.ask(`08000000 09000000 08000000 00000000 ${put(size).slice(0, 8)}`).slice(24);
    assertEquals(answer, size === 3 ? OK : REFUSED, `${size}`);
  }
  raw.start({ again: true });
  raw.ask("0b000000 01000000 08000000 00000000 00000000");
  const kick = eventfd();
  for (const place of [2n ** 64n - 64n, 2n ** 63n, 0x7f12_3456_0000n + (1n << 20n) - 16n]) {
    raw.ask(`09000000 09000000 28000000 ${put(0, place, place, place, place)}`);
    raw.ask("0c000000 09000000 08000000 0000000000000000", [kick]);
    raw.turns(3);
    raw.ask("0b000000 01000000 08000000 00000000 00000000");
  }
  close(kick);
  assert(raw.ask("01000000 01000000 00000000").length > 0, "it still answers");
});

test("CVE-2021-3839: inflight memory for more rings than it holds is refused", (raw) => {
  raw.negotiate();
  const fd = memoryFile("inflight", 4096);
  for (const [bytes, queues, size] of [[4096, 2, 128], [4096, 65535, 65535], [1 << 30, 1, 128], [0, 1, 1]]) {
    const payload = put(bytes, 0) + put(queues | size << 16).slice(0, 8) + "00000000";
    const answer = raw.ask(`20000000 09000000 18000000 ${payload}`, [fd]).slice(24);
    assertEquals(answer, REFUSED, `${bytes} bytes for ${queues} of ${size}`);
  }
  const none = raw.ask(`1f000000 01000000 18000000 ${put(0, 0)} ffffffff 00000000`);
  assertEquals(none.slice(24, 40), put(0), "and none is made");
  close(fd);
});

test("CVE-2022-0669: descriptors that come with a message that takes none are closed", (raw) => {
  raw.negotiate();
  const fd = eventfd();
  for (let i = 0; i < 20; i++) {
    raw.ask("03000000 01000000 00000000", [fd, fd, fd]);
    raw.ask("c8000000 09000000 00000000", [fd, fd]);
    raw.ask("0c000000 09000000 08000000 0001000000000000", [fd]);
    raw.ask("0d000000 09000000 08000000 ff00000000000000", [fd]);
    raw.ask("07000000 01000000 00000000", [fd]);
  }
  close(fd);
});

test("CVE-2022-0669: more descriptors than a message may have end the connection, and are closed", (raw) => {
  const fd = eventfd();
  raw.send("03000000 01000000 00000000", new Array(12).fill(fd));
  assert(raw.gone());
  close(fd);
});

test("CVE-2026-63110: what a peer writes into inflight memory is believed in nothing", (raw) => {
  raw.negotiate();
  raw.ask(`02000000 09000000 08000000 ${put(1n << 30n | 1n << 32n)}`);
  const bytes = areaBytes(8, false);
  const fd = memoryFile("inflight", bytes);
  const mapping = mapShared(fd, bytes, 0) as Mapping;
  const view = new DataView(mapping.buffer);
  new Uint8Array(mapping.buffer).fill(0xff);
  view.setUint16(SplitRegion.at.version, 1, true);
  view.setUint16(SplitRegion.at.desc_num, 8, true);
  for (let i = 0; i < 8; i++) view.setUint8(SplitRegion.size + i * SplitEntry.size, 1);
  const payload = put(bytes, 0) + put(1 | 8 << 16).slice(0, 8) + "00000000";
  assertEquals(raw.ask(`20000000 09000000 18000000 ${payload}`, [fd]).slice(24), OK);
  raw.start({ again: true });
  for (let i = 0; i < 3; i++) {
    raw.makeAvailable();
    raw.kick();
    raw.turns(3);
    assertEquals([raw.usedIndex(), raw.status(i)], [i + 1, 0]);
  }
  mapping.release();
  close(fd);
});

test("a number of a ring beyond the last one is refused in every request", (raw) => {
  raw.negotiate();
  for (const request of ["08", "0a", "12"]) {
    assertEquals(raw.ask(`${request}000000 09000000 08000000 09000000 01000000`).slice(24), REFUSED, request);
  }
  for (const request of ["0c", "0d", "0e"]) {
    assertEquals(raw.ask(`${request}000000 09000000 08000000 0901000000000000`).slice(24), REFUSED, request);
  }
  assertEquals(raw.ask(`09000000 09000000 28000000 ${put(9, 0, 0, 0, 0)}`).slice(24), REFUSED);
});

test("once an invalidation is answered, no lease over it is left that could be written through", (raw) => {
  raw.start({ iommu: true });
  raw.answerQuestions();
  const { port } = raw.served.plugin;
  const page = 0x40000;
  raw.ask(`16000000 09000000 20000000 ${put(page, 4096, 0x7f12_3456_0000 + page)} 03 02 000000000000`);
  const taken = port.map([{ hi: 0, lo: page, length: 4096, access: Access.WRITE }]);
  if (!taken.ok) throw new Error(`no lease: ${taken.status}`);
  let live = 0;
  taken.lease.use(() => live++);
  assertEquals(raw.ask(`16000000 09000000 20000000 ${put(page, 4096, 0)} 00 03 000000000000`).slice(24), OK);
  taken.lease.use(() => live++);
  assertEquals([live, taken.lease.live, port.writeAt(0, page, new Uint8Array(4), 0, 4)], [1, false, 3]);
});

test("a kick that is no eventfd, and hangs up, is put aside instead of waking the loop for ever", (raw) => {
  raw.start();
  const memory = memoryFile("no event", 4096);
  // A file cannot be waited for.
  assertEquals(raw.ask("0c000000 09000000 08000000 0000000000000000", [memory]).slice(24), REFUSED);
  close(memory);
  assertEquals(DESC.desc, 0x10000);
});

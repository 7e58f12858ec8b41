import { assertEquals } from "@std/assert";
import type { AtsOptions } from "./ats.ts";
import { Bridge, Bus, type BusContext, HardwareWork, MemoryTarget } from "./bus.ts";
import { Access, AddressType, type AtsEndpoint, BusStatus, type PageRequest } from "./bus_translator.ts";
import { Scheduler } from "./clock.ts";
import { EventStream } from "./events.ts";
import { LeaseTable } from "./mapping.ts";
import { AddressSpace, RamRegion } from "./memory.ts";

/** RAM behind a translator with ATS that trusts everybody; the test owns its table (page → frame, rights). */
function world(options: AtsOptions = {}) {
  const space = new AddressSpace();
  const ram = space.addRam(new RamRegion(0, new ArrayBuffer(1 << 20)));
  const scheduler = new Scheduler();
  const leases = new LeaseTable(scheduler, { policy: "revoke", deadline: 10, checked: false }, () => {});
  const events = new EventStream(() => scheduler.now);
  const context: BusContext = { space, scheduler, events, leases, hardware: new HardwareWork(scheduler) };
  const table = new Map<number, [frame: number, rights: number]>();
  const asked: AddressType[] = [];
  const completions: [number, number, number][] = [];
  const pageRequests: PageRequest[] = [];
  let endpoint: AtsEndpoint | null = null;
  const root = new Bus("root", new Bridge(new MemoryTarget(space)), null, context);
  root.bridge.translate(context, () => ({
    name: "ats",
    translate(tx, out) {
      asked.push(tx.addressType);
      if (tx.addressType === AddressType.TRANSLATED) {
        out.set(0, 0, 64, Access.ATOMIC);
        return BusStatus.OK;
      }
      const [frame, rights] = table.get(tx.lo >>> 12) ?? [0, 0];
      out.set(0, frame << 12, 12, rights);
      return BusStatus.OK;
    },
    ats: {
      attach: (_requester, given) => void (endpoint = given),
      detach: () => void (endpoint = null),
      invalidateCompletion: (requester, tags, count) => void completions.push([requester, tags, count]),
      pageRequest: (request) => (pageRequests.push(request), BusStatus.OK),
    },
  }));
  const port = root.attach("dev", 8);
  const cache = port.enableAts(options)!;
  return { ram, scheduler, table, asked, completions, pageRequests, port, cache, endpoint: () => endpoint };
}

const byte = new Uint8Array([0x55]);

Deno.test("a function with ATS asks once and then sends translated accesses", () => {
  const { port, table, asked, ram, cache } = world();
  table.set(1, [9, 3]);
  assertEquals([port.write(0x1001n, byte), port.write(0x1002n, byte)], [BusStatus.OK, BusStatus.OK]);
  assertEquals(asked, [AddressType.TRANSLATION_REQUEST, AddressType.TRANSLATED, AddressType.TRANSLATED]);
  assertEquals([ram.bytes[0x9001], ram.bytes[0x9002], cache.stats.hits, cache.stats.misses], [0x55, 0x55, 1, 1]);
});

Deno.test("a translation without rights is a success on the bus, is not kept, and lets nothing through", () => {
  const { port, table, ram, cache } = world();
  assertEquals(port.write(0x1000n, byte), BusStatus.COMPLETER_ABORT);
  table.set(1, [9, Access.READ]);
  assertEquals([port.read(0x1000n, new Uint8Array(1)), port.write(0x1000n, byte)], [0, BusStatus.COMPLETER_ABORT]);
  assertEquals([ram.bytes[0x9000], cache.stats.misses], [0, 3], "an entry without W is asked for again before a write");
});

Deno.test("an invalidated entry is dropped, and the completion carries the tag", () => {
  const { port, table, ram, completions, endpoint } = world();
  table.set(1, [9, 3]);
  port.write(0x1000n, byte);
  table.set(1, [5, 3]);
  port.write(0x1001n, byte);
  assertEquals([ram.bytes[0x9001], ram.bytes[0x5001]], [0x55, 0], "the old translation is still used");
  endpoint()!.invalidate(31, { first: 0x1000n, last: 0x1fffn }, -1, false);
  port.write(0x1002n, byte);
  assertEquals([ram.bytes[0x9002], ram.bytes[0x5002]], [0, 0x55]);
  assertEquals(completions, [[8, 0x8000_0000, 1]]);
});

Deno.test("each misbehaviour is what it says", () => {
  for (const misbehaviour of ["ignore", "silent", "late"] as const) {
    const { port, table, completions, endpoint, cache, scheduler } = world({ misbehaviour, delay: 500 });
    table.set(1, [9, 3]);
    port.write(0x1000n, byte);
    endpoint()!.invalidate(0, { first: 0n, last: 0xffff_ffff_ffff_ffffn }, -1, true);
    assertEquals(cache.contains(0x1000n), misbehaviour === "ignore");
    assertEquals(completions.length, misbehaviour === "ignore" ? 1 : 0);
    while (scheduler.step());
    assertEquals([completions.length, scheduler.now], misbehaviour === "late" ? [1, 500] : [completions.length, 0]);
  }
});

Deno.test("a page request parks the work until software has answered", () => {
  const { port, table, pageRequests, endpoint, scheduler, ram } = world({ pageRequests: true });
  const seen: BusStatus[] = [];
  const work = () => {
    const status = port.write(0x3000n, byte);
    seen.push(status);
    if (status === BusStatus.PENDING) port.park(work);
  };
  work();
  assertEquals(pageRequests, [{ requester: 8, pasid: -1, address: 0x3000n, group: 1, last: true, rights: 2 }]);
  table.set(3, [7, 3]);
  endpoint()!.pageResponse(1, 0);
  scheduler.settle();
  assertEquals([seen, ram.bytes[0x7000]], [[BusStatus.PENDING, BusStatus.OK], 0x55]);
  endpoint()!.pageResponse(2, 15);
  assertEquals(port.write(0x8000n, byte), BusStatus.COMPLETER_ABORT, "after a response failure nobody is asked again");
});

Deno.test("a lease made through the cache is revoked by an invalidation of the address that was asked for", () => {
  const { port, table, endpoint, completions } = world();
  table.set(1, [9, 3]);
  const result = port.map([{ hi: 0, lo: 0x1000, length: 16, access: Access.WRITE }]);
  if (!result.ok) throw new Error("cannot lease");
  endpoint()!.invalidate(3, { first: 0x9000n, last: 0x9fffn }, -1, false);
  assertEquals(result.lease.live, true, "a frame address is not what was asked for");
  endpoint()!.invalidate(4, { first: 0x1000n, last: 0x1fffn }, -1, false);
  assertEquals([result.lease.live, completions.map(([, tags]) => tags)], [false, [8, 16]]);
});

Deno.test("turning ATS off forgets everything and goes back to untranslated accesses", () => {
  const { port, table, asked, endpoint } = world();
  table.set(1, [9, 3]);
  port.write(0x1000n, byte);
  port.disableAts();
  port.write(0x1000n, byte);
  assertEquals([asked[2], endpoint()], [AddressType.UNTRANSLATED, null]);
});

Deno.test("where no translator offers ATS there is none", () => {
  const { port } = world();
  const above = port.bus.context;
  const plain = new Bus("plain", new Bridge(new MemoryTarget(above.space)), null, above);
  assertEquals(plain.attach("dev", 16).enableAts(), null);
});

Deno.test("a page that software refuses fails its access; the next one asks again", () => {
  const { port, pageRequests, endpoint } = world({ pageRequests: true });
  assertEquals(port.write(0x3000n, byte), BusStatus.PENDING);
  endpoint()!.pageResponse(1, 1);
  assertEquals(port.write(0x3000n, byte), BusStatus.COMPLETER_ABORT);
  assertEquals([port.write(0x3000n, byte), pageRequests.length], [BusStatus.PENDING, 2]);
});

Deno.test("a message is sent untranslated, whatever the cache holds", () => {
  const { port, asked, table, ram } = world();
  table.set(2, [6, 3]);
  assertEquals(port.write32(0, 0x2000, 0x1234), BusStatus.OK);
  assertEquals([asked, ram.view.getUint32(0x6000, true)], [[AddressType.UNTRANSLATED], 0x1234]);
});

Deno.test("an access through the cache is split where its pages end", () => {
  const { port, table, ram } = world();
  table.set(1, [9, 3]).set(2, [4, 3]);
  assertEquals(port.write(0x1fffn, new Uint8Array([1, 2])), BusStatus.OK);
  assertEquals([ram.bytes[0x9fff], ram.bytes[0x4000], ram.bytes[0xa000]], [1, 2, 0]);
});

Deno.test("a lease made through the cache passes its translator once, by the address that was asked for", () => {
  const { port, table } = world();
  table.set(1, [9, 3]);
  const result = port.map([{ hi: 0, lo: 0x1000, length: 16, access: Access.WRITE }]);
  if (!result.ok) throw new Error("cannot lease");
  assertEquals(result.lease.passages.map(({ firstLo, lastLo }) => [firstLo, lastLo]), [[0x1000, 0x100f]]);
});

Deno.test("a function that is unplugged takes its cache along", () => {
  const { port, endpoint } = world();
  port.unplug();
  assertEquals(endpoint(), null);
});

Deno.test("an invalidation drops the page that it ends or begins in, and disabling drops everything", () => {
  const { port, table, cache, endpoint } = world();
  table.set(1, [9, 3]).set(2, [4, 3]).set(3, [5, 3]);
  for (const page of [1, 2, 3]) port.write(BigInt(page * 4096), byte);
  endpoint()!.invalidate(0, { first: 0x1800n, last: 0x2000n }, -1, false);
  assertEquals([0x1000n, 0x2000n, 0x3000n].map((page) => cache.contains(page)), [false, false, true]);
  port.disableAts();
  assertEquals(cache.contains(0x3000n), false);
});

Deno.test("an invalidation of another process's address space is answered and drops nothing, unless it is global", () => {
  for (const [mine, theirs] of [[-1, 5], [5, -1], [5, 6]]) {
    const { port, table, cache, endpoint, completions } = world({ pasid: mine });
    table.set(1, [9, 3]);
    port.write(0x1000n, byte);
    const all = { first: 0n, last: 0xffff_ffff_ffff_ffffn };
    endpoint()!.invalidate(0, all, theirs, false);
    assertEquals([cache.contains(0x1000n), completions.length], [true, 1]);
    endpoint()!.invalidate(1, all, theirs, true);
    assertEquals([cache.contains(0x1000n), completions.length], [false, 2]);
    port.write(0x1000n, byte);
    endpoint()!.invalidate(2, all, mine, false);
    assertEquals(cache.contains(0x1000n), false);
  }
});

Deno.test("a function's own translator comes before its translation cache, and stays when the cache goes", () => {
  const { port, table, asked, ram } = world();
  port.translate(() => ({
    name: "on the card",
    translate(tx, out) {
      out.set(0, (tx.lo & ~0xfff) + 0x1000, 12, Access.ATOMIC);
      return BusStatus.OK;
    },
  }));
  table.set(2, [9, 3]);
  assertEquals([port.write(0x1001n, byte), ram.bytes[0x9001]], [BusStatus.OK, 0x55]);
  assertEquals(asked, [AddressType.TRANSLATION_REQUEST, AddressType.TRANSLATED]);
  port.disableAts();
  assertEquals([port.write(0x1002n, byte), ram.bytes[0x9002]], [BusStatus.OK, 0x55]);
  assertEquals(asked[2], AddressType.UNTRANSLATED);
});

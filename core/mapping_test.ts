import { assert, assertEquals } from "@std/assert";
import { DmaHandle } from "./address.ts";
import { Bridge, Bus, type BusContext, type BusPort, HardwareWork, MemoryTarget } from "./bus.ts";
import { Access, BusStatus, type TranslatorHost } from "./bus_translator.ts";
import { Random, Scheduler } from "./clock.ts";
import { EventStream } from "./events.ts";
import { type InvalidationPolicy, type Lease, type LeaseOptions, LeaseTable } from "./mapping.ts";
import { AddressSpace, RamRegion } from "./memory.ts";

/** 1 MiB of RAM behind a translator whose page table (bus page → frame) the test owns. */
function world(policy: Partial<InvalidationPolicy> = {}) {
  const space = new AddressSpace();
  const ram = space.addRam(new RamRegion(0, new ArrayBuffer(1 << 20)));
  const scheduler = new Scheduler();
  const warnings: string[] = [];
  const leases = new LeaseTable(
    scheduler,
    { policy: "revoke", deadline: 1000, checked: false, ...policy },
    (id) => warnings.push(id),
  );
  const context: BusContext = {
    space,
    scheduler,
    events: new EventStream(() => 0),
    leases,
    hardware: new HardwareWork(scheduler),
  };
  const table = new Map<number, number>();
  let host!: TranslatorHost;
  const root = new Bus("root", new Bridge(new MemoryTarget(space)), null, context);
  root.bridge.translate(context, (given) => {
    host = given;
    return {
      name: "table",
      translate(tx, out) {
        const frame = table.get((tx.hi >>> 0) * 0x10_0000 + (tx.lo >>> 12));
        if (frame === undefined) return BusStatus.UNSUPPORTED_REQUEST;
        out.set(0, frame << 12, 12, 3);
        return BusStatus.OK;
      },
    };
  });
  return { ram, scheduler, warnings, leases, table, host, port: root.attach("dev", 8) };
}

function lease(port: BusPort, address: bigint, length: number, options?: LeaseOptions): Lease {
  const { hi, lo } = new DmaHandle().set(address);
  const result = port.map([{ hi, lo, length, access: Access.ATOMIC }], options);
  if (!result.ok) throw new Error(`cannot lease ${address}`);
  return result.lease;
}

/** Tries to write one byte through a lease; whether it could. */
function poke(lease: Lease, value: number): boolean {
  return lease.use(([pieces]) => (pieces[0].bytes[0] = value, true)) ?? false;
}

Deno.test("a lease lends the memory itself, piece by piece", () => {
  const { port, table, ram } = world();
  table.set(1, 9).set(2, 10).set(3, 5);
  const ranges = lease(port, 0x1800n, 0x2000).use((views) =>
    views[0].map(({ at, bytes }) => (bytes.fill(at >> 8), [at, bytes.length]))
  );
  assertEquals(ranges, [[0, 0x1800], [0x1800, 0x800]], "pages 9 and 10 are neighbours and become one piece");
  assertEquals([ram.bytes[0x97ff], ram.bytes[0x9800], ram.bytes[0x5000], ram.bytes[0x5800]], [0, 0, 0x18, 0]);
});

Deno.test("a range that is not mapped throughout cannot be leased", () => {
  const { port, table } = world();
  table.set(1, 9);
  const result = port.map([{ hi: 0, lo: 0x1000, length: 0x1001, access: Access.READ }]);
  assertEquals(result, { ok: false, status: BusStatus.UNSUPPORTED_REQUEST, address: 0x1000n });
});

Deno.test("under revoke an invalidation kills the lease at once and completes", () => {
  const { port, table, host } = world();
  table.set(1, 9);
  const held = lease(port, 0x1000n, 64);
  const signal = held.signal;
  let done = 0;
  host.invalidate({ first: 0x1000n, last: 0x1fffn }, () => done++);
  assertEquals([done, held.live, signal.aborted, poke(held, 1)], [1, false, true, false]);
});

Deno.test("an invalidation beside the lease leaves it alone", () => {
  const { port, table, host } = world();
  table.set(1, 9);
  const held = lease(port, 0x1000n, 0x1000);
  host.invalidate({ first: 0x2000n, last: 0xffff_ffff_ffff_ffffn });
  host.invalidate({ first: 0n, last: 0xfffn });
  host.invalidate({ first: 0x1000n, last: 0x1fffn, requester: 16 });
  assert(poke(held, 1));
  host.invalidate({ first: 0x1fffn, last: 0x1fffn, requester: 8 });
  assertEquals(poke(held, 1), false);
});

Deno.test("a flush of everything, up to 2^64 - 1, reaches leases above 2^53", () => {
  const { port, table, host } = world();
  table.set(0x8000_0000 * 0x10_0000 + 7, 9);
  const held = lease(port, 0x8000_0000_0000_7000n, 16);
  host.invalidate({ first: 0x8000_0000_0000_8000n, last: 0xffff_ffff_ffff_ffffn });
  assert(held.live, "the neighbouring page is not covered, though a double cannot tell them apart");
  host.invalidate({ first: 0n, last: 0xffff_ffff_ffff_ffffn });
  assertEquals(held.live, false);
});

Deno.test("under wait an invalidation completes when the lease ends", () => {
  const { port, table, host } = world({ policy: "wait" });
  table.set(1, 9);
  const held = lease(port, 0x1000n, 64);
  let done = 0;
  host.invalidate({ first: 0n, last: 0xffffn }, () => done++);
  assertEquals([done, poke(held, 1)], [0, true]);
  held.release();
  assertEquals([done, poke(held, 1)], [1, false]);
});

Deno.test("under wait a holder that is told can end its lease at once", () => {
  const { port, table, host, scheduler, warnings } = world({ policy: "wait" });
  table.set(1, 9);
  lease(port, 0x1000n, 64, { onRevoke: (lease) => lease.release() });
  let done = 0;
  host.invalidate({ first: 0n, last: 0xffffn }, () => done++);
  assertEquals(done, 1);
  assertEquals([scheduler.step(), warnings], [false, []], "the deadline was cancelled");
});

Deno.test("waiting ends at the deadline, in virtual time, with a warning", () => {
  const { port, table, host, scheduler, warnings } = world({ policy: "wait", deadline: 5000 });
  table.set(1, 9);
  const held = lease(port, 0x1000n, 64);
  let doneAt = -1;
  host.invalidate({ first: 0n, last: 0xffffn }, () => doneAt = scheduler.now);
  while (scheduler.step());
  assertEquals([doneAt, poke(held, 1), warnings], [5000, false, ["invalidate-timeout"]]);
});

Deno.test("an invalidation waits for bytes that the host's kernel still moves", () => {
  const { port, table, host } = world();
  table.set(1, 9);
  const held = lease(port, 0x1000n, 64);
  const end = held.hold();
  let done = 0;
  host.invalidate({ first: 0n, last: 0xffffn }, () => done++);
  assertEquals([held.live, done], [false, 0]);
  end();
  end();
  assertEquals(done, 1);
});

Deno.test("removing the function revokes its leases", () => {
  const { port, table, leases } = world();
  table.set(1, 9);
  const held = lease(port, 0x1000n, 64);
  port.bus.detach(port);
  assertEquals([held.live, held.reason, leases.leases.size], [false, "unplugged", 0]);
  assertEquals(port.write(0x1000n, new Uint8Array(1)), BusStatus.UNSUPPORTED_REQUEST);
});

Deno.test("the checking mode lends copies and reports a view that was kept and written", () => {
  const { port, table, ram, warnings } = world({ checked: true });
  table.set(1, 9);
  const held = lease(port, 0x1000n, 64);
  let kept!: Uint8Array;
  held.use(([pieces]) => {
    kept = pieces[0].bytes;
    kept[0] = 1;
  });
  assertEquals(ram.bytes[0x9000], 1, "what was written during the call is there");
  kept[1] = 2;
  held.release();
  assertEquals([ram.bytes[0x9001], warnings], [0, ["lease-view-kept"]]);
});

Deno.test("after an invalidation has completed no write through an old lease reaches memory", () => {
  for (const policy of ["wait", "revoke"] as const) {
    const random = new Random(1);
    const { port, table, host, ram, scheduler } = world({ policy, deadline: 100 });
    const live: { lease: Lease; page: number; frame: number }[] = [];
    let nextFrame = 1;
    for (let step = 0; step < 5000; step++) {
      const page = 1 + random.below(16);
      const action = random.below(5);
      if (action === 0 && !table.has(page)) table.set(page, nextFrame = nextFrame % 200 + 1);
      if (action === 1 && table.has(page)) {
        live.push({ lease: lease(port, BigInt(page) << 12n, 4096), page, frame: table.get(page)! });
      }
      if (action === 2 && live.length > 0) live.splice(random.below(live.length), 1)[0].lease.release();
      if (action === 3) live.forEach(({ lease }) => poke(lease, random.below(255) + 1));
      if (action === 4 && table.has(page)) {
        const frame = table.get(page)!;
        table.delete(page);
        let done = false;
        host.invalidate({ first: BigInt(page) << 12n, last: (BigInt(page) << 12n) + 4095n }, () => done = true);
        while (!done && scheduler.step());
        ram.bytes[frame << 12] = 0;
        for (const { lease } of live.filter((other) => other.page === page)) poke(lease, 0xee);
        assertEquals([done, ram.bytes[frame << 12]], [true, 0], `${policy}, step ${step}`);
        for (let i = live.length - 1; i >= 0; i--) if (!live[i].lease.live) live.splice(i, 1);
      }
    }
  }
});

Deno.test("a lease that was released while the host still moves bytes holds an invalidation up", () => {
  const { port, table, host, leases } = world();
  table.set(1, 9);
  const held = lease(port, 0x1000n, 64);
  const end = held.hold();
  held.release();
  let done = 0;
  host.invalidate({ first: 0n, last: 0xffffn }, () => done++);
  assertEquals(done, 0);
  end();
  assertEquals([done, leases.leases.size], [1, 0]);
});

Deno.test("copies are written back only by a lease that may write and is still live", () => {
  const { port, table, ram } = world({ checked: true });
  table.set(1, 9);
  const result = port.map([{ hi: 0, lo: 0x1000, length: 4, access: Access.READ }]);
  if (!result.ok) throw new Error("cannot lease");
  poke(result.lease, 7);
  const held = lease(port, 0x1000n, 4);
  held.use(([[piece]]) => {
    piece.bytes[0] = 8;
    held.revoke("in the middle");
  });
  assertEquals(ram.bytes[0x9000], 0);
});

Deno.test("a translator is told what a lease keeps, and that it has ended", () => {
  const { context } = world().port.bus;
  const told: string[] = [];
  const bus = new Bus("kept", new Bridge(new MemoryTarget(context.space)), null, context);
  bus.bridge.translate(context, () => ({
    name: "keeper",
    translate: (_tx, out) => (out.set(0, 0x9000, 12, 3), BusStatus.OK),
    leased(hi, lo, length, access, lease) {
      told.push(`${hi} ${lo.toString(16)} ${length} ${access}`);
      lease.whenEnded(() => told.push("ended"));
    },
  }));
  const held = lease(bus.attach("dev", 24), 0x1ff0n, 0x20);
  assertEquals(told, ["0 1ff0 16 3", "0 2000 16 3"]);
  held.release();
  assertEquals(told.slice(2), ["ended", "ended"]);
});

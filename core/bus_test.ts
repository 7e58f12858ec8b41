import { assertEquals, assertThrows } from "@std/assert";
import { DmaHandle } from "./address.ts";
import { behind, Bridge, Bus, type BusContext, HardwareWork, type MakeTranslator, MemoryTarget } from "./bus.ts";
import {
  Access,
  AddressType,
  BusStatus,
  type BusTranslator,
  Transaction,
  type Translation,
  type TranslatorHost,
} from "./bus_translator.ts";
import { Scheduler } from "./clock.ts";
import { PluginError } from "./errors.ts";
import { EventStream, type MachineEvent } from "./events.ts";
import { LeaseTable } from "./mapping.ts";
import { AddressSpace, RamRegion, type RegisterBlock } from "./memory.ts";

/** 1 MiB of RAM at 0, a root bus, nothing else. */
function world() {
  const space = new AddressSpace();
  const ram = space.addRam(new RamRegion(0, new ArrayBuffer(1 << 20)));
  const scheduler = new Scheduler();
  const events = new EventStream(() => scheduler.now);
  const log: MachineEvent[] = [];
  const policy = { policy: "revoke", deadline: 1000, checked: false } as const;
  const leases = new LeaseTable(scheduler, policy, () => {});
  const context: BusContext = { space, scheduler, events, leases, hardware: new HardwareWork(scheduler) };
  const root = new Bus("root", new Bridge(new MemoryTarget(space)), null, context);
  return { space, ram, scheduler, events, log, context, root };
}

/** A translator that maps pages by table: bus page number → [physical page number, rights]. */
function pages(table: Record<number, [frame: number, rights: number]>): BusTranslator {
  return {
    name: "pages",
    translate(tx, out) {
      const entry = tx.hi === 0 ? table[tx.lo >>> 12] : undefined;
      if (entry === undefined) return BusStatus.UNSUPPORTED_REQUEST;
      out.set(0, entry[0] << 12, 12, entry[1]);
      return BusStatus.OK;
    },
  };
}

/** Registers that remember what was written to them. */
class Registers implements RegisterBlock {
  readonly writes: [number, number, number][] = [];
  read(offset: number): number {
    return 0xa0 + offset;
  }
  write(offset: number, width: number, value: number): void {
    this.writes.push([offset, width, value]);
  }
}

const through = (translator: BusTranslator): MakeTranslator => () => translator;
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a device on an empty bus reaches memory at the address it says", () => {
  const { root, ram } = world();
  const port = root.attach("dev", 8);
  assertEquals(port.write(0x1234n, bytes("dma")), BusStatus.OK);
  assertEquals([...ram.bytes.subarray(0x1233, 0x1238)], [0, 100, 109, 97, 0]);
  const back = new Uint8Array(3);
  assertEquals(port.read(0x1234n, back), BusStatus.OK);
  assertEquals(back, bytes("dma"));
});

Deno.test("an address that nothing answers to is an unsupported request, and earlier pieces stay done", () => {
  const { root, ram } = world();
  const port = root.attach("dev", 8);
  assertEquals(port.write(0xffffen, bytes("abcd")), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals([...ram.bytes.subarray(0xffffe)], [97, 98]);
  assertEquals(port.stats.faults, 1);
});

Deno.test("an access that runs past 2^64 touches nothing", () => {
  const { root, ram } = world();
  const port = root.attach("dev", 8);
  assertEquals(port.write(0xffff_ffff_ffff_fffen, bytes("abcd")), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(ram.bytes.every((byte) => byte === 0), true);
});

Deno.test("without bus mastering no access gets onto the bus", () => {
  const { root, ram } = world();
  const port = root.attach("dev", 8);
  port.busMaster = false;
  assertEquals(port.write(0x1000n, bytes("x")), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(ram.bytes[0x1000], 0);
});

Deno.test("a long access is split at the translation granule and lands in scattered frames", () => {
  const { root, ram, context } = world();
  root.bridge.translate(context, through(pages({ 1: [9, 3], 2: [5, 3], 3: [7, 3] })));
  const port = root.attach("dev", 8);
  const data = new Uint8Array(0x2002).map((_, i) => i % 251);
  assertEquals(port.write(0x1fffn, data), BusStatus.UNSUPPORTED_REQUEST, "0x4000, the last byte, is not mapped");
  assertEquals(ram.bytes[0x9fff], data[0]);
  assertEquals(ram.bytes.subarray(0x5000, 0x6000), data.subarray(1, 0x1001));
  assertEquals(ram.bytes.subarray(0x7000, 0x8000), data.subarray(0x1001, 0x2001));
  assertEquals(port.stats.faults, 1);
  assertEquals(port.stats.translations, 4);
});

Deno.test("rights are checked from the device's point of view", () => {
  const { root, ram, context } = world();
  root.bridge.translate(context, through(pages({ 1: [9, Access.READ], 2: [5, Access.WRITE] })));
  const port = root.attach("dev", 8);
  assertEquals(port.write(0x1000n, bytes("x")), BusStatus.COMPLETER_ABORT);
  assertEquals(ram.bytes[0x9000], 0);
  assertEquals(port.read(0x2000n, new Uint8Array(1)), BusStatus.COMPLETER_ABORT);
  assertEquals(port.write(0x2000n, bytes("x")), BusStatus.OK);
  assertEquals(port.read(0x1000n, new Uint8Array(1)), BusStatus.OK);
});

Deno.test("a peer on the same bus is reached untranslated, unless access control redirects upward", () => {
  const { root, space, context } = world();
  root.bridge.translate(context, through(pages({})));
  const registers = new Registers();
  root.claim(0x4000_0000, 0x100, space.addRegisters(0x4000_0000, 0x100, "peer", registers));
  const port = root.attach("dev", 8);
  assertEquals(port.write32(0, 0x4000_0010, 0xcafe), BusStatus.OK);
  assertEquals(registers.writes, [[0x10, 4, 0xcafe]]);
  assertEquals(port.stats.translations, 0);
  root.redirect = true;
  assertEquals(port.write32(0, 0x4000_0010, 1), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(port.stats.translations, 1);
});

Deno.test("a claim that access control may not redirect still answers", () => {
  const { root, space, context } = world();
  root.bridge.translate(context, through(pages({})));
  const registers = new Registers();
  root.claim(0xfee0_0000, 0x1000, space.addRegisters(0xfee0_0000, 0x1000, "doorbell", registers), true);
  root.redirect = true;
  const port = root.attach("dev", 8);
  assertEquals(port.write32(0, 0xfee0_0000 | 0, 7), BusStatus.OK);
  assertEquals(registers.writes, [[0, 4, 7]]);
});

Deno.test("an access that runs into a peer's registers is cut there", () => {
  const { space, context } = world();
  const root = new Bus("root", new Bridge(new MemoryTarget(space)), null, context);
  const registers = new Registers();
  const region = space.addRegisters(0x10_0000, 0x10, "peer", registers);
  root.claim(0x10_0000, 0x10, region);
  const port = root.attach("dev", 8);
  assertEquals(port.write(0xf_fffcn, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])), BusStatus.OK);
  assertEquals(registers.writes, [[0, 4, 0x08070605]]);
});

Deno.test("bridges nest: the inner translator's answer is the outer one's question", () => {
  const { root, ram, context } = world();
  root.bridge.translate(context, through(pages({ 0x20: [0x9, 3] })));
  const below = new Bus("below", new Bridge(root), root, context);
  below.bridge.translate(context, through(pages({ 0x1: [0x20, 3] })));
  const port = below.attach("dev", 0x108);
  assertEquals(port.write(0x1042n, bytes("nested")), BusStatus.OK);
  assertEquals(ram.bytes.subarray(0x9042, 0x9048), bytes("nested"));
  assertEquals(port.stats.translations, 2);
});

Deno.test("translator + bus = bus", () => {
  const { space, root } = world();
  space.addRam(new RamRegion(0x100_0000, new ArrayBuffer(0x2000)));
  const target = behind(pages({ 1: [0x1000, 3] }), behind(pages({ 0x1000: [0x1001, 3] }), root));
  const bus = new Bus("inner", new Bridge(target), null, root.context);
  const port = bus.attach("dev", 8);
  assertEquals(port.write(0x1000n, bytes("ok")), BusStatus.OK);
  assertEquals(space.bytes(0x100_1000, 2), bytes("ok"));
});

Deno.test("a requester out of scope passes untranslated; the others do not", () => {
  const { root, ram, context } = world();
  root.bridge.translate(context, through(pages({ 1: [9, 3] })));
  const [inScope, outside] = [root.attach("in", 8), root.attach("out", 16)];
  root.bridge.bypass(16);
  inScope.write(0x1000n, bytes("T"));
  outside.write(0x1000n, bytes("P"));
  assertEquals([ram.bytes[0x9000], ram.bytes[0x1000]], [84, 80]);
});

Deno.test("one requester can have a translator of its own in a shared bridge", () => {
  const { root, ram, context } = world();
  root.bridge.translate(context, through(pages({ 1: [9, 3] })));
  root.bridge.translate(context, through(pages({ 1: [4, 3] })), 16);
  root.attach("default", 8).write(0x1000n, bytes("D"));
  root.attach("own", 16).write(0x1000n, bytes("O"));
  assertEquals([ram.bytes[0x9000], ram.bytes[0x4000]], [68, 79]);
});

Deno.test("a card's own translator sits one step before its bus", () => {
  const { root, ram, context } = world();
  root.bridge.translate(context, through(pages({ 0x30: [9, 3] })));
  const port = root.attach("card", 8);
  port.translate(through(pages({ 1: [0x30, 3] })));
  assertEquals(port.write(0x1000n, bytes("C")), BusStatus.OK);
  assertEquals(ram.bytes[0x9000], 67);
});

Deno.test("large frames keep the offset bits that belong to the device", () => {
  for (
    const [shift, frameHi, frameLo, busHi, busLo, wantHi, wantLo] of [
      [30, 0, 0x4000_0000, 0, 0x8000_1234, 0, 0x4000_1234],
      [31, 0, 0, 0, 0xffff_fff0, 0, 0x7fff_fff0],
      [32, 0, 0x1234, 0x7, 0x89ab_cdef, 0, 0x89ab_cdef],
      [36, 0x20, 0, 0x8000_000f, 0x10, 0x2f, 0x10],
      [64, 0, 0, 0x1f, 0xffff_ffff, 0x1f, 0xffff_ffff],
      [0, 0, 0x77, 0, 0x13, 0, 0x77],
    ]
  ) {
    const seen: number[] = [];
    const target = behind({
      name: "frame",
      translate(_tx, out) {
        out.set(frameHi | 0, frameLo | 0, shift, 3);
        return BusStatus.OK;
      },
    }, {
      resolve(tx) {
        seen.push(tx.hi >>> 0, tx.lo >>> 0, tx.length);
        return BusStatus.UNSUPPORTED_REQUEST;
      },
    });
    const { context } = world();
    const port = new Bus("b", new Bridge(target), null, context).attach("dev", 1);
    port.readAt(busHi | 0, busLo | 0, new Uint8Array(8), 0, 1);
    assertEquals(seen, [wantHi, wantLo, 1], `shift ${shift}`);
  }
});

Deno.test("the piece of an access ends with its frame, also in frames of 4 GiB and more", () => {
  for (
    const [shift, hi, lo, left] of [[12, 0, 0x1ff0, 0x10], [31, 0, 0x7fff_ff00, 0x100], [32, 1, 0xffff_ff80, 0x80]]
  ) {
    const lengths: number[] = [];
    const translator: BusTranslator = {
      name: "frames",
      translate: (_tx: Transaction, out: Translation) => (out.set(0, 0, shift, 3), BusStatus.OK),
    };
    const target = behind(translator, { resolve: (tx) => (lengths.push(tx.length), BusStatus.COMPLETER_ABORT) });
    const port = new Bus("b", new Bridge(target), null, world().context).attach("dev", 1);
    port.readAt(hi, lo | 0, new Uint8Array(0x1000), 0, 0x1000);
    assertEquals(lengths, [left]);
  }
});

Deno.test("a pending answer is no fault, and parked work runs when the translator says so", () => {
  const { root, scheduler, context } = world();
  let ready = false;
  let resume = () => {};
  root.bridge.translate(context, (host) => {
    resume = () => host.resume();
    return {
      name: "late",
      translate: (_tx, out) => ready ? (out.set(0, 0x3000, 12, 3), BusStatus.OK) : BusStatus.PENDING,
    };
  });
  const port = root.attach("dev", 8);
  const got: BusStatus[] = [];
  const work = () => {
    const status = port.write(0x1000n, bytes("late"));
    got.push(status);
    if (status === BusStatus.PENDING) port.park(work);
  };
  work();
  scheduler.settle();
  ready = true;
  resume();
  scheduler.settle();
  assertEquals(got, [BusStatus.PENDING, BusStatus.OK]);
  assertEquals(port.stats.faults, 0);
});

Deno.test("a translator's queue is drained one command a call", () => {
  const { root, scheduler, context } = world();
  let commands = 3;
  let calls = 0;
  root.bridge.translate(context, (host) => {
    host.kick();
    return { ...pages({}), step: () => (calls++, commands-- > 0) };
  });
  scheduler.settle();
  assertEquals([commands, calls], [-1, 4]);
});

Deno.test("a device that writes its own registers by DMA is refused, not recursed into", () => {
  const { root, space } = world();
  const port = root.attach("dev", 8);
  const seen: BusStatus[] = [];
  const region = space.addRegisters(0x2000_0000, 16, "self", {
    read: () => 0,
    write: () => void seen.push(port.write32(0, 0x2000_0000, 1)),
  });
  root.claim(0x2000_0000, 16, region);
  space.write(0x2000_0000, 4, 1);
  assertEquals(seen, [BusStatus.COMPLETER_ABORT]);
});

Deno.test("events tell what the bus saw, and nothing is built when nobody listens", () => {
  const { root, events } = world();
  const port = root.attach("dev", 8);
  port.write(0x1000n, bytes("quiet"));
  const log: MachineEvent[] = [];
  events.listen((event) => log.push({ ...event }));
  port.write(0x1000n, bytes("loud"));
  port.read(0x8000_0000_0000_0000n, new Uint8Array(1));
  assertEquals(log, [
    { type: "dma", device: "dev", access: "write", address: "0x1000", length: 4, time: 0 },
    {
      type: "fault",
      device: "dev",
      access: "read",
      address: "0x8000000000000000",
      status: "unsupported request",
      time: 0,
    },
  ]);
});

Deno.test("address bits come out of the halves wherever they straddle", () => {
  const tx = new Transaction();
  const { hi, lo } = new DmaHandle().set(0x8123_4567_89ab_cdefn);
  Object.assign(tx, { hi, lo });
  for (let low = 0; low < 64; low++) {
    for (const width of [1, 3, 9, 12, 20, 31]) {
      if (low + width > 64) continue;
      const want = Number(0x8123_4567_89ab_cdefn >> BigInt(low) & ((1n << BigInt(width)) - 1n));
      assertEquals(tx.bits(low, width), want, `bits(${low}, ${width})`);
    }
  }
  assertEquals(tx.address, 0x8123_4567_89ab_cdefn);
  assertEquals(tx.addressType, AddressType.UNTRANSLATED);
});

Deno.test("more than 256 requesters can each have a translator of their own", () => {
  const { root, ram, context } = world();
  for (let i = 1; i <= 300; i++) {
    root.bridge.translate(context, through(pages({ 1: [i % 256, 3] })), i);
  }
  for (const requester of [1, 255, 256, 257, 300]) {
    const port = root.attach(`dev${requester}`, requester);
    assertEquals(port.write(0x1000n, new Uint8Array([0x77])), BusStatus.OK);
    assertEquals(ram.bytes[requester % 256 * 4096], 0x77, `requester ${requester}`);
    ram.bytes.fill(0);
  }
});

Deno.test("a translator that throws, or answers for nothing, is named", () => {
  const { root, context } = world();
  const broken = [
    () => {
      throw new Error("boom");
    },
    (tx: Transaction, out: Translation) => {
      tx.length = 0;
      out.set(0, 0, 12, 3);
      return BusStatus.OK;
    },
  ];
  const messages = broken.map((translate, i) => {
    root.bridge.translate(context, through({ name: "mine", translate }), i);
    const port = root.attach(`dev${i}`, i);
    return assertThrows(() => port.write(0n, bytes("x")), PluginError).message;
  });
  assertEquals(messages, [
    'plugin "mine" failed in translate: boom',
    'plugin "mine" failed in translate: it answered for no bytes',
  ]);
});

Deno.test("accesses below and between claims end where the next begins; redirected ones go up whole", () => {
  const { root, ram } = world();
  const port = root.attach("dev", 8);
  // The claims hide RAM, so that an access that is not cut would be seen there.
  const peers = [0x2000, 0x6000].map((base) => {
    const block = new Registers();
    root.claim(base, 0x1000, { kind: "registers", base, size: 0x1000, name: "peer", block, busy: false });
    return block;
  });
  const write = (at: bigint) => port.write(at, new Uint8Array(32).fill(1));
  assertEquals([0x1ff0n, 0x5ff0n, 0x7000n].map(write), [BusStatus.OK, BusStatus.OK, BusStatus.OK]);
  assertEquals([0x1fff, 0x2000, 0x5fff, 0x6000, 0x701f].map((at) => ram.bytes[at]), [1, 0, 1, 0, 1]);
  assertEquals(peers.map(({ writes }) => writes.length), [4, 4]);
  root.redirect = true;
  assertEquals(write(0x2ff0n), BusStatus.OK);
  assertEquals([ram.bytes[0x2ff0], ram.bytes[0x300f], peers[0].writes.length], [1, 1, 4]);
});

Deno.test("an atomic access needs both rights", () => {
  const { root, context } = world();
  root.bridge.translate(context, through(pages({ 1: [1, Access.READ], 2: [2, Access.ATOMIC] })));
  const port = root.attach("dev", 8);
  const visit = (lo: number) => port.visit(0, lo, 4, Access.ATOMIC, { piece() {} });
  assertEquals([visit(0x1000), visit(0x2000)], [BusStatus.COMPLETER_ABORT, BusStatus.OK]);
});

Deno.test("an access across 4 GiB goes on above it", () => {
  const { root, space } = world();
  const high = space.addRam(new RamRegion(2 ** 32 - 4096, new ArrayBuffer(8192)));
  const port = root.attach("dev", 8);
  root.bridge.translate(
    root.context,
    through({
      name: "page by page",
      translate(tx, out) {
        out.set(tx.hi, tx.lo, 12, Access.ATOMIC);
        return BusStatus.OK;
      },
    }),
  );
  assertEquals(port.write(2n ** 32n - 2n, bytes("abcd")), BusStatus.OK);
  assertEquals(high.bytes.subarray(4094, 4098), bytes("abcd"));
});

Deno.test("a lease over registers is refused and counted, and a translator kicked twice runs once", () => {
  const { root, space, context, scheduler } = world();
  const port = root.attach("dev", 8);
  space.addRegisters(0x20_0000, 4096, "peer", new Registers());
  const result = port.map([{ hi: 0, lo: 0x20_0000, length: 4, access: Access.READ }]);
  assertEquals([result.ok, port.stats.faults], [false, 1]);
  let steps = 0;
  const stage = { translator: { name: "queue", translate: () => BusStatus.OK, step: () => (steps++, false) } };
  context.hardware.kick(stage);
  context.hardware.kick(stage);
  scheduler.settle();
  assertEquals(steps, 1);
});

Deno.test("what a translator writes by itself is on the trace, and a write past memory's end is refused", () => {
  const { root, context, events, ram, log } = world();
  let host!: TranslatorHost;
  root.bridge.translate(context, (given) => (host = given, pages({})));
  events.listen((event) => log.push({ ...event }));
  const statuses = [0x1000, (1 << 20) - 2, 0x5000_0000].map((address) => host.memory.write32(address, 7));
  assertEquals(statuses, [BusStatus.OK, BusStatus.UNSUPPORTED_REQUEST, BusStatus.UNSUPPORTED_REQUEST]);
  assertEquals(ram.view.getUint32(0x1000, true), 7);
  assertEquals(log, [{ type: "translator-write", translator: "pages", address: "0x1000", value: 7, time: 0 }]);
});

Deno.test("an access past 2^64 does not come round to address 0", () => {
  const { root, context, ram } = world();
  root.bridge.translate(
    context,
    through({
      name: "everywhere",
      translate(_tx, out) {
        out.set(0, 0, 12, Access.ATOMIC);
        return BusStatus.OK;
      },
    }),
  );
  const port = root.attach("dev", 8);
  assertEquals(port.write(2n ** 64n - 2n, bytes("abcd")), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals([port.write(2n ** 64n - 2n, bytes("ab")), ram.bytes[4095], ram.bytes[0]], [BusStatus.OK, 98, 0]);
});

Deno.test("a port counts accesses and bytes, once each, whichever form they come in", () => {
  const { root } = world();
  const port = root.attach("dev", 8);
  port.read(0x1000n, new Uint8Array(16));
  port.write(0x1000n, new Uint8Array(32));
  port.visit(0, 0x1000, 64, Access.READ, { piece() {} });
  port.visit(0, 0x1000, 128, Access.WRITE, { piece() {} });
  port.write32(0, 0x1000, 1);
  assertEquals({ ...port.stats }, {
    reads: 2,
    writes: 3,
    bytesRead: 80,
    bytesWritten: 164,
    translations: 0,
    faults: 0,
  });
});

import { assert, assertEquals } from "@std/assert";
import { Access, type AtsOptions, BusStatus, Direction, dmaBitMask, type PhysAddr, toDmaAddr } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { Control, Register, Status } from "./layout.ts";
import amdIommu from "./mod.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** A device, its IOMMU brought up; registers and memory as 64-bit words. */
function world(options: Record<string, unknown> = {}, ats?: AtsOptions) {
  const platform = testPlatform(amdIommu, { with: options });
  const { world: at } = platform;
  const registers = at.space.registerRegions.find(({ name }) => name === "AMD IOMMU")!;
  const writes: [offset: number, value: number][] = [];
  const write = registers.block.write.bind(registers.block);
  registers.block.write = (offset, width, value) => {
    writes.push([offset, value]);
    write(offset, width, value);
  };
  const port = platform.bus.attach("dev", 0x28);
  // As Linux orders it: the device's ATS first, then its table entry.
  const cache = ats === undefined ? null : port.enableAts(ats);
  const context = at.dmaContext("dev", 0x28);
  const dma = platform.operations(context);
  dma.setMaskAndCoherent(dmaBitMask(64));
  const register = (offset: number) =>
    toDmaAddr(at.guest.read(registers.base + offset + 4, 4) | 0, at.guest.read(registers.base + offset, 4) | 0);
  const word = (address: PhysAddr) => at.space.ram(address)!.view.getBigUint64(address, true);
  const base = (offset: number) => Number(register(offset) & 0xf_ffff_ffff_f000n);
  const dte = (id: number) => [0, 8, 16, 24].map((q) => word(base(Register.DEV_TAB_BASE) + id * 32 + q));
  /** Commands since `from`, as pairs of words; `from` is a byte offset in the ring. */
  const commands = (from: number) => {
    const tail = Number(register(Register.CMD_TAIL));
    const ring = base(Register.CMD_BUF_BASE);
    const words: [bigint, bigint][] = [];
    for (let i = from; i < tail; i += 16) words.push([word(ring + i), word(ring + i + 8)]);
    return words;
  };
  const tail = () => Number(register(Register.CMD_TAIL));
  return { port, dma, cache: cache!, at, platform, register, word, base, dte, commands, tail, writes };
}

/** COMPLETION_WAIT's words: its store goes to `semaphore`. */
const wait = (semaphore: bigint, value: bigint): [bigint, bigint] => [0x1000_0000_0000_0001n | semaphore, value];

/** Where the last COMPLETION_WAIT stores. */
function semaphoreOf(commands: [bigint, bigint][]): bigint {
  return commands.at(-1)![0] & 0xf_ffff_ffff_fff8n;
}

Deno.test("the IOMMU is brought up in Linux's order", () => {
  const { writes, register } = world();
  const first = (offset: number, is: (value: number) => boolean = () => true) =>
    writes.findIndex(([at, value]) => at === offset && is(value));
  const control = (mask: number) => first(Register.CONTROL, (value) => (value & mask) !== 0);
  const order = [
    first(Register.CONTROL),
    control(Control.mask.coherent),
    control(Control.mask.invTimeOut),
    first(Register.DEV_TAB_BASE),
    first(Register.CMD_BUF_BASE),
    first(Register.CMD_HEAD),
    first(Register.CMD_TAIL),
    control(Control.mask.cmdBufEn),
    first(Register.EVT_LOG_BASE),
    first(Register.EVT_HEAD),
    first(Register.EVT_TAIL),
    control(Control.mask.eventLogEn),
    control(Control.mask.iommuEn),
    first(Register.CMD_TAIL, (value) => value > 0),
    control(Control.mask.eventIntEn),
    first(Register.PPR_LOG_BASE),
    control(Control.mask.pprLogEn),
    control(Control.mask.pprIntEn),
    control(Control.mask.pprEn),
  ];
  assert(order.every((at) => at >= 0));
  assertEquals(order, [...order].sort((a, b) => a - b));
  assertEquals(register(Register.CONTROL), 0xf48dn);
  assertEquals(register(Register.STATUS), 0x98n, "both logs and the ring run");
});

Deno.test("the device table has every id and is blocked but for the attached device; rings have 512 entries", () => {
  const { register, dte } = world();
  assertEquals(register(Register.DEV_TAB_BASE) & 0x1ffn, 0x1ffn, "2 MiB");
  for (const ring of [Register.CMD_BUF_BASE, Register.EVT_LOG_BASE, Register.PPR_LOG_BASE]) {
    assertEquals(register(ring) >> 56n, 9n);
  }
  for (const id of [0, 0x27, 0x29, 0xffff]) assertEquals(dte(id), [0x3n, 0n, 0n, 0n]);
});

Deno.test("a translated device: V, TV, IR, IW, mode 3, domain 1", () => {
  const { dte } = world();
  const [q0, q1, q2, q3] = dte(0x28);
  assertEquals([q0 & 0xfff0_0000_0000_0fffn, q1, q2, q3], [0x6000_0000_0000_0603n, 1n, 0n, 0n]);
});

Deno.test("bringing up invalidates everything; attaching invalidates the device's entry, then waits", () => {
  const { commands } = world();
  const all = commands(0);
  const semaphore = semaphoreOf(all);
  assertEquals(all, [
    [0x8000_0000_0000_0000n, 0n],
    wait(semaphore, 1n),
    [0x2000_0000_0000_0028n, 0n],
    wait(semaphore, 2n),
  ]);
});

Deno.test("20: completion is a counter that the IOMMU stores, eight bytes, little-endian", () => {
  const { commands, word, dma } = world();
  const semaphore = Number(semaphoreOf(commands(0)));
  assertEquals(word(semaphore), 2n);
  for (let i = 0; i < 300; i++) dma.unmapSingle(dma.mapSingle(0x1_0000, 64, TO_DEVICE), 64, TO_DEVICE);
  assertEquals(word(semaphore), 302n, "also after the ring has wrapped");
});

Deno.test("16: mapping writes entries and no command; unmapping one page is two commands", () => {
  const { dma, commands, tail } = world();
  const before = tail();
  const handle = dma.mapSingle(0x1_0000, 4096, TO_DEVICE);
  assertEquals(commands(before), []);
  dma.unmapSingle(handle, 4096, TO_DEVICE);
  assertEquals(commands(before), [
    [0x3000_0001_0000_0000n, 0xffff_f002n],
    wait(semaphoreOf(commands(before)), 3n),
  ]);
});

Deno.test("17: a range is named by the power of two that covers it; the lazy queue names everything", () => {
  const strict = world();
  const before = strict.tail();
  const handle = strict.dma.mapSingle(0x1_0000, 12288, TO_DEVICE);
  strict.dma.unmapSingle(handle, 12288, TO_DEVICE);
  assertEquals(handle, 0xffff_c000n);
  assertEquals(strict.commands(before)[0], [0x3000_0001_0000_0000n, 0xffff_d003n]);
  const lazy = world({ mode: "lazy" });
  const start = lazy.tail();
  for (let i = 0; i < 256; i++) lazy.dma.unmapSingle(lazy.dma.mapSingle(0x1_0000, 64, TO_DEVICE), 64, TO_DEVICE);
  assertEquals(lazy.commands(start)[0], [0x3000_0001_0000_0000n, 0x7fff_ffff_ffff_f003n]);
  assertEquals(lazy.commands(start).length, 2);
});

Deno.test("18: a large page is mapped as one, and unmapping it drops it whole", () => {
  const { dma, port, platform } = world();
  const handle = dma.mapSingle(0x20_0000, 0x20_0000, BIDIRECTIONAL);
  assertEquals(handle, 0xffe0_0000n);
  for (const at of [0n, 0x1f_f000n]) assertEquals(port.read(handle + at, new Uint8Array(8)), BusStatus.OK);
  assertEquals(platform.translator!.counters!().walks, 1, "one walk, one cached entry of 2 MiB");
  dma.unmapSingle(handle, 0x20_0000, BIDIRECTIONAL);
  assertEquals(port.read(handle, new Uint8Array(8)), BusStatus.COMPLETER_ABORT);
});

Deno.test("npCache: mapping is flushed as well, ranges are cut exactly, and lazy is strict", () => {
  const { dma, commands, tail } = world({ npCache: true, mode: "lazy" });
  const before = tail();
  const handle = dma.mapSingle(0x1_0000, 12288, TO_DEVICE);
  const flush = (last: bigint) => [
    [0x3000_0001_0000_0000n, 0xffff_c003n],
    [0x3000_0001_0000_0000n, 0xffff_e002n],
    wait(semaphoreOf(commands(before)), last),
  ];
  assertEquals(commands(before), flush(3n));
  const after = tail();
  dma.unmapSingle(handle, 12288, TO_DEVICE);
  assertEquals(commands(after), flush(4n));
});

Deno.test("29: a page table that grows is put into the device's entry, which is invalidated", () => {
  const { dma, dte, commands, tail, port } = world({ forceDac: true });
  dma.setCoherentMask(dmaBitMask(32));
  const low = dma.allocCoherent(4096)!.handle;
  assertEquals(port.read(low, new Uint8Array(8)), BusStatus.OK);
  assertEquals(dte(0x28)[0] >> 9n & 7n, 3n);
  const before = tail();
  const high = dma.mapSingle(0x1_1000, 64, BIDIRECTIONAL);
  assertEquals([low, high], [0xffff_f000n, 0xffff_ffff_ffff_f000n]);
  assertEquals(dte(0x28)[0] >> 9n & 7n, 6n);
  const semaphore = semaphoreOf(commands(before));
  assertEquals(commands(before), [
    [0x2000_0000_0000_0028n, 0n],
    wait(semaphore, 3n),
    [0x3000_0001_0000_0000n, 0xffff_ffff_ffff_f002n],
    wait(semaphore, 4n),
  ]);
  for (const handle of [low, high]) assertEquals(port.read(handle, new Uint8Array(8)), BusStatus.OK);
});

Deno.test("2: identity is mode 0 with both rights, blocked without; domain id 0", () => {
  const identity = world({ domain: "identity" });
  assertEquals(identity.dte(0x28), [0x6000_0000_0000_0003n, 0n, 0n, 0n]);
  assertEquals(identity.dma.mapSingle(0x1_2345, 100, TO_DEVICE), 0x1_2345n);
  assertEquals(identity.port.write(0x1_2345n, new Uint8Array(1)), BusStatus.OK);
  const blocked = world({ domain: "blocked" });
  assertEquals(blocked.dte(0x28), [0x3n, 0n, 0n, 0n]);
  assertEquals(blocked.dma.mappingError(blocked.dma.mapSingle(0x1_2345, 100, TO_DEVICE)), -12);
  assertEquals([blocked.dma.setMask(dmaBitMask(64)), blocked.dma.allocCoherent(64)], [-5, null]);
  assertEquals(blocked.port.write(0x1_2345n, new Uint8Array(1)), BusStatus.COMPLETER_ABORT);
});

Deno.test("devices have domains of their own, or share one: then they share addresses", () => {
  for (const shared of [false, true]) {
    const { platform, dma, dte, at } = world({ shared });
    const other = platform.device("other", 0x30);
    other.dma.setMaskAndCoherent(dmaBitMask(64));
    assertEquals([dte(0x28)[1], dte(0x30)[1]], shared ? [1n, 1n] : [1n, 2n]);
    const handle = dma.mapSingle(0x1_0000, 64, BIDIRECTIONAL);
    const theirs = other.dma.mapSingle(0x1_1000, 64, BIDIRECTIONAL);
    assertEquals(theirs, shared ? 0xffff_e000n : 0xffff_f000n);
    at.bytes(0x1_0000, 1)[0] = 0x11;
    at.bytes(0x1_1000, 1)[0] = 0x22;
    const [byte] = [new Uint8Array(1)];
    assertEquals(other.port.read(handle, byte), BusStatus.OK);
    assertEquals(byte[0], shared ? 0x11 : 0x22);
  }
});

Deno.test("a fault is an event, an interrupt, and a line in Linux's words", () => {
  const { dma, port, at } = world();
  const handle = dma.mapSingle(0x1_0000, 64, TO_DEVICE);
  assertEquals(port.write(handle + 4n, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  assertEquals(at.warnings, []);
  at.scheduler.settle();
  assertEquals(at.warnings, [{
    id: "IO_PAGE_FAULT",
    message: "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:00:05.0 domain=0x0001 address=0xfffff004 flags=0x0070]",
    device: "dev",
  }]);
});

Deno.test("22: 600 faults at once overflow the log, which is read and started again", () => {
  const { port, at, register, word, base } = world();
  for (let i = 0; i < 600; i++) port.write(BigInt(i) << 12n, new Uint8Array(4));
  assertEquals(register(Register.STATUS) & 0xbn, BigInt(Status.mask.eventOverflow | Status.mask.eventLogInt));
  at.scheduler.settle();
  assertEquals(register(Register.STATUS), 0x98n);
  assertEquals(register(Register.EVT_HEAD), register(Register.EVT_TAIL));
  assertEquals(word(base(Register.EVT_LOG_BASE)), 0n, "consumed slots are cleared");
  const messages = at.warnings.map(({ message }) => message);
  assertEquals(messages.filter((text) => text.includes("IO_PAGE_FAULT")).length, 10, "Linux's rate limit");
  assertEquals(messages.filter((text) => text === "AMD-Vi: IOMMU Event log restarting").length, 1);
  port.write(0x1000n, new Uint8Array(4));
  assertEquals(register(Register.STATUS) & 2n, 2n, "and logs again");
});

Deno.test("dma-api 28: after the machine has stopped, a device that goes on reaches nothing", () => {
  for (const mode of ["strict", "lazy"]) {
    const { dma, port, platform, at } = world({ mode });
    const handle = dma.mapSingle(0x1_0000, 64, BIDIRECTIONAL);
    assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.OK);
    const { used } = at.guest.heap;
    platform.platform.stop!();
    assert(at.guest.heap.used < used);
    assertEquals([at.guest.heap.used, at.scheduler.idle || true], [0, true], "everything is given back");
  }
});

Deno.test("6.1: with ATS the entry has I set, attaching flushes the device's cache, unmapping flushes it too", () => {
  const { dma, dte, commands, tail } = world({ atsDevices: "00:05.0" }, {});
  assertEquals(dte(0x28)[1], 0x1_0000_0001n);
  const all = commands(0);
  assertEquals(all.slice(2, 4), [[0x2000_0000_0000_0028n, 0n], [0x4000_0028_2000_0028n, 0x7fff_ffff_ffff_f001n]]);
  const before = tail();
  dma.unmapSingle(dma.mapSingle(0x1_0000, 64, TO_DEVICE), 64, TO_DEVICE);
  assertEquals(commands(before), [
    [0x3000_0001_0000_0000n, 0xffff_f002n],
    [0x4000_0028_2000_0028n, 0xffff_f000n],
    wait(semaphoreOf(all), 3n),
  ]);
});

Deno.test("26: a device's own cache is told of an unmapping before the address is free", () => {
  const { dma, port, cache, at } = world({ atsDevices: "all" }, {});
  const handle = dma.mapSingle(0x1_0000, 64, FROM_DEVICE);
  assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.OK);
  assertEquals([cache.contains(handle), cache.stats.misses], [true, 1]);
  dma.unmapSingle(handle, 64, FROM_DEVICE);
  assertEquals(cache.contains(handle), false);
  assertEquals(port.write(handle, new Uint8Array([2])), BusStatus.COMPLETER_ABORT);
  assertEquals(at.bytes(0x1_0000, 1)[0], 1);
});

Deno.test("26: a device that ignores invalidations goes on writing: that is what trusting its cache means", () => {
  const { dma, port, at } = world({ atsDevices: "all" }, { misbehaviour: "ignore" });
  const handle = dma.mapSingle(0x1_0000, 64, FROM_DEVICE);
  port.write(handle, new Uint8Array([1]));
  dma.unmapSingle(handle, 64, FROM_DEVICE);
  assertEquals(port.write(handle, new Uint8Array([2])), BusStatus.OK);
  assertEquals(at.bytes(0x1_0000, 1)[0], 2);
});

Deno.test("25: a page that is not there is asked for again and again, and is no event", () => {
  const { port, cache, at } = world({ atsDevices: "all" }, {});
  for (let i = 0; i < 3; i++) assertEquals(port.read(0x4000n, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  at.scheduler.settle();
  assertEquals([cache.stats.misses, at.warnings], [3, []]);
});

Deno.test("24: a device that uses ATS although its entry forbids it is refused and logged", () => {
  const { dma, port, at } = world();
  const handle = dma.mapSingle(0x1_0000, 64, FROM_DEVICE);
  port.enableAts();
  assertEquals(port.write(handle, new Uint8Array([1])), BusStatus.UNSUPPORTED_REQUEST);
  at.scheduler.settle();
  assertEquals(at.warnings.map(({ message }) => message), [
    "AMD-Vi: Event logged [INVALID_DEVICE_REQUEST device=0000:00:05.0 pasid=0x00000 address=0xfffff000 flags=0x0100]",
  ]);
});

Deno.test("27: a device that never answers an invalidation makes the wait time out, with a warning", () => {
  const { at, word, commands } = world({ atsDevices: "all" }, { misbehaviour: "silent" });
  assertEquals(at.warnings.map(({ message }) => message), ["AMD-Vi: Completion-Wait loop timed out"]);
  assertEquals(Math.round(at.scheduler.now / 1e6), 100, "100,000 turns of a microsecond");
  const semaphore = Number(semaphoreOf(commands(0)));
  assertEquals(word(semaphore), 1n);
  while (at.scheduler.step());
  assertEquals(word(semaphore), 2n, "a second later the IOMMU gives up, and completes the wait");
  assertEquals(
    at.warnings.at(-1)!.message.replace(/0x[0-9a-f]+/, "…"),
    "AMD-Vi: Event logged [IOTLB_INV_TIMEOUT device=0000:00:05.0 address=…]",
  );
});

Deno.test("30: a page request is read from its log and refused: nobody here can bring the page in", () => {
  const { port, at, tail, commands, dte } = world({ atsDevices: "all" }, { pageRequests: true });
  assertEquals(dte(0x28)[0] >> 52n & 1n, 1n, "the entry allows page requests");
  const before = tail();
  assertEquals(port.read(0x9000n, new Uint8Array(4)), BusStatus.PENDING);
  at.scheduler.settle();
  assertEquals(commands(before), [
    [0x7000_0000_0000_0028n, 0x0000_1001_0000_0000n],
    wait(semaphoreOf(commands(before)), 3n),
  ]);
  assertEquals(port.read(0x9000n, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  assertEquals(at.warnings, []);
});

Deno.test("interrupt messages reach the doorbell whatever is mapped", () => {
  const { port, at } = world();
  let raised = 0;
  const { address, data } = at.guest.messageInterrupt(() => raised++);
  assertEquals(port.write32(0, address | 0, data), BusStatus.OK);
  at.scheduler.settle();
  assertEquals(raised, 1);
});

Deno.test("a device leases memory through the IOMMU, and unmapping revokes the lease before the address is free", () => {
  const { dma, port } = world();
  const handle = dma.mapSingle(0x1_0000, 4096, FROM_DEVICE);
  const result = port.map([{ hi: 0, lo: Number(handle) | 0, length: 4096, access: Access.WRITE }]);
  assertEquals(result.ok && result.lease.live, true);
  dma.unmapSingle(handle, 4096, FROM_DEVICE);
  assertEquals(result.ok && result.lease.live, false);
});

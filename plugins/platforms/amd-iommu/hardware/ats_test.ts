import { assertEquals } from "@std/assert";
import { AddressType, type AtsEndpoint, BusStatus, type Invalidation } from "@iova/core";
import { PLACE, World } from "../testdata/world.ts";

const R = PLACE.ROOT;
const { OK, UNSUPPORTED_REQUEST } = BusStatus;
const { TRANSLATION_REQUEST, TRANSLATED } = AddressType;
const TRUSTED = 0x0000000100000005n;
/** With PPRLogEn, PPRIntEn, PPREn as well. */
const PAGE_REQUESTS_ON = 0xf00dn;
const WAIT: readonly [bigint, bigint] = [0x1000000000600001n, 0x99n];
const INVALIDATE: readonly [bigint, bigint] = [0x4000002820000028n, 0x1000n];

/** A device's side that does only what a test says. */
class Device implements AtsEndpoint {
  readonly heard: [tag: number, range: Invalidation, pasid: number, global: boolean][] = [];
  readonly responses: [group: number, code: number][] = [];
  invalidate(tag: number, range: Invalidation, pasid: number, global: boolean): void {
    this.heard.push([tag, range, pasid, global]);
  }
  pageResponse(group: number, code: number): void {
    this.responses.push([group, code]);
  }
}

function trusted(control?: bigint, options?: ConstructorParameters<typeof World>[0]): World & { device: Device } {
  const world = new World(options).start(control);
  world.dte(0x6000000000700203n, TRUSTED);
  world.poke(R + 8, 0x6000000000201001n);
  const device = new Device();
  world.iommu.ats!.attach(PLACE.DEVICE, device);
  return Object.assign(world, { device });
}

Deno.test("case 24: a device without I may neither ask nor claim", () => {
  const world = new World().start();
  world.dte(0x6000000000700203n);
  world.poke(R + 8, 0x6000000000201001n);
  assertEquals(world.ask(0x1000n, 1, TRANSLATION_REQUEST).status, UNSUPPORTED_REQUEST);
  assertEquals(world.ask(0x201000n, 2, TRANSLATED).status, UNSUPPORTED_REQUEST);
  assertEquals(world.log(), [[0x8100000000000028n, 0x1000n], [0x8200000000000028n, 0x201000n]]);
});

Deno.test("a device with V clear, TV clear or no entry may neither ask nor claim", () => {
  const outcome = (q0: bigint, q1: bigint, type: AddressType, requester = 0x28) => {
    const world = new World().start();
    world.dte(q0, q1);
    const { status } = world.ask(0x1000n, 1, type, { requester });
    return [status, world.log().map(([event]) => event.toString(16)).join()];
  };
  assertEquals(outcome(0n, TRUSTED, TRANSLATION_REQUEST), [UNSUPPORTED_REQUEST, "8100000000000028"]);
  assertEquals(outcome(0n, TRUSTED, TRANSLATED), [UNSUPPORTED_REQUEST, "8200000000000028"]);
  assertEquals(outcome(1n, TRUSTED, TRANSLATION_REQUEST), [UNSUPPORTED_REQUEST, "8100000000000028"]);
  assertEquals(outcome(1n, TRUSTED, TRANSLATED), [OK, ""]);
  assertEquals(outcome(7n, TRUSTED, TRANSLATION_REQUEST), [UNSUPPORTED_REQUEST, "1180000000000028"]);
  assertEquals(outcome(7n, TRUSTED, TRANSLATED), [UNSUPPORTED_REQUEST, "1080000000000028"]);
  assertEquals(outcome(3n, TRUSTED, TRANSLATED, 0x100), [UNSUPPORTED_REQUEST, "1000000000000100"]);
  assertEquals(outcome(3n, TRUSTED, TRANSLATION_REQUEST, 0x100), [UNSUPPORTED_REQUEST, "1100000000000100"]);
});

Deno.test("case 25: a page that is not present is success without rights and no event", () => {
  const world = trusted();
  const { status, rights } = world.ask(0x4000n, 1, TRANSLATION_REQUEST);
  assertEquals([status, rights, world.log()], [OK, 0, []]);
});

Deno.test("a translation request learns frame, size, rights and attributes; NW asks for reading only", () => {
  const world = trusted();
  world.poke(R + 16, 0x7000000000202001n);
  world.poke(R + 24, 0x6800000000203001n);
  const first = world.ask(0x1234n, 1, TRANSLATION_REQUEST);
  assertEquals([first.address, first.shift, first.rights, first.out.snoop], [0x201234n, 12, 3, false]);
  assertEquals(world.ask(0x2000n, 1, TRANSLATION_REQUEST).out.snoop, true);
  assertEquals(world.ask(0x3000n, 1, TRANSLATION_REQUEST).out.untranslatedOnly, true);
  assertEquals(world.ask(0x1000n, 1, TRANSLATION_REQUEST, { noWrite: true }).rights, 1);
  world.dte(0x2000000000700203n, TRUSTED, 0x30);
  assertEquals(world.ask(0x1000n, 1, TRANSLATION_REQUEST, { requester: 0x30 }).rights, 1);
});

Deno.test("a translation request for mode 0 grants what the entry grants", () => {
  const world = new World().start();
  world.dte(0x4000000000000003n, TRUSTED);
  const { address, rights } = world.ask(0x123000n, 1, TRANSLATION_REQUEST);
  assertEquals([address, rights], [0x123000n, 2]);
});

Deno.test("an interrupt address is neither translated for a cache nor taken as translated", () => {
  const world = trusted();
  assertEquals(world.ask(0xfee00000n, 1, TRANSLATION_REQUEST).status, UNSUPPORTED_REQUEST);
  assertEquals(world.ask(0xfee00000n, 2, TRANSLATED).status, UNSUPPORTED_REQUEST);
  assertEquals(world.log(), [[0x8300000000000028n, 0xfee00000n], [0x8200000000000028n, 0xfee00000n]]);
});

Deno.test("case 26: a stale translation cache writes until it is invalidated, then asks again and gets nothing", () => {
  const world = new World().start();
  world.dte(0x6000000000700203n, TRUSTED);
  world.poke(R + 8, 0x6000000000201001n);
  const port = world.bus.attach("dev", PLACE.DEVICE);
  const cache = port.enableAts()!;
  assertEquals(port.write(0x1000n, new Uint8Array([1])), OK);
  world.poke(R + 8, 0n);
  world.execute([0x3000000500000000n, 0x1000n]);
  assertEquals(port.write(0x1000n, new Uint8Array([2])), OK);
  assertEquals(world.ram.bytes[0x201000], 2);
  world.execute(INVALIDATE, WAIT);
  assertEquals([world.completed(), cache.contains(0x1000n)], [true, false]);
  assertEquals(port.write(0x1000n, new Uint8Array([3])), BusStatus.COMPLETER_ABORT);
  assertEquals([world.ram.bytes[0x201000], world.log()], [2, []]);
});

Deno.test("once I is clear in the entry in use, translated requests are aborted", () => {
  const world = trusted();
  assertEquals(world.ask(0x201000n, 2, TRANSLATED).status, OK);
  world.dte(0x6000000000700203n);
  world.execute([0x2000000000000028n]);
  assertEquals(world.ask(0x201000n, 2, TRANSLATED).status, UNSUPPORTED_REQUEST);
});

Deno.test("case 27: an unanswered invalidation times out, is logged, and COMPLETION_WAIT goes on", () => {
  const world = trusted(0x102dn);
  world.execute(INVALIDATE, WAIT);
  assertEquals([world.device.heard.length, world.completed()], [1, false]);
  while (world.scheduler.step());
  assertEquals(world.scheduler.now, 1e6);
  assertEquals(world.log(), [[0x7000000000000028n, 0x400000n]]);
  assertEquals(world.completed(), true);
  world.iommu.ats!.invalidateCompletion(PLACE.DEVICE, 1, 1);
  assertEquals(world.iommu.counters!().invalidationTimeouts, 1);
});

Deno.test("case 27: with InvTimeOut 0 it waits for ever", () => {
  const world = trusted();
  world.execute(INVALIDATE, WAIT);
  while (world.scheduler.step());
  assertEquals([world.completed(), world.log()], [false, []]);
  world.iommu.ats!.invalidateCompletion(PLACE.DEVICE, 1, 1);
  world.run();
  assertEquals(world.completed(), true);
});

Deno.test("an invalidation names its range, and COMPLETION_WAIT waits for as many completions as the device says", () => {
  const world = trusted();
  world.execute([0x4000002820000028n, 0x3001n], [0x4000002820000028n, 0x7ffffffffffff001n], WAIT);
  assertEquals(world.device.heard, [
    [0, { first: 0n, last: 0x7fffn }, -1, false],
    [1, { first: 0n, last: 0xffff_ffff_ffff_ffffn }, -1, false],
  ]);
  const { ats } = world.iommu;
  ats!.invalidateCompletion(PLACE.DEVICE, 0b11, 2);
  world.run();
  assertEquals(world.completed(), false);
  ats!.invalidateCompletion(0x30, 0b11, 2);
  ats!.invalidateCompletion(PLACE.DEVICE, 0b01, 2);
  world.run();
  assertEquals(world.completed(), false);
  ats!.invalidateCompletion(PLACE.DEVICE, 0b10, 2);
  world.run();
  assertEquals(world.completed(), true);
});

Deno.test("MaxPend bounds what is under way to a queue, and 32 tags what a device can tell apart", () => {
  for (const [maxPend, most] of [[2n, 2], [0n, 32], [0xffn, 32]] as const) {
    const world = trusted();
    for (let i = 0; i < 40; i++) world.command(0x4000002800000028n | maxPend << 24n, 0x1000n);
    world.run();
    assertEquals(world.device.heard.length, most);
    world.iommu.ats!.invalidateCompletion(PLACE.DEVICE, 2, 1);
    world.run();
    assertEquals([world.device.heard.length, world.device.heard.at(-1)![0]], [most + 1, 1]);
  }
});

Deno.test("a PASID travels in three parts of the command", () => {
  const world = trusted();
  // PASID 0xABCDE: 19:16 in bits 59:56, 15:8 in 23:16, 7:0 in 55:48.
  world.execute([0x4ade002820bc0028n, 0x1004n]);
  assertEquals(world.device.heard[0][2], 0xabcde);
});

Deno.test("no invalidation goes to a device whose entry does not trust it", () => {
  const world = trusted();
  world.dte(0x6000000000700203n);
  world.execute(INVALIDATE, WAIT);
  assertEquals([world.device.heard.length, world.completed()], [0, true]);
});

Deno.test("a device that was pulled answers nothing", () => {
  const world = trusted(0x102dn);
  world.iommu.ats!.detach(PLACE.DEVICE);
  world.execute(INVALIDATE, WAIT);
  while (world.scheduler.step());
  assertEquals([world.log().length, world.completed()], [1, true]);
});

/** A world whose device may send page requests. */
function paging(options?: ConstructorParameters<typeof World>[0]): World & { device: Device } {
  const world = trusted(PAGE_REQUESTS_ON, options);
  world.dte(0x6010000000700203n, TRUSTED);
  return world;
}

const request = (group: number, rights: number, more = {}) => ({
  requester: PLACE.DEVICE,
  pasid: -1,
  address: 0x9000n,
  group,
  last: true,
  rights,
  ...more,
});

Deno.test("case 30: a page request is logged, and COMPLETE_PPR_REQUEST answers its group", () => {
  const world = paging();
  world.enableMessages();
  assertEquals(world.iommu.ats!.pageRequest!(request(3, 2)), OK);
  assertEquals([world.peek(PLACE.PAGE_REQUESTS), world.peek(PLACE.PAGE_REQUESTS + 8)], [0x1020020300000028n, 0x9000n]);
  assertEquals([world.read(0x2038), world.read(0x2020), world.messages], [0x10n, 0xd8n, [0x77]]);
  world.write(0x2020, 0x40n);
  assertEquals(world.read(0x2020), 0x98n);
  world.execute([0x7000000000000028n, 0x0000000300000000n]);
  world.execute([0x7000000000000028n, 0x0000f00500000000n]);
  assertEquals(world.device.responses, [[3, 0], [5, 15]]);
});

Deno.test("a page request with a PASID that is not the last of its group", () => {
  const world = paging();
  world.iommu.ats!.pageRequest!(request(0x1ff, 1, { pasid: 0xabcde, last: false }));
  assertEquals(world.peek(PLACE.PAGE_REQUESTS), 0x110429ffbcde0028n);
});

Deno.test("a page request that is not allowed is logged as an event and answered with a failure", () => {
  const world = trusted(PAGE_REQUESTS_ON);
  world.iommu.ats!.pageRequest!(request(3, 2));
  assertEquals(world.device.responses, []);
  world.scheduler.settle();
  while (world.scheduler.step());
  assertEquals(world.device.responses, [[3, 15]]);
  assertEquals(world.log(), [[0x9000020300000028n, 0x9000n]]);
  assertEquals(world.read(0x2038), 0n);
});

Deno.test("a full page request log loses requests, and answers them only when asked to", () => {
  const world = paging();
  for (let i = 0; i < 256; i++) world.iommu.ats!.pageRequest!(request(i, 1));
  assertEquals(world.read(0x2020) & 0xe0n, 0x60n);
  while (world.scheduler.step());
  assertEquals(world.device.responses, []);
  world.write(0x2080, 1n);
  world.write(0x18, PAGE_REQUESTS_ON | 1n << 39n);
  world.iommu.ats!.pageRequest!(request(7, 1));
  while (world.scheduler.step());
  assertEquals(world.device.responses, [[7, 1]]);
});

Deno.test("without PPRSup there are no page requests, without IotlbSup no ATS at all", () => {
  assertEquals(new World({ pri: false }).iommu.ats!.pageRequest, undefined);
  const world = new World({ ats: false }).start();
  assertEquals(world.iommu.ats, undefined);
  world.dte(0x6000000000700203n, TRUSTED);
  assertEquals(world.ask(0x1000n, 1, TRANSLATION_REQUEST).status, UNSUPPORTED_REQUEST);
  assertEquals(world.ask(0x1000n, 1, TRANSLATED).status, UNSUPPORTED_REQUEST);
});

Deno.test("a device's cache, page requests and software: the parked access lands once the page is there", () => {
  const world = paging();
  world.poke(R + 8, 0n);
  const port = world.bus.attach("dev", PLACE.DEVICE);
  port.enableAts({ pageRequests: true });
  const got: BusStatus[] = [];
  const work = () => {
    const status = port.write(0x1000n, new Uint8Array([7]));
    got.push(status);
    if (status === BusStatus.PENDING) port.park(work);
  };
  work();
  assertEquals(world.peek(PLACE.PAGE_REQUESTS) >> 48n, 0x1020n);
  world.poke(R + 8, 0x6000000000201001n);
  const tag = world.peek(PLACE.PAGE_REQUESTS) & 0x1ff00000000n;
  world.execute([0x7000000000000028n, tag]);
  world.scheduler.settle();
  assertEquals([got, world.ram.bytes[0x201000]], [[BusStatus.PENDING, OK], 7]);
});

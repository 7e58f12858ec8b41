import { assert, assertEquals } from "@std/assert";
import {
  BusStatus,
  Direction,
  HypercallRegisters,
  loadMachine,
  type Machine,
  type MachineEvent,
  MESSAGE_DOORBELL,
} from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import direct from "@iova/direct";
import type { EduDriver } from "@iova/edu";
import { RtasToken } from "./layout.ts";
import platform from "./mod.ts";
import type { PseriesPlatform } from "./platform.ts";

/** A machine with one disk that is read 64 times. */
function machine(options: Record<string, unknown>, disk: Record<string, unknown> = {}): Promise<Machine> {
  return loadMachine({
    memory: "64MiB",
    platform: { use: "pseries-tce", with: options },
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB", ...disk } }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "randread", blockSize: "4KiB", count: 64 } }],
  });
}

Deno.test("a disk behind the default window makes one hypercall for each map and one for each unmap of a page", async () => {
  const made = await machine({});
  // Each piece of coherent memory for the rings is mapped by one call, before anybody listens, and unmapped by another.
  let freed = 0;
  made.events.listen(({ type }) => void (freed += Number(type === "free-coherent")));
  const report = await made.run();
  const [{ dma, port }] = report.devices;
  assert(report.verified && freed > 0);
  assertEquals(dma.hypercalls, dma.maps + dma.unmaps + 2 * freed);
  assertEquals([dma.maps, port.faults], [dma.unmaps, 0]);
  assert(port.translations > 64);
});

Deno.test("behind a direct window the same disk makes none", async () => {
  const report = await (await machine({ ddw: true })).run();
  const [{ dma, port }] = report.devices;
  assert(report.verified);
  assertEquals([dma.hypercalls, port.faults], [0, 0]);
  assert(dma.maps > 64 && port.translations > 64);
});

for (const profile of ["lopar", "qemu-tcg", "kvm"]) {
  for (const options of [{ strict: true }, { multiTce: false }, { guestPage: "64KiB" }, { ddw: true, windows: 1 }]) {
    Deno.test(`a disk works under ${profile} with ${JSON.stringify(options)}`, async () => {
      const report = await (await machine({ profile, ...options })).run();
      assert(report.verified);
      assertEquals(report.warnings, []);
    });
  }
}

Deno.test("a device that declines platform addressing passes the bridge: no hypercall, no translation", async () => {
  const report = await (await machine({}, { accessPlatform: false })).run();
  const [{ dma, port, bypass }] = report.devices;
  assertEquals([report.verified, bypass, dma.hypercalls, port.translations], [true, true, 0, 0]);
});

Deno.test("without an opt-in the bridge does not translate for it, though its slot has a window", () => {
  const { bus, device } = testPlatform(platform);
  const { port } = device();
  assertEquals(port.read(0x5000n, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  bus.bridge.bypass(port.requester);
  assertEquals(port.read(0x5000n, new Uint8Array(4)), BusStatus.OK);
});

Deno.test("two host bridges share a hypervisor, and each has tables of its own", () => {
  const root = testPlatform(direct);
  const bridges = [0, 1].map(() => testPlatform(platform, { below: root, with: { eeh: false } }));
  const devices = bridges.map((bridge, i) => bridge.device(`dev${i}`, 8 * (i + 1)));
  const handles = devices.map(({ dma }) => dma.mapSingle(0x5000, 64, Direction.BIDIRECTIONAL));
  assertEquals(handles, [0x1000n, 0x1000n]);
  assertEquals(bridges.map((bridge) => (bridge.platform as PseriesPlatform).phb.windows[0]!.liobn >>> 0), [
    0x8000_0000,
    0x8000_0100,
  ]);
  devices[0].dma.unmapSingle(0x1000n, 64, Direction.BIDIRECTIONAL);
  const read = ({ port }: typeof devices[0]) => port.read(0x1000n, new Uint8Array(4));
  assertEquals(devices.map(read), [BusStatus.COMPLETER_ABORT, BusStatus.OK]);
});

Deno.test("after a reset of the machine the default window is there, empty, and nothing is stopped", async () => {
  const made = await machine({ ddw: true });
  const { port } = made.device("disk0");
  const read = () => port.read(0x0800_0000_0000_1000n, new Uint8Array(4));
  assertEquals([read(), read()], [BusStatus.OK, BusStatus.OK]);
  made.reset();
  port.busMaster = true;
  assertEquals(read(), BusStatus.UNSUPPORTED_REQUEST);
  made.stop();
});

Deno.test("every hypercall is an event with its arguments and status, and takes virtual time", () => {
  const { world, device } = testPlatform(platform);
  const { dma } = device();
  const log: MachineEvent[] = world.record();
  const { now } = world.scheduler;
  const handle = dma.mapSingle(0x5000, 64, Direction.TO_DEVICE);
  dma.unmapSingle(handle, 64, Direction.TO_DEVICE);
  assertEquals(
    log.filter(({ type }) => type === "hypercall").map(({ name, arguments: values, status }) => [name, values, status]),
    [
      ["H_PUT_TCE", ["0x80000000", "0x1000", "0x5001"], 0],
      ["H_STUFF_TCE", ["0x80000000", "0x1000", "0x0", "0x1"], 0],
    ],
  );
  // Two calls and an entry in each, and the allocator's share.
  assertEquals(world.scheduler.now - now, 2 * (229 + 6) + 20 + 10);
});

Deno.test("on QEMU every hypercall leaves for user space and costs more", () => {
  const spent = ["lopar", "qemu-tcg", "kvm"].map((profile) => {
    const { world, device } = testPlatform(platform, { with: { profile } });
    const { dma } = device();
    const { now } = world.scheduler;
    dma.mapSingle(0x5000, 64, Direction.TO_DEVICE);
    return world.scheduler.now - now;
  });
  assertEquals(spent, [255, 7555, 255]);
});

Deno.test("a fault stops registers and messages of the whole bridge; each stop is lifted by itself", async () => {
  const made = await loadMachine({
    memory: "16MiB",
    platform: "pseries-tce",
    devices: [{ id: "edu0", use: "edu" }],
  });
  const buffer = made.guest.heap.allocPages(1)!;
  /** RTAS with big-endian cells: token, arguments, results; the first of which it gives back, and the second. */
  const rtas = (token: number, args: number[], results: number) => {
    const { view } = made.guest.memory.ram(buffer)!;
    [token, args.length, results, ...args].forEach((cell, i) => view.setUint32(buffer + 4 * i, cell));
    assertEquals(made.guest.hypercall(0xf000, new HypercallRegisters().set(0, buffer)), 0);
    const at = buffer + 12 + 4 * args.length;
    return [view.getInt32(at), results > 1 ? view.getInt32(at + 4) : 0];
  };
  const pe = [0, 0x0800_0000, 0x2000_0000];
  const option = (value: number) => rtas(RtasToken.SET_EEH_OPTION, [...pe, value], 1)[0];
  const state = () => rtas(RtasToken.READ_SLOT_RESET_STATE2, pe, 4)[1];
  const driver = made.driver<EduDriver>("edu0");
  const alive = () => [driver.identify() !== null, driver.isAlive()];
  assertEquals([alive(), await made.settle(driver.raiseInterrupt())], [[true, true], true]);
  assertEquals(made.device("edu0").port.read(0x1000_0000n, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  assertEquals([alive(), state()], [[false, false], 2]);
  // Registers answer again; a message still is DMA, and gets nowhere.
  assertEquals([option(2), state(), alive()], [0, 4, [true, true]]);
  const { interrupts } = made;
  const before = interrupts.count;
  assertEquals(made.device("edu0").port.write32(0, MESSAGE_DOORBELL | 0, 0), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(option(3), 0);
  assertEquals([await made.settle(driver.raiseInterrupt()), interrupts.count > before], [true, true]);
});

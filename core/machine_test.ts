import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { DmaHandle, PhysAddr } from "./address.ts";
import { Bridge, Bus, type BusPort } from "./bus.ts";
import { Access, BusStatus } from "./bus_translator.ts";
import { BaseDmaOps } from "./dma_ops_base.ts";
import { Direction } from "./dma_ops.ts";
import { GuestMemoryError, InputError, PluginError } from "./errors.ts";
import { Machine } from "./machine.ts";
import {
  API_VERSION,
  defineBus,
  defineDevice,
  definePlatform,
  defineProfile,
  defineWorkload,
  type DmaContext,
  type WorkloadContext,
  type WorkloadResult,
} from "./plugin.ts";
import type { ResolvedBridge, ResolvedDevice, ResolvedMachine, ResolvedUse } from "./manifest/resolved.ts";
import type { Plugin } from "./plugin.ts";

/** Bus address = parent's address + distance, on both halves; composes with what is above. */
function shifted(distance: number, name = `shift ${distance}`) {
  class ShiftedOps extends BaseDmaOps {
    constructor(readonly given: DmaContext) {
      super(given);
    }
    protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
      const above = this.given.upstream;
      if (above === null) out.setNumber(cpu);
      else if (!above.mapInto(out, cpu, size, direction)) return false;
      out.setHalves(out.hi, (out.lo + distance) | 0);
      this.stats.hypercalls++;
      return true;
    }
    protected unmap(): void {}
  }
  return definePlatform({
    name,
    kind: "platform",
    api: API_VERSION,
    summary: "",
    options: {},
    create: () => ({
      translator: () => ({
        name,
        translate(tx, out) {
          if (tx.hi !== 0 || tx.lo < distance) return BusStatus.UNSUPPORTED_REQUEST;
          out.set(0, tx.lo - distance, 12, 3);
          return BusStatus.OK;
        },
        counters: () => ({ [name]: 1 }),
      }),
      dmaOps: (context) => new ShiftedOps(context),
    }),
  });
}

/** A bus without addresses of its own: the n-th function gets requester n. */
const flat = defineBus({
  name: "flat",
  kind: "bus",
  api: API_VERSION,
  summary: "",
  options: {},
  create: (_services, root) => ({
    bridge: (parent, id) => new Bus(id, new Bridge(parent), parent, root.context),
  }),
});

let nextRequester = 1;

/** A device that writes one byte where its driver tells it to, through a shared variable that stands for a register. */
function poker(log: string[], extra: Partial<{ failDriver: Error; failStop: boolean; physical: boolean }> = {}) {
  return defineDevice({
    name: "poker",
    kind: "device",
    api: API_VERSION,
    summary: "",
    options: {},
    bus: "flat",
    physicallyAddressed: () => extra.physical === true,
    create: ({ id, bus }) => ({
      port: bus.attach(id, nextRequester++),
      counters: () => ({ requests: 0, bytes: 0 }),
      reset: () => void log.push(`${id} reset`),
      stop: () => {
        log.push(`${id} flushed`);
        if (extra.failStop) throw new Error("the medium is on fire");
      },
    }),
    driver({ id, dma }) {
      if (extra.failDriver) throw extra.failDriver;
      log.push(`${id} bound, 0x5000 is ${dma.mapSingle(0x5000, 16, Direction.FROM_DEVICE).toString(16)}`);
      return { drives: "poke", readOnly: true, stop: () => void log.push(`${id} unbound`) };
    },
  });
}

function workload(run: (context: WorkloadContext) => Promise<WorkloadResult>, drives = "poke", writes = false) {
  return defineWorkload({
    name: "work",
    kind: "workload",
    api: API_VERSION,
    summary: "",
    options: {},
    drives,
    writes: () => writes,
    run,
  });
}

function use<P extends Plugin>(plugin: P, path = "here"): ResolvedUse<P> {
  return { plugin, options: {}, path, specifier: plugin.name };
}

function device(id: string, plugin: ReturnType<typeof poker>, more: Partial<ResolvedDevice> = {}): ResolvedDevice {
  return { id, busId: "root", use: use(plugin, `devices.${id}`), ...more };
}

function resolved(more: Partial<ResolvedMachine> = {}, bridges: ResolvedBridge[] = []): ResolvedMachine {
  return {
    file: "m.json",
    base: "/",
    manifest: { platform: "shift" },
    seed: 1,
    memory: 1 << 21,
    platform: use(shifted(0x1000)),
    bus: use(flat),
    busTree: { id: "root", acs: false, bridges },
    devices: [],
    workload: [],
    checks: [],
    invalidation: { policy: "revoke", deadline: 1e7 },
    leases: "direct",
    ...more,
  };
}

const done: WorkloadResult = { verified: true, requests: 2, bytes: 1024 };

Deno.test("a machine starts, runs its workloads, and stops in order: drivers first, then devices flush", async () => {
  const log: string[] = [];
  const work = workload(({ driver }) => {
    log.push(`runs on ${driver!.drives}`);
    return Promise.resolve(done);
  });
  const machine = new Machine(resolved({
    devices: [device("a", poker(log)), device("b", poker(log))],
    workload: [{ index: 0, device: "a", use: use(work) }],
  }));
  await machine.start();
  const report = await machine.run();
  assertEquals(log, [
    "a bound, 0x5000 is 6000",
    "b bound, 0x5000 is 6000",
    "runs on poke",
    "a unbound",
    "b unbound",
    "a flushed",
    "b flushed",
  ]);
  assertEquals([report.verified, report.workloads[0].requests, report.devices[0].dma.maps], [true, 2, 1]);
  assertEquals(report.platformCounters, { "shift 4096": 1 });
});

Deno.test("when a driver fails to start, what was opened is flushed and the plugin is named", async () => {
  const log: string[] = [];
  const machine = new Machine(resolved({
    devices: [device("a", poker(log)), device("b", poker(log, { failDriver: new Error("no such register") }))],
  }));
  await assertRejects(() => machine.start(), PluginError, 'plugin "poker" failed in driver: no such register');
  assertEquals(log.slice(1), ["a unbound", "a flushed", "b flushed"]);
});

Deno.test("when a workload throws or a device cannot flush, every other device still gets its turn", async () => {
  const log: string[] = [];
  const work = workload(() => Promise.reject(new Error("boom")));
  const machine = new Machine(resolved({
    devices: [device("a", poker(log, { failStop: true })), device("b", poker(log))],
    workload: [{ index: 0, device: "a", use: use(work) }],
  }));
  await machine.start();
  await assertRejects(() => machine.run(), PluginError);
  assertEquals(log.slice(-2), ["a flushed", "b flushed"]);
});

Deno.test("memory that is too small is the manifest's fault and says so", async () => {
  const machine = new Machine(resolved({
    memory: 65536,
    devices: [device("a", poker([], { failDriver: new GuestMemoryError("the rings of a", 12288) }))],
  }));
  const error = await assertRejects(() => machine.start(), InputError);
  assertEquals(
    error.message,
    "m.json: memory: found 64 KiB, expected room for the rings of a, which needs 12 KiB more",
  );
});

Deno.test("a workload is refused by a device of another kind and by one that is read-only", async () => {
  const start = (work: ReturnType<typeof workload>) =>
    new Machine(resolved({
      devices: [device("a", poker([]))],
      workload: [{ index: 0, device: "a", use: use(work, "workload[0]") }],
    })).start();
  const run = () => Promise.resolve(done);
  const other = await assertRejects(() => start(workload(run, "block")), InputError);
  assertEquals(other.message, 'm.json: workload[0].device: found "a", a poke device, expected a block device');
  const readOnly = await assertRejects(() => start(workload(run, "poke", true)), InputError);
  assertEquals(
    readOnly.message,
    'm.json: workload[0].device: found "a", which is read-only, expected a device that work can write',
  );
});

Deno.test("bridges with platforms of their own compose, and both halves agree", async () => {
  const log: string[] = [];
  const inner: ResolvedBridge = { id: "inner", acs: false, platform: use(shifted(0x20000)), bridges: [] };
  const machine = new Machine(
    resolved({ devices: [device("a", poker(log), { busId: "inner" })] }, [{
      id: "outer",
      acs: false,
      bridges: [inner],
    }]),
  );
  await machine.start();
  assertEquals(log, ["a bound, 0x5000 is 26000"]);
  assertEquals(machine.device("a").port.write(0x26000n, new Uint8Array([7])), BusStatus.OK);
  assertEquals(machine.space.read(0x5000, 1), 7);
});

Deno.test("who bypasses: a device's own word, then its plugin's, then the nearest bridge's", async () => {
  const cases: [Partial<ResolvedDevice>, boolean, (boolean | undefined)[], string][] = [
    [{}, false, [undefined, undefined], "6000"],
    [{}, false, [true, undefined], "5000"],
    [{}, false, [true, false], "6000"],
    [{}, false, [false, true], "5000"],
    [{}, true, [false, false], "5000"],
    [{ bypass: false }, true, [true, true], "6000"],
    [{ bypass: true }, false, [false, false], "5000"],
  ];
  for (const [own, physical, [outer, inner], handle] of cases) {
    const log: string[] = [];
    const bridge = (id: string, bypass: boolean | undefined, bridges: ResolvedBridge[]): ResolvedBridge => (
      { id, acs: false, ...(bypass !== undefined && { bypass }), bridges }
    );
    const machine = new Machine(
      resolved({ devices: [device("a", poker(log, { physical }), { busId: "inner", ...own })] }, [
        bridge("outer", outer, [bridge("inner", inner, [])]),
      ]),
    );
    await machine.start();
    assertEquals(log, [`a bound, 0x5000 is ${handle}`]);
    assertEquals(machine.device("a").port.write(BigInt("0x" + handle), new Uint8Array([7])), BusStatus.OK);
    assertEquals(machine.space.read(0x5000, 1), 7, "the device reaches the driver's buffer by its handle");
  }
});

Deno.test("one device can have a platform of its own in the root's bridge", async () => {
  const log: string[] = [];
  const machine = new Machine(resolved({
    devices: [device("a", poker(log)), device("b", poker(log), { platform: use(shifted(0x30000)) })],
  }));
  await machine.start();
  assertEquals(log, ["a bound, 0x5000 is 6000", "b bound, 0x5000 is 35000"]);
  machine.device("b").port.write(0x35001n, new Uint8Array([9]));
  assertEquals(machine.space.read(0x5001, 1), 9);
});

Deno.test("an orderly removal unbinds first; a surprise removal pulls the hardware first", async () => {
  for (const manner of ["orderly", "surprise"] as const) {
    const log: string[] = [];
    const machine = new Machine(resolved({ devices: [device("a", poker(log))] }));
    await machine.start();
    const { port } = machine.device("a");
    machine.remove("a", manner);
    assertEquals(port.write(0x6000n, new Uint8Array([1])), BusStatus.UNSUPPORTED_REQUEST);
    assertThrows(() => machine.driver("a"), RangeError, "removed");
    machine.stop();
    assertEquals(log.slice(1), ["a unbound", "a flushed"], "flushed once, at removal");
  }
});

Deno.test("observations are kept when asked for, and counted beyond the limit", async () => {
  const work = workload(({ observe, observing }) => {
    for (let i = 0; observing && i < 70000; i++) observe(`read ${i}`);
    return Promise.resolve(done);
  });
  const run = async (observe: boolean) => {
    const machine = new Machine(resolved({ workload: [{ index: 0, use: use(work) }] }), { observe });
    await machine.start();
    return await machine.run();
  };
  const kept = await run(true);
  assertEquals([kept.observations.length, kept.observationCount, kept.observations[1]], [65536, 70000, "read 1"]);
  assertEquals((await run(false)).observationCount, 0);
});

Deno.test("the same warning twice is one line with a count", async () => {
  const machine = new Machine(resolved());
  await machine.start();
  machine.warn("D4", "different size", "a");
  machine.warn("D4", "different size", "a");
  machine.warn("D4", "different size", "b");
  const { warnings } = await machine.run();
  assertEquals(warnings.map(({ device, count }) => [device, count]), [["a", 2], ["b", 1]]);
});

Deno.test("warnings that are all different are kept up to a limit, and counted beyond it", async () => {
  const machine = new Machine(resolved());
  await machine.start();
  for (let i = 0; i < 1500; i++) machine.warn("E1", `use after unmap at ${i}`);
  const { warnings } = await machine.run();
  assertEquals([warnings.length, warnings.at(-1)], [1001, {
    id: "more",
    message: "further warnings that are not listed",
    count: 500,
  }]);
});

Deno.test("nested platforms: one map of the driver counts once, and its hypercalls wherever they are made", async () => {
  const inner: ResolvedBridge = { id: "inner", acs: false, platform: use(shifted(0x20000)), bridges: [] };
  const machine = new Machine(resolved({ devices: [device("a", poker([]), { busId: "inner" })] }, [inner]));
  await machine.start();
  const { maps, hypercalls } = (await machine.run()).devices[0].dma;
  assertEquals([maps, hypercalls], [1, 2]);
});

Deno.test("an interrupt message passes a translator that knows nothing of it", async () => {
  const machine = new Machine(resolved({ devices: [device("a", poker([]))] }));
  await machine.start();
  let handled = 0;
  const { address, data } = machine.guest.messageInterrupt(() => handled++);
  assertEquals(machine.device("a").port.write32(0, address | 0, data), BusStatus.OK);
  machine.scheduler.settle();
  assertEquals(handled, 1);
});

Deno.test("removing a device twice is harmless, and a reset leaves a removed one alone", async () => {
  const log: string[] = [];
  const machine = new Machine(resolved({ devices: [device("a", poker(log)), device("b", poker(log))] }));
  await machine.start();
  log.length = 0;
  machine.remove("a", "surprise");
  machine.remove("a", "orderly");
  machine.reset();
  assertEquals(log, ["a unbound", "a flushed", "b reset"]);
});

Deno.test("counters of platforms add up, a device's own platform included, and a reset reaches them all", async () => {
  let resets = 0;
  const counting = definePlatform({
    ...shifted(0x1000),
    create(services, options) {
      const inner = shifted(0x1000).create(services, options);
      const translator: typeof inner.translator = (host) => ({
        ...inner.translator(host)!,
        reset: () => void resets++,
      });
      return { ...inner, translator };
    },
  });
  const devices = [device("a", poker([])), device("b", poker([]), { platform: use(counting) })];
  const machine = new Machine(resolved({ devices, platform: use(counting) }));
  await machine.start();
  machine.reset();
  assertEquals([resets, (await machine.run()).platformCounters], [2, { "shift 4096": 2 }]);
});

Deno.test("a platform that makes no operations, or throws where the kernel calls it, is named", async () => {
  const broken = (parts: Record<string, unknown>) => {
    const plugin = shifted(0);
    return use({ ...plugin, name: "mine", create: (s, o) => ({ ...plugin.create(s, o), ...parts }) } as typeof plugin);
  };
  const boom = () => {
    throw new Error("boom");
  };
  const failures: [Record<string, unknown>, string][] = [
    [{ dmaOps: () => null }, 'plugin "mine" failed in dmaOps: it made nothing with "mapInto"'],
    [{ dmaOps: boom }, 'plugin "mine" failed in dmaOps: boom'],
    [{ translator: () => 7 }, 'plugin "mine" failed in translator: it made nothing with "translate"'],
    [{ translator: () => ({ translate: () => 0, counters: boom }) }, 'plugin "mine" failed in counters: boom'],
  ];
  for (const [parts, message] of failures) {
    const machine = new Machine(resolved({ devices: [device("a", poker([]))], platform: broken(parts) }));
    const run = () => machine.start().then(() => machine.run());
    assertEquals((await assertRejects(run, PluginError)).message, message);
  }
});

Deno.test("a device, driver or workload that makes nothing is named", async () => {
  const nothing = () => undefined as never;
  const sound = poker([]);
  const cases: [Partial<typeof sound>, string][] = [
    [{ create: nothing }, 'plugin "poker" failed in create: it made nothing with "port"'],
    [{ driver: nothing }, 'plugin "poker" failed in driver: it made nothing with "drives"'],
  ];
  for (const [parts, message] of cases) {
    const machine = new Machine(resolved({ devices: [device("a", { ...sound, ...parts })] }));
    assertEquals((await assertRejects(() => machine.start(), PluginError)).message, message);
  }
  const machine = new Machine(resolved({ workload: [{ index: 0, use: use(workload(nothing)) }] }));
  await machine.start();
  const message = 'plugin "work" failed in run: it made nothing with "verified"';
  assertEquals((await assertRejects(() => machine.run(), PluginError)).message, message);
});

Deno.test("what goes wrong while stopping does not hide what went wrong before", async () => {
  const work = workload(() => Promise.reject(new Error("the first")));
  const machine = new Machine(resolved({
    devices: [device("a", poker([], { failStop: true }))],
    workload: [{ index: 0, device: "a", use: use(work) }],
  }));
  await machine.start();
  await assertRejects(() => machine.run(), PluginError, "the first");
  await assertRejects(() => machine.run(), RangeError, "the machine has stopped");
});

Deno.test("seeds that differ above bit 31 give different numbers", async () => {
  const numbers = async (seed: number) => {
    let drawn = 0;
    const work = workload(({ random }) => {
      drawn = random.next();
      return Promise.resolve(done);
    });
    const machine = new Machine(resolved({ seed, workload: [{ index: 0, use: use(work) }] }));
    await machine.start();
    await machine.run();
    return drawn;
  };
  assertEquals(await numbers(5) === await numbers(5), true);
  assertEquals(await numbers(5) === await numbers(5 + 2 ** 32), false);
});

Deno.test("access control is what the manifest says, bus by bus", async () => {
  for (const acs of [false, true]) {
    const bridge: ResolvedBridge = { id: "below", acs: !acs, bridges: [] };
    const devices = [device("a", poker([])), device("b", poker([]), { busId: "below" })];
    const machine = new Machine(resolved({ devices, busTree: { id: "root", acs, bridges: [bridge] } }));
    await machine.start();
    const redirects = ["a", "b"].map((id) => (machine.device(id).port as BusPort).bus.redirect);
    assertEquals(redirects, [acs, !acs]);
  }
});

Deno.test("a requester that the translator does not cover gets physical addresses, on both halves", async () => {
  const plugin = shifted(0x1000);
  const choosy = definePlatform({
    ...plugin,
    create(services, options) {
      const inner = plugin.create(services, options);
      const translator: typeof inner.translator = (host) => ({ ...inner.translator(host)!, covers: () => false });
      return { ...inner, translator };
    },
  });
  const log: string[] = [];
  const machine = new Machine(resolved({ devices: [device("a", poker(log))], platform: use(choosy) }));
  await machine.start();
  assertEquals(log, ["a bound, 0x5000 is 5000"]);
  machine.device("a").port.write(0x5001n, new Uint8Array([9]));
  assertEquals(machine.space.read(0x5001, 1), 9);
});

Deno.test("removal and reset end the leases of a device", async () => {
  const machine = new Machine(resolved({ devices: [device("a", poker([])), device("b", poker([]))] }));
  await machine.start();
  const [a, b] = ["a", "b"].map((id) => {
    const result = machine.device(id).port.map([{ hi: 0, lo: 0x6000, length: 4, access: Access.WRITE }]);
    if (!result.ok) throw new Error("cannot lease");
    return result.lease;
  });
  machine.remove("a", "surprise");
  assertEquals([a.reason, b.live], ["removed", true]);
  machine.reset();
  assertEquals(b.reason, "reset");
});

Deno.test("a profile lays memory out and makes the root bus; a reset of the machine reaches it", async () => {
  const log: string[] = [];
  const small = defineProfile({
    name: "small",
    kind: "profile",
    api: API_VERSION,
    summary: "",
    options: {},
    bus: "flat",
    memoryMap: (memory) => ({
      ram: [{ base: 0x10_0000, size: memory }],
      heap: 0x18_0000,
      registers: { first: 0x8000_0000, end: 0x8000_2000 },
    }),
    create(services) {
      log.push(`registers at ${services.reserveRegisters(16, "board", { read: () => 7, write() {} }).toString(16)}`);
      return {
        bridge: (parent) => parent,
        start: () => void log.push("firmware"),
        reset: () => void log.push("board reset"),
      };
    },
  });
  const machine = new Machine(resolved({ bus: use(small), devices: [device("a", poker(log))] }));
  await machine.start();
  assertEquals(machine.space.ramRegions.map(({ base, size }) => [base, size]), [[0x10_0000, 1 << 21]]);
  assertEquals([machine.guest.heap.alloc(16), machine.space.read(0x8000_0000, 4)], [0x18_0000, 7]);
  machine.reset();
  assertEquals(log, [
    "registers at 80000000",
    "firmware",
    "a bound, 0x5000 is 6000",
    "a reset",
    "board reset",
    "firmware",
  ]);
});

Deno.test("a bare machine has its devices, and neither firmware nor drivers", async () => {
  const log: string[] = [];
  const machine = new Machine(resolved({ devices: [device("a", poker(log))] }), { bare: true });
  await machine.start();
  machine.reset();
  assertThrows(() => machine.driver("a"), RangeError);
  machine.stop();
  assertEquals(log, ["a reset", "a flushed"]);
});

Deno.test("in a bare machine bridges know whom they let pass, and forget it once the device is gone", async () => {
  const log: string[] = [];
  const machine = new Machine(
    resolved({ devices: [device("a", poker(log, { physical: true })), device("b", poker(log))] }),
    { bare: true },
  );
  await machine.start();
  const poke = (id: string) => machine.device(id).port.write(0x10n, Uint8Array.of(1));
  assertEquals([poke("a"), poke("b")], [BusStatus.OK, BusStatus.UNSUPPORTED_REQUEST]);
  const { port } = machine.device("a");
  machine.remove("a", "surprise");
  const next = machine.root.attach("next", port.requester);
  assertEquals(next.write(0x10n, Uint8Array.of(1)), BusStatus.UNSUPPORTED_REQUEST);
  machine.stop();
});

Deno.test("a device is plugged into a running machine and bound; an id is free again once its device is gone", async () => {
  const log: string[] = [];
  const machine = new Machine(resolved());
  await machine.start();
  const entry = { id: "late", use: dataUrl("late", "flat") };
  (globalThis as { latePlugin?: unknown }).latePlugin = poker(log);
  await machine.plug(entry);
  assertEquals(log, ["late bound, 0x5000 is 6000"]);
  await assertRejects(() => machine.plug(entry), InputError, '"late" again');
  machine.remove("late", "orderly");
  await machine.plug(entry);
  assertEquals(log.at(-1), "late bound, 0x5000 is 6000");
  machine.stop();
});

/** A module whose default export is the plugin that a test has put where it finds it. */
function dataUrl(name: string, bus: string): string {
  const text = `export default { ...globalThis.latePlugin, name: "${name}", bus: "${bus}" };`;
  return `data:text/javascript,${encodeURIComponent(text)}`;
}

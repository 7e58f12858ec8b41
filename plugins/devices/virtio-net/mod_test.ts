import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError, loadMachine, type Machine, type Manifest } from "@iova/core";
import { loadCapture } from "@iova/net";
import type { VirtioNetDriver } from "./driver.ts";
import { RxCommand } from "./layout_control.ts";
import type { NetDevice } from "./mod.ts";

const CAPTURE = new URL("../../../examples/lan.pcap", import.meta.url).pathname;

type Options = Record<string, unknown>;

function manifest(nics: Options[], platform: Manifest["platform"] = "direct", more: Partial<Manifest> = {}): Manifest {
  const devices = nics.map((options, i) => ({ id: `nic${i}`, use: "virtio-net", with: options }));
  return { memory: "64MiB", platform, devices, ...more };
}

const REPLAY = { use: "net-replay", device: "nic0", with: { file: CAPTURE, receiver: "nic1", offload: true } };
const STREAM = { receiver: "nic1", count: 40, size: 60000, offload: "segmentation" };

function driver(machine: Machine, id = "nic0"): VirtioNetDriver {
  return machine.driver<VirtioNetDriver>(id);
}

/** Sends one frame from `id`. */
function send(machine: Machine, id: string, bytes: Uint8Array): void {
  const buffer = machine.guest.heap.require(bytes.length, "a frame", 64);
  machine.guest.memory.bytes(buffer, bytes.length).set(bytes);
  assert(driver(machine, id).transmit(buffer, bytes.length, 0));
  driver(machine, id).kick();
  machine.scheduler.settle();
}

function received(machine: Machine, id: string): Uint8Array[] {
  const frames: Uint8Array[] = [];
  driver(machine, id).onReceive = (frame) => {
    const bytes = new Uint8Array(frame.length);
    frame.copy(bytes);
    frames.push(bytes);
  };
  return frames;
}

const PLATFORMS = ["direct", "strict", "swiotlb", "pseries-tce", "xen-grant", "xen-pv", "amd-iommu"];

/** Pairs of devices that differ in what is left undone on the way, and how. */
const SHAPES: Record<string, [Options, Options]> = {
  "as they come": [{}, {}],
  "packed and in order": [{ packed: true, inOrder: true }, { packed: true }],
  "in order": [{ inOrder: true }, { inOrder: true, eventIndex: false }],
  "a receiver that takes nothing unfinished": [{}, { checksum: false, mergeable: false }],
  "one buffer for everything": [{ requestMemory: "streaming" }, { mergeable: false, rxBuffer: 65664, queueSize: 8 }],
  "no indirect tables, no control queue": [{ indirect: false }, { control: false, eventIndex: false, vectors: 0 }],
  "lists": [{ scatterlists: "clean" }, { scatterlists: "clean", rxBuffer: 512 }],
};

for (const platform of PLATFORMS) {
  Deno.test(`two devices carry a capture and a stream on ${platform}, whatever they leave undone`, async () => {
    for (const [shape, nics] of Object.entries(SHAPES)) {
      const workload = [REPLAY, { use: "net-stream", device: "nic0", with: STREAM }];
      const machine = await loadMachine(manifest(nics, platform, { workload, checks: ["dma-debug"] }));
      const report = await machine.run();
      assert(report.verified, `${shape}: ${report.workloads.map(({ failure }) => failure)}`);
      assertEquals(report.warnings.filter(({ id }) => id !== "swiotlb-full"), [], shape);
      machine.stop();
    }
  });
}

/** The first slot of a virtio-mmio bus, and two of its registers. */
const SLOT = 0xfeb0_0000;
const MMIO = { QueueSel: 0x30, QueuePFN: 0x40 };

/** Ways to reach a device: the bus, and what the device and its driver speak. */
const TRANSPORTS: Record<string, [bus: string, nic: Options]> = {
  "PCI, both interfaces, a modern driver": ["pci", { transport: "transitional" }],
  "PCI, both interfaces, a legacy driver": [
    "pci",
    // A legacy driver cannot take bit 33, and its physical addresses would fault wherever they are not bus addresses.
    { transport: "transitional", driverInterface: "legacy", accessPlatform: false },
  ],
  "PCI, legacy": ["pci", { transport: "legacy" }],
  "PCI, legacy, not merged: the header has 10 bytes": ["pci", { transport: "legacy", mergeable: false }],
  "MMIO": ["virtio-mmio", { notificationData: true }],
  "MMIO, packed": ["virtio-mmio", { packed: true }],
  "MMIO, legacy": ["virtio-mmio", { transport: "legacy" }],
};

for (const [transport, [bus, nic]] of Object.entries(TRANSPORTS)) {
  Deno.test(`${transport}: a capture goes through on every platform`, async () => {
    for (const platform of PLATFORMS) {
      const more = { workload: [REPLAY], checks: ["dma-debug"], bus: { use: bus } };
      const machine = await loadMachine(manifest([nic, {}], platform, more));
      const report = await machine.run();
      assert(report.verified, `${platform}: ${report.workloads.map(({ failure }) => failure)}`);
      machine.stop();
    }
  });
}

Deno.test("queues are as long as was asked for where the interface leaves it to the driver, old MMIO included", async () => {
  for (const personality of ["spec", "qemu"]) {
    const nic = { transport: "legacy", personality, queueSize: 16 };
    const machine = await loadMachine(manifest([nic], "direct", { bus: { use: "virtio-mmio" }, memory: "16MiB" }));
    const { guest } = machine;
    const pages = [0, 1].map((queue) => {
      guest.write(SLOT + MMIO.QueueSel, 4, queue);
      return guest.read(SLOT + MMIO.QueuePFN, 4);
    });
    // Rings of 16 entries take two pages; those of 1024, which QEMU says are possible, seven.
    assert(Math.abs(pages[1] - pages[0]) < 7, personality);
    machine.stop();
  }
});

Deno.test("what a frame costs in accesses to rings is counted: fewer in packed rings than in split ones", async () => {
  const cost = async (options: Options) => {
    const machine = await loadMachine(manifest([options, options]));
    const sender = machine.device("nic0");
    const before = sender.counters();
    for (let i = 0; i < 10; i++) send(machine, "nic0", new Uint8Array(60).fill(0xff));
    const { ringReads, ringWrites } = sender.counters();
    machine.stop();
    return [ringReads - before.ringReads, ringWrites - before.ringWrites];
  };
  const [split, packed] = [await cost({}), await cost({ packed: true })];
  assert(split[0] >= 40 && split[1] >= 20, "four reads and two writes for a frame at least");
  assert(packed[0] < split[0] && packed[1] < split[1], `${packed} and ${split}`);
});

Deno.test("drivers use as many pairs of queues as both sides have, and only what was asked for is received", async () => {
  const machine = await loadMachine(manifest([{ pairs: 4, vectors: 10 }, { pairs: 2 }]));
  assertEquals([driver(machine).pairs, driver(machine, "nic1").pairs], [4, 2]);
  const frames = received(machine, "nic1");
  const [own, other] = [driver(machine, "nic1").mac, Uint8Array.of(2, 0, 0, 0, 0, 9)];
  const frame = (to: Uint8Array) => Uint8Array.from([...to, ...new Array(54).fill(1)]);
  for (const to of [own, other]) send(machine, "nic0", frame(to));
  assertEquals([frames.length, machine.device("nic1").counters().rxFiltered], [1, 1]);
  assertEquals(await machine.settle(driver(machine, "nic1").setAddresses([other], [])), true);
  send(machine, "nic0", frame(other));
  assertEquals(frames.length, 2);
  machine.stop();
});

Deno.test("every command of the driver does what it says", async () => {
  const machine = await loadMachine(manifest([{ pairs: 2 }]));
  const nic = driver(machine);
  const done = await machine.settle(Promise.all([
    nic.setPromiscuous(false),
    nic.setReceiveMode(RxCommand.ALLMULTI, true),
    nic.setAddresses([], [Uint8Array.of(1, 0, 0x5e, 0, 0, 1)]),
    nic.setMac(Uint8Array.of(0x52, 0x54, 0, 9, 9, 9)),
    nic.setVlan(5, true),
    nic.setVlan(5, false),
    nic.setPairs(1),
    nic.setOffloads(0n),
    nic.setVlan(4096, true),
    nic.setPairs(3),
  ]));
  assertEquals(done, [true, true, true, true, true, true, true, true, false, false]);
  assertEquals([nic.mac, nic.pairs], [Uint8Array.of(0x52, 0x54, 0, 9, 9, 9), 1]);
  machine.stop();
});

Deno.test("a cable that is pulled is seen by the driver, and an announcement is made when it is asked for", async () => {
  const machine = await loadMachine(manifest([{ link: false }, {}]));
  const nic = driver(machine);
  const links: boolean[] = [];
  nic.onLink = (up) => links.push(up);
  const device = machine.device("nic0") as NetDevice;
  assertEquals(nic.linkUp, false);
  device.setLink(true);
  machine.scheduler.settle();
  device.announce();
  machine.scheduler.settle();
  // Commands are answered in order.
  assertEquals(await machine.settle(nic.setVlan(1, true)), true);
  device.setLink(false);
  machine.scheduler.settle();
  // Promiscuous off, the announcement, the VLAN.
  assertEquals([links, machine.device("nic0").counters().commands], [[true, false], 3]);
  machine.stop();
});

Deno.test("a capture that is played back at a device is received at its distances, and recorded as it was", async () => {
  const output = Deno.makeTempFileSync({ suffix: ".pcapng" });
  try {
    const machine = await loadMachine(manifest([{ net: "replay", file: CAPTURE, record: output, control: false }]));
    const frames = received(machine, "nic0");
    while (machine.scheduler.step());
    machine.stop();
    const where = { file: "", optionPath: "" };
    const packets = loadCapture({ path: CAPTURE, ...where });
    const recorded = loadCapture({ path: output, ...where });
    assertEquals(recorded.map(({ bytes }) => bytes), packets.map(({ bytes }) => bytes));
    // The first came while nobody had asked the driver for frames yet.
    assertEquals(frames, packets.slice(1).map(({ bytes }) => bytes));
    recorded.forEach(({ time }, i) => {
      const late = time - recorded[0].time - (packets[i].time - packets[0].time);
      assert(late >= 0n && late < 1_000_000n, `packet ${i + 1} is ${late} ns late`);
    });
  } finally {
    Deno.removeSync(output);
  }
});

Deno.test("two machines of one process are joined by a hub of the process", async () => {
  const nic = { net: "shared-hub", hub: "two-machines" };
  const [left, right] = [await loadMachine(manifest([nic])), await loadMachine(manifest([nic], "strict"))];
  const frames = received(right, "nic0");
  const bytes = Uint8Array.from([...driver(right).mac, ...new Array(54).fill(7)]);
  send(left, "nic0", bytes);
  right.scheduler.settle();
  assertEquals(frames, [bytes]);
  left.stop();
  right.stop();
});

/** A machine with dma-debug, and the ids of what it warns of. */
async function watched(nics: Options[]): Promise<[Machine, unknown[]]> {
  const warnings: unknown[] = [];
  const machine = await loadMachine(manifest(nics, "direct", { checks: ["dma-debug"] }), {
    listen: ({ type, id }) => type === "warning" && warnings.push(id),
  });
  return [machine, warnings];
}

Deno.test("commands on the stack are reported by dma-debug, commands on the heap are not", async () => {
  for (const [controlBuffers, reported] of [["stack", true], ["heap", false]] as const) {
    const [machine, warnings] = await watched([{ controlBuffers }]);
    assertEquals(await machine.settle(driver(machine).setVlan(5, true)), true);
    assertEquals(warnings.includes("D10"), reported);
    assertEquals(warnings.every((id) => id === "D10"), true);
    machine.stop();
  }
});

Deno.test("a list with an old end mark is reported by dma-debug as NET1 and its frame is lost; a clean one is not", async () => {
  for (const [scatterlists, reported] of [["stale-marks", true], ["clean", false]] as const) {
    const [machine, warnings] = await watched([{ scatterlists }, {}]);
    const to = driver(machine, "nic1").mac;
    const frames = received(machine, "nic1");
    const buffer = machine.guest.heap.require(8192, "frames", 4096);
    machine.guest.memory.bytes(buffer, 8192).set(to);
    machine.guest.memory.bytes(buffer + 3000, 6).set(to);
    // One page, then two: the mark of the first frame is in the middle of the second.
    for (const [at, length] of [[buffer, 100], [buffer + 3000, 1500]]) {
      assert(driver(machine).transmit(at, length, 0));
      driver(machine).kick();
      machine.scheduler.settle();
    }
    assertEquals(warnings, reported ? ["NET1"] : []);
    assertEquals([frames.length, driver(machine).stats.txDropped], reported ? [1, 1] : [2, 0]);
    machine.stop();
  }
});

Deno.test("a surprise removal lets go of every frame, and the other end of the cable goes on", async () => {
  const machine = await loadMachine(manifest([{}, {}]));
  const gone: number[] = [];
  const nic = driver(machine);
  nic.onTransmitted = (tag) => gone.push(tag);
  const buffer = machine.guest.heap.require(64, "a frame", 64);
  for (let tag = 0; tag < 3; tag++) nic.transmit(buffer, 60, tag);
  machine.remove("nic0", "surprise");
  machine.scheduler.settle();
  assertEquals(gone.sort(), [0, 1, 2]);
  assertEquals(nic.transmit(buffer, 60, 3), true);
  machine.scheduler.settle();
  assertEquals([gone.length, nic.linkUp], [4, false]);
  send(machine, "nic1", new Uint8Array(60));
  machine.stop();
});

Deno.test("bad options name the file, the path, what was found and what was expected", async () => {
  const cases: [Options, string][] = [
    [{ mac: "52:54:00:12:34" }, 'devices[0].with.mac: found "52:54:00:12:34", expected six bytes'],
    [{ mac: "01:00:5e:00:00:01" }, "the first of them even"],
    [{ queueSize: 100 }, "devices[0].with.queueSize: found 100, expected a power of two"],
    [{ net: "replay" }, 'devices[0].with: found "net": "replay" without "file", expected the path "file"'],
    [{ net: "replay", file: "/nowhere" }, 'devices[0].with.file: found "/nowhere", which does not exist'],
    [{ net: "stream" }, 'without "socket"'],
    [{ file: "x.pcap" }, 'devices[0].with.file: found "x.pcap" beside "net": "hub", expected "net": "replay"'],
    [{ net: "dgram", listen: true }, 'with.listen: found "true" beside "net": "dgram", expected "net": "stream"'],
    [{ record: "/tmp/no/such/folder.pcap" }, "devices[0].with.record: found"],
    [{ net: "cable" }, "devices[0].with.net: found"],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(() => loadMachine(manifest([options])), InputError);
    assertStringIncludes(error.message, message);
  }
});

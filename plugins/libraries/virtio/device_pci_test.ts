import { assertEquals } from "@std/assert";
import { type PciWorld, pciWorld } from "@iova/pci/testing";
import { toHex } from "@iova/fields/testing";
import type { Chain } from "./device_chain.ts";
import { Outcome, VirtioDevice, type VirtioModel } from "./device_model.ts";
import { VirtioPciFunction } from "./device_pci.ts";
import { VirtioPciTransport } from "./driver_pci.ts";
import { driverOk, negotiate } from "./driver_transport.ts";
import { FeatureSet } from "./layout_features.ts";
import { addressesOf, bringUp, letterWorld, ringOf } from "./testdata/letters.ts";
import { MockDriver, MockRing } from "./testing.ts";

/** A device that writes the letter A into every chain, and keeps chains of queue 1 until it is told. */
class Letters implements VirtioModel {
  readonly type = 4;
  readonly features = [3];
  readonly queueSizes = [64, 32, 0];
  readonly config = Uint8Array.from([1, 2, 3, 4, 5, 6]);
  readonly kept: number[] = [];
  resets = 0;

  constructor(readonly world: () => VirtioPciFunction) {}

  configWritten(offset: number, value: number): void {
    this.config[offset] = value;
  }

  request(queue: number, chain: Chain): Outcome {
    if (queue === 1) {
      this.kept.push(chain.id);
      return Outcome.LATER;
    }
    chain.write(this.world().fn.port, 0, Uint8Array.from([0x41]), 0, 1);
    chain.written = 1;
    return Outcome.DONE;
  }

  reset(): void {
    this.resets++;
    this.kept.length = 0;
  }
}

interface LetterWorld extends PciWorld {
  pci8: ReturnType<PciWorld["pci"]["function"]>;
  model: Letters;
  virtio: VirtioPciFunction;
  transport: VirtioPciTransport;
}

function world(vectors = 2): LetterWorld {
  const w = pciWorld();
  const model: Letters = new Letters(() => virtio);
  const virtio: VirtioPciFunction = new VirtioPciFunction({
    id: "letters",
    bus: w.root,
    type: model.type,
    classCode: 0xff0000,
    vectors,
    make: (port) => new VirtioDevice({ id: "letters", port, scheduler: w.scheduler, events: w.events, model }),
  });
  w.pci.enumerate();
  const transport = new VirtioPciTransport({ guest: w.guest, requester: 8 });
  return { ...w, pci8: w.pci.function(8), model, virtio, transport };
}

Deno.test("the function has the ids of a modern device and QEMU's regions behind BAR 4", () => {
  const { pci8 } = world();
  const ids = [pci8.vendor, pci8.device, pci8.configRead(8, 1), pci8.configRead(0x2c, 4)];
  assertEquals(ids, [0x1af4, 0x1044, 1, 0x1100_1af4]);
  const places = [0x34, 0x99, 0x85, 0x71, 0x61, 0x51, 0x41].map((at) => pci8.configRead(at, 1));
  assertEquals(places, [0x98, 0x84, 0x70, 0x60, 0x50, 0x40, 0], "MSI-X, then the newest first");
  const caps: string[] = [];
  for (let at = pci8.findCapability(9); at !== 0; at = pci8.findCapability(9, at)) {
    caps.push(toHex(pci8.configBytes(at + 2, 14)));
  }
  assertEquals(caps, [
    "14" + "05" + "00" + "000000" + "00000000" + "00000000",
    "14" + "02" + "04" + "000000" + "00300000" + "00100000",
    "10" + "04" + "04" + "000000" + "00200000" + "00100000",
    "10" + "03" + "04" + "000000" + "00100000" + "00100000",
    "10" + "01" + "04" + "000000" + "00000000" + "00100000",
  ]);
});

Deno.test("after a reset registers read as at power-on", () => {
  const { pci8 } = world();
  assertEquals(pci8.read(4, 0x10, 2), 0xffff);
  assertEquals([pci8.read(4, 0x12, 2), pci8.read(4, 0x14, 1), pci8.read(4, 0x18, 2)], [3, 0, 64]);
  assertEquals(pci8.read(4, 0x1a, 2), 0xffff);
});

Deno.test("accesses of the wrong size are decoded byte by byte", () => {
  const { pci8 } = world();
  assertEquals(pci8.read(4, 0x10, 4), 0x0003_ffff, "vector and number of queues at once");
  assertEquals(pci8.read(4, 0x13, 1), 0);
  pci8.write(4, 0x20, 4, 0x1234_5670);
  pci8.write(4, 0x21, 1, 0xab);
  assertEquals(pci8.read(4, 0x20, 4), 0x1234_ab70);
  pci8.write(4, 0x26, 2, 0x8765);
  assertEquals(pci8.read(4, 0x24, 4), 0x8765_0000);
  // Status, generation and queue select in one write.
  pci8.write(4, 0x14, 4, 0x0001_ff01);
  assertEquals([pci8.read(4, 0x14, 1), pci8.read(4, 0x15, 1), pci8.read(4, 0x16, 2)], [1, 0, 1]);
  assertEquals(pci8.read(4, 0x18, 2), 32);
  assertEquals([pci8.read(4, 0x38, 4), pci8.read(4, 0xffc, 4)], [0, 0]);
});

Deno.test("features come in words, and words beyond the second are zero", () => {
  const { pci8 } = world();
  const words = [0, 1, 2, 3, 0xffff_ffff].map((select) => {
    pci8.write(4, 0, 4, select);
    return pci8.read(4, 4, 4);
  });
  assertEquals(words, [0x3000_0008, 0x103, 0, 0, 0]);
  pci8.write(4, 8, 4, 0);
  pci8.write(4, 0x0c, 4, 0x1000_0008);
  assertEquals(pci8.read(4, 0x0c, 4), 0x1000_0008);
});

Deno.test("features that were not offered, or no VERSION_1, leave FEATURES_OK clear; afterwards nothing changes", () => {
  for (
    const [features, status] of [[[3, 32, 33], 0x0b], [[32, 33, 34], 0x03], [[3, 33], 0x03], [[], 0x03]] as const
  ) {
    const { transport } = world();
    transport.writeStatus(1);
    transport.writeStatus(3);
    transport.accept(new FeatureSet(features));
    transport.writeStatus(0x0b);
    assertEquals(transport.readStatus(), status);
  }
  const { transport, virtio } = world();
  assertEquals(negotiate(transport, new FeatureSet([3, 32, 33]))?.value, 0x3_0000_0008n);
  transport.accept(new FeatureSet([32, 33, 28]));
  assertEquals(virtio.device.accepted.value, 0x3_0000_0008n);
});

Deno.test("a queue size that is no power of two or too large is refused; an absent queue has size 0", () => {
  const { pci8, transport } = world();
  for (const [size, now] of [[3, 64], [0, 64], [128, 64], [32768, 64], [16, 16]]) {
    pci8.write(4, 0x16, 2, 0);
    pci8.write(4, 0x18, 2, size);
    assertEquals(pci8.read(4, 0x18, 2), now, `${size}`);
  }
  assertEquals([transport.queueSize(2), transport.queueSize(3), transport.queueSize(65535)], [0, 0, 0]);
  pci8.write(4, 0x18, 2, 16);
  pci8.write(4, 0x1c, 2, 1);
  pci8.write(4, 0x20, 4, 0x1000);
  assertEquals([pci8.read(4, 0x18, 2), pci8.read(4, 0x1c, 2), pci8.read(4, 0x20, 4)], [0, 0, 0]);
});

Deno.test("a vector that does not exist reads back as none", () => {
  const { pci8 } = world();
  for (const at of [0x10, 0x1a]) {
    pci8.write(4, at, 2, 1);
    assertEquals(pci8.read(4, at, 2), 1);
    pci8.write(4, at, 2, 5);
    assertEquals(pci8.read(4, at, 2), 0xffff);
  }
});

Deno.test("an enabled queue keeps its size and addresses", () => {
  const { pci8, transport } = world();
  const half = { descHi: 0, descLo: 0x4000, driverHi: 0, driverLo: 0x5000, deviceHi: 0, deviceLo: 0x6000 };
  assertEquals(transport.enableQueue(0, 16, half), 0);
  pci8.write(4, 0x18, 2, 8);
  pci8.write(4, 0x20, 4, 0x9000);
  pci8.write(4, 0x1c, 2, 0);
  assertEquals([pci8.read(4, 0x18, 2), pci8.read(4, 0x20, 4), pci8.read(4, 0x1c, 2)], [16, 0x4000, 1]);
});

Deno.test("writing 0 to the status returns everything to power-on", () => {
  const { pci8, transport, model, virtio } = world();
  transport.connect([() => {}], () => {});
  negotiate(transport, new FeatureSet([3, 32, 33]));
  pci8.write(4, 0, 4, 1);
  pci8.write(4, 0x16, 2, 1);
  pci8.write(4, 0x18, 2, 16);
  pci8.write(4, 0x1c, 2, 1);
  transport.writeStatus(0);
  assertEquals(transport.readStatus(), 0);
  const registers = [0, 0x0c, 0x10, 0x14, 0x18, 0x1c].map((at) => pci8.read(4, at, 4));
  assertEquals(registers, [0, 0, 0x0003_ffff, 0, 0xffff_0040, 0]);
  assertEquals([model.resets, virtio.device.accepted.value], [1, 0n]);
});

Deno.test("the configuration is read and written in any size, and nothing lies beyond its end", () => {
  const { pci8, transport, virtio, model } = world();
  assertEquals([transport.readConfig(0, 4), transport.readConfig(1, 2), transport.readConfig(4, 4)], [
    0x0403_0201,
    0x0302,
    0x0000_0605,
  ]);
  pci8.write(4, 0x2004, 4, 0xaabb_ccdd);
  assertEquals([...model.config], [1, 2, 3, 4, 5, 6], "not before negotiation is over");
  negotiate(transport, new FeatureSet([32, 33]));
  pci8.write(4, 0x2004, 4, 0xaabb_ccdd);
  assertEquals([...model.config], [1, 2, 3, 4, 0xdd, 0xcc]);
  assertEquals(transport.generation(), 0);
  virtio.device.configChanged();
  assertEquals(transport.generation(), 1);
});

Deno.test("without MSI-X the interrupt status says why, and reading it clears it and the line", () => {
  const { pci8, transport, virtio, interrupts } = world(0);
  negotiate(transport, new FeatureSet([32, 33]));
  driverOk(transport);
  const line = pci8.configRead(0x3c, 1);
  virtio.notifyQueue(0);
  assertEquals([interrupts.isAsserted(line), pci8.read(4, 0x1000, 1)], [true, 1]);
  assertEquals([interrupts.isAsserted(line), pci8.read(4, 0x1000, 1)], [false, 0]);
  virtio.device.configChanged();
  assertEquals([pci8.read(4, 0x1000, 1), pci8.read(4, 0x1000, 1)], [3, 0]);
});

Deno.test("with two vectors queues share one, with enough each has its own", () => {
  for (const [vectors, expected] of [[2, ["q0 q1", "q0 q1"]], [3, ["q0", "q1"]]] as const) {
    const { transport, virtio, scheduler } = world(vectors);
    let heard: string[] = [];
    transport.connect([() => heard.push("q0"), () => heard.push("q1")], () => heard.push("config"));
    negotiate(transport, new FeatureSet([32, 33]));
    driverOk(transport);
    const hears = (raise: () => void) => {
      heard = [];
      raise();
      scheduler.settle();
      return heard.join(" ");
    };
    assertEquals([hears(() => virtio.notifyQueue(0)), hears(() => virtio.notifyQueue(1))], [...expected]);
    assertEquals(hears(() => virtio.device.configChanged()), "config");
  }
});

Deno.test("registers can be reached through configuration space alone", () => {
  const { pci8 } = world();
  let window = 0;
  for (let at = pci8.findCapability(9); at !== 0; at = pci8.findCapability(9, at)) {
    if (pci8.configRead(at + 3, 1) === 5) window = at;
  }
  const aim = (bar: number, offset: number, length: number) => {
    pci8.configWrite(window + 4, 1, bar);
    pci8.configWrite(window + 8, 4, offset);
    pci8.configWrite(window + 12, 4, length);
  };
  aim(4, 0x18, 2);
  assertEquals(pci8.configRead(window + 16, 4), 64);
  aim(4, 0x14, 1);
  pci8.configWrite(window + 16, 1, 3);
  assertEquals(pci8.read(4, 0x14, 1), 3);
  for (const [bar, offset, length] of [[0, 0, 4], [4, 0x4000, 4], [4, 0x14, 3], [4, 0x15, 4], [4, 0xffff_fffc, 4]]) {
    aim(bar, offset, length);
    pci8.configWrite(window + 16, 4, 0);
    assertEquals(pci8.read(4, 0x14, 1), 3, "a badly aimed access does nothing");
  }
});

Deno.test("a model may finish chains later and in another order; a reset forgets them", () => {
  const w = world();
  const ring = new MockRing(w.space, { size: 32, base: 0x8000 });
  const driver = new MockDriver({ guest: w.guest, requester: 8, ring, features: [32, 33], interrupts: false });
  driver.negotiate();
  const [desc, avail, used] = ring.addresses.map(Number);
  w.transport.enableQueue(1, 32, {
    descHi: 0,
    descLo: desc,
    driverHi: 0,
    driverLo: avail,
    deviceHi: 0,
    deviceLo: used,
  });
  driverOk(w.transport);
  ring.chain(0, [{ addr: 0x2000n, len: 4, flags: 2 }]);
  ring.chain(5, [{ addr: 0x2004n, len: 4, flags: 2 }]);
  w.transport.notifier(1)();
  w.scheduler.settle();
  assertEquals([w.model.kept, ring.usedIdx], [[0, 5], 0]);
  w.virtio.device.complete(1, 5, 4);
  assertEquals([ring.usedIdx, ring.used(0)], [1, [5, 4]]);
  w.transport.writeStatus(0);
  w.virtio.device.complete(1, 0, 4);
  assertEquals(ring.usedIdx, 1);
});

Deno.test("machine reset returns function and device to power-on", () => {
  const w = world();
  negotiate(w.transport, new FeatureSet([32, 33]));
  w.virtio.powerOn();
  assertEquals([w.virtio.device.status, w.virtio.fn.port.busMaster, w.pci8.configRead(0x20, 4) & ~0xf], [0, false, 0]);
});

Deno.test("with NOTIF_CONFIG_DATA a kick names its queue as the device says, and by no other name", () => {
  const w = letterWorld({ notifConfigData: true });
  const fn = w.pci.function(w.requester);
  bringUp(w, [32, 33, 39]);
  const ring = ringOf(w, 16);
  w.transport.enableQueue(0, 16, addressesOf(ring));
  w.transport.writeStatus(0x0f);
  assertEquals(fn.read(4, 0x38, 2), 0x8000);
  ring.chain(0, [{ addr: 0x30000n, len: 1, flags: 2 }]);
  fn.write(4, 0x3000, 2, 0);
  w.scheduler.settle();
  assertEquals(ring.usedIdx, 0);
  w.transport.notifier(0)();
  w.scheduler.settle();
  assertEquals(ring.usedIdx, 1);
});

Deno.test("a queue that is reset by itself forgets its ring, and only with RING_RESET negotiated", () => {
  for (const [features, done] of [[[32, 33, 40], true], [[32, 33], false]] as const) {
    const w = letterWorld();
    const fn = w.pci.function(w.requester);
    bringUp(w, features);
    w.transport.enableQueue(0, 16, addressesOf(ringOf(w, 16)));
    w.transport.writeStatus(0x0f);
    assertEquals(w.transport.resetQueue(0), done);
    fn.write(4, 0x3a, 2, 1);
    assertEquals([fn.read(4, 0x3a, 2), fn.read(4, 0x1c, 2), fn.read(4, 0x18, 2)], done ? [0, 0, 64] : [0, 1, 16]);
    assertEquals(w.model.queueResets, done ? [0] : []);
  }
});

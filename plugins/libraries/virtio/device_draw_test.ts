import { assertEquals } from "@std/assert";
import { type PciWorld, pciWorld } from "@iova/pci/testing";
import { Chain } from "./device_chain.ts";
import { Outcome, VirtioDevice, type VirtioModel } from "./device_model.ts";
import { VirtioPciFunction } from "./device_pci.ts";
import { Pop } from "./device_queue.ts";
import { MockDriver, MockRing } from "./testing.ts";

/** A device that draws chains itself, or makes them wait. */
class Drawer implements VirtioModel {
  readonly type = 4;
  readonly features = [];
  readonly queueSizes = [16];
  readonly config = new Uint8Array(0);
  draws = true;
  waits = false;
  calls = 0;

  available(): boolean {
    this.calls++;
    return this.draws;
  }

  request(_queue: number, chain: Chain): Outcome {
    if (this.waits) return Outcome.WAIT;
    chain.written = 1;
    return Outcome.DONE;
  }
}

function world(): PciWorld & { model: Drawer; device: VirtioDevice; ring: MockRing; driver: MockDriver } {
  const w = pciWorld(0x200000);
  const model = new Drawer();
  const { fn, device } = new VirtioPciFunction({
    id: "drawer",
    bus: w.root,
    type: model.type,
    classCode: 0xff0000,
    vectors: 2,
    make: (port) => new VirtioDevice({ id: "drawer", port, scheduler: w.scheduler, events: w.events, model }),
  });
  w.pci.enumerate();
  const ring = new MockRing(w.space, { size: 16, base: 0x100000 });
  const driver = new MockDriver({ guest: w.guest, requester: fn.port.requester, ring, features: [32, 33, 29] });
  driver.start();
  return { ...w, model, device, ring, driver };
}

function offer(ring: MockRing, head: number): void {
  ring.chain(head, [{ addr: 0x110000n, len: 64, flags: 2 }]);
}

Deno.test("a model that draws takes chains when it likes, and what it finishes is published in one turn", () => {
  const w = world();
  const chain = new Chain(16);
  assertEquals(w.device.take(0, chain), Pop.EMPTY);
  for (let head = 0; head < 3; head++) offer(w.ring, head);
  w.driver.kick();
  w.scheduler.settle();
  assertEquals([w.model.calls, w.ring.usedIdx], [1, 0]);
  const ids: number[] = [];
  for (let i = 0; i < 3; i++) {
    assertEquals(w.device.take(0, chain), Pop.CHAIN);
    ids.push(chain.id);
  }
  for (const id of ids) w.device.finish(0, id, 10 + id);
  assertEquals(w.ring.usedIdx, 0);
  w.scheduler.settle();
  assertEquals([w.ring.usedIdx, w.ring.used(0), w.ring.used(2)], [3, [0, 10], [2, 12]]);
  assertEquals(w.driver.usedInterrupts, 1);
});

Deno.test("an empty ring that is drawn from asks for a kick", () => {
  const w = world();
  offer(w.ring, 0);
  const chain = new Chain(16);
  assertEquals([w.device.take(0, chain), w.device.take(0, chain), w.ring.availEvent], [Pop.CHAIN, Pop.EMPTY, 1]);
});

Deno.test("drawing from a ring with a mistake in it breaks the device", () => {
  const w = world();
  w.ring.offer(99);
  assertEquals(w.device.take(0, new Chain(16)), Pop.BROKEN);
  assertEquals([w.driver.status, w.device.take(0, new Chain(16))], [0x4f, Pop.EMPTY]);
});

Deno.test("a chain that waits stays in its ring, costs nothing, and comes again after a kick of the model's", () => {
  const w = world();
  w.model.draws = false;
  w.model.waits = true;
  offer(w.ring, 0);
  w.driver.kick();
  w.scheduler.settle();
  assertEquals([w.ring.usedIdx, w.scheduler.idle], [0, true]);
  w.model.waits = false;
  w.device.kick(0);
  w.scheduler.settle();
  assertEquals([w.ring.usedIdx, w.ring.used(0)], [1, [0, 1]]);
});

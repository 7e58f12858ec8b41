/** The cases of `vectors/ring_cases.json`, which other implementations can run as well. */

import { assertEquals } from "@std/assert";
import { dmaStats, EventStream } from "@iova/core";
import { toHex } from "@iova/fields/testing";
import { pciWorld } from "@iova/pci/testing";
import { Chain } from "./device_chain.ts";
import { MANNERS } from "./device_manners.ts";
import { PackedDeviceQueue } from "./device_packed.ts";
import { Pop } from "./device_queue.ts";
import { DmaAddressing } from "./driver_addressing.ts";
import { PackedDriverQueue } from "./driver_packed.ts";
import { SplitDriverQueue } from "./driver_split.ts";
import { RecordingOps, requestList } from "./testdata/recording_ops.ts";
import { bufferNames, ringWorld } from "./testdata/ring_world.ts";
import { MockPackedRing } from "./testing.ts";
import cases from "./vectors/ring_cases.json" with { type: "json" };

const TABLE = 0x20000;
const DESC_SIZE = 16;

/** Slots of a ring, by number, in hexadecimal. */
type Slots = Record<string, string | undefined>;

function slotsOf(slots: Slots): [slot: number, bytes: string][] {
  return Object.entries(slots).map(([slot, bytes]) => [Number(slot), bytes!.replaceAll(" ", "")]);
}

for (const { name, size, steps } of cases.device) {
  for (const personality of ["spec", "qemu"] as const) {
    Deno.test(`cases 8 and 9, device: ${name} (${personality})`, () => {
      const w = ringWorld();
      const ring = new MockPackedRing(w.space, { size, base: 0x10000 });
      const [desc, driver, device] = ring.addresses.map(Number);
      const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device };
      const queue = new PackedDeviceQueue({ size, port: w.port, addresses, rules: MANNERS[personality].rings });
      const chain = new Chain(size);
      const all = () => Array.from({ length: size }, (_, slot) => ring.slot(slot));
      for (const step of steps) {
        for (const [slot, bytes] of slotsOf(step.offered)) ring.desc(slot, bytes);
        const expected = all();
        assertEquals([queue.pop(chain), bufferNames(chain)], [Pop.CHAIN, step.buffers]);
        queue.push(chain.id, step.written);
        assertEquals(queue.publish(), true);
        for (const [slot, bytes] of slotsOf(personality === "qemu" ? step.qemu : step.used)) expected[slot] = bytes;
        assertEquals(all(), expected);
        assertEquals([queue.pop(chain), ring.deviceEvent], [Pop.EMPTY, "00000000"]);
      }
    });
  }
}

for (const { name, kind, indirect, ring, table } of cases.driver) {
  Deno.test(`case C13, driver: ${name}`, () => {
    const { guest } = pciWorld();
    const events = new EventStream(() => 0);
    const device = { id: "d", requester: 8 };
    const dma = new RecordingOps({ guest, device, stats: dmaStats(), upstream: null, events, warn() {} });
    const options = { index: 0, size: 8, guest, addressing: new DmaAddressing(dma), indirect, notify() {} };
    const queue = kind === "packed" ? PackedDriverQueue.create(options)! : SplitDriverQueue.create(options)!;
    // The next 64 bytes that are free are those at TABLE.
    while (guest.heap.alloc(DESC_SIZE * 4)! < TABLE - DESC_SIZE * 4);
    assertEquals(queue.add(requestList(), 0), 0);
    const bytes = (at: number, count: number) =>
      Array.from({ length: count }, (_, i) => toHex(guest.memory.bytes(at + DESC_SIZE * i, DESC_SIZE)));
    assertEquals(bytes(queue.addresses.descLo, ring.length), ring.map((each) => each.replaceAll(" ", "")));
    assertEquals(bytes(TABLE, table.length), table.map((each) => each.replaceAll(" ", "")));
  });
}

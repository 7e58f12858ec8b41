/**
 * What rings cost by themselves, driver and device together: 32 requests of three buffers are added, taken, finished and
 * handed back. Of each request one buffer is mapped and unmapped; no data moves.
 *
 * @module
 */

import { BaseDmaOps, type DmaHandle, dmaStats, EventStream, type PhysAddr } from "@iova/core";
import { pciWorld } from "@iova/pci/testing";
import {
  BufferList,
  Chain,
  DmaAddressing,
  FeatureSet,
  makeDeviceQueue,
  makeDriverQueue,
  Pop,
  type RingFeatures,
  ringFeatures,
} from "@iova/virtio";
import { type Case, suite } from "../../../tests/bench/harness.ts";

const SIZE = 128;
const BATCH = 32;
const HEADER = 16;
const DATA = 512;
const STATUS = 1;

/** Identity. */
class PlainOps extends BaseDmaOps {
  protected map(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu);
    return true;
  }
  protected unmap(): void {}
}

/** Rings of the kind that `choices` name, between a driver and a device. */
function rings(choices: RingFeatures): (iterations: number) => void {
  const { guest, root } = pciWorld(0x40_0000);
  const features = new FeatureSet(ringFeatures(choices));
  const device = { id: "d", requester: 8 };
  const events = new EventStream(() => 0);
  const dma = new PlainOps({ guest, device, stats: dmaStats(), upstream: null, events, warn() {} });
  const driver = makeDriverQueue(features, {
    index: 0,
    size: SIZE,
    guest,
    addressing: new DmaAddressing(dma),
    notify() {},
    coherentTables: true,
    ...(choices.packed && { depth: SIZE / 2 }),
  })!;
  const ring = makeDeviceQueue(features, { size: SIZE, port: root.attach("d", 8), addresses: driver.addresses });
  const chain = new Chain(SIZE);
  const list = new BufferList(3);
  const buffer = guest.heap.require(4096, "buffers", 4096);
  const batch = () => {
    for (let i = 0; i < BATCH; i++) {
      list.clear().outMapped(0, buffer, HEADER).in(buffer + HEADER, DATA).inMapped(0, buffer + DATA + HEADER, STATUS);
      if (driver.add(list, i) !== 0) throw new Error("the ring is full");
    }
    driver.kick();
    for (let i = 0; i < BATCH; i++) {
      if (ring.pop(chain) !== Pop.CHAIN) throw new Error(`no chain: ${ring.fault}`);
      ring.push(chain.id, DATA + STATUS);
    }
    ring.publish();
    ring.wantKicks(true);
    for (let i = 0; i < BATCH; i++) if (driver.poll() < 0) throw new Error("nothing came back");
    driver.enableInterrupt();
  };
  return (iterations) => {
    for (let i = 0; i < iterations; i++) batch();
  };
}

const SPLIT = "split";

const KINDS: Record<string, [choices: RingFeatures, atMost?: number]> = {
  [SPLIT]: [{}],
  "split, no tables": [{ indirect: false }],
  "split, in order": [{ inOrder: true }],
  "packed": [{ packed: true }, 0.9],
  "packed, no tables": [{ packed: true, indirect: false }],
  "packed, in order": [{ packed: true, inOrder: true }],
};

const cases: Case[] = Object.entries(KINDS).map(([name, [choices, atMost]]) => {
  const run = rings(choices);
  run(20_000 / BATCH);
  return {
    name,
    run,
    operations: BATCH,
    heapAtMost: 8,
    ...(name !== SPLIT && { against: SPLIT }),
    ...(atMost !== undefined && { atMost }),
  };
});

await suite("virtio rings", cases);

// Scenarios of two virtio network cards on one hub: registers, frames in both directions, the control queue.

import { fromHex } from "@iova/fields/testing";
import type { Scenario, Side } from "@iova/qtest/testing";
import { driverOk, FeatureSet, resetDevice, VirtioPciTransport } from "@iova/virtio";
import { type MockDesc, MockRing } from "@iova/virtio/testing";

const MAC = [0x52, 0x54, 0, 1, 2, 3];
const PEER = [0x52, 0x54, 0, 4, 5, 6];
const VERSION_1 = 32;
const MRG_RXBUF = 15;
const CONTROL = [17, 18, 19, 20, 23];
const HEADER = 12;
/** Milliseconds after which a frame has arrived, or never will. */
const FRAME_MS = 1000;

const text = (mac: number[]) => mac.map((byte) => byte.toString(16).padStart(2, "0")).join(":");

function both(name: string, run: (cards: [Card, Card], side: Side) => Promise<void>): Scenario[] {
  return (["qemu", "spec"] as const).map((personality) => {
    const common = { accessPlatform: false, queueSize: 256, vectors: 0, personality };
    return {
      name: `virtio-net ${name}, personality ${personality}`,
      manifest: {
        memory: "64MiB",
        platform: "direct",
        devices: [
          { id: "nic0", use: "virtio-net", at: "04.0", with: { ...common, mac: text(MAC) } },
          { id: "nic1", use: "virtio-net", at: "05.0", with: { ...common, mac: text(PEER) } },
        ],
      },
      run: (side) => run([new Card(side, "nic0", 0x100_0000), new Card(side, "nic1", 0x180_0000)], side),
    };
  });
}

/** A card and its three queues: receive, transmit, control. */
class Card {
  readonly transport: VirtioPciTransport;
  rings: MockRing[] = [];
  #notify: (() => void)[] = [];

  constructor(readonly side: Side, id: string, readonly memory: number) {
    const fn = side.device(id);
    this.transport = new VirtioPciTransport({ guest: side.guest, requester: fn.requester });
  }

  /** A fresh start with these features. */
  start(features: readonly number[], size = 16): void {
    const { transport, side } = this;
    resetDevice(transport, () => true);
    transport.writeStatus(1);
    transport.writeStatus(3);
    transport.accept(new FeatureSet([VERSION_1, ...features]));
    transport.writeStatus(0x0b);
    const queues = features.includes(17) ? 3 : 2;
    this.rings = Array.from({ length: queues }, (_, i) => {
      const ring = new MockRing(side.guest.memory, { size, base: this.memory + 0x4000 * i });
      const [desc, driver, device] = ring.addresses.map(Number);
      transport.enableQueue(i, size, {
        descHi: 0,
        descLo: desc,
        driverHi: 0,
        driverLo: driver,
        deviceHi: 0,
        deviceLo: device,
      });
      return ring;
    });
    this.#notify = this.rings.map((_, i) => transport.notifier(i));
    driverOk(transport);
  }

  /** Bytes at a place of the card's own memory, as a descriptor. */
  buffer(at: number, content: Uint8Array | number, write = false): MockDesc {
    const address = this.memory + 0x1_0000 + at;
    const length = typeof content === "number" ? content : content.length;
    const bytes = this.side.guest.memory.bytes(address, length);
    if (typeof content === "number") bytes.fill(0xcc);
    else bytes.set(content);
    return { addr: BigInt(address), len: length, flags: write ? 2 : 0 };
  }

  get(at: number, length: number): Uint8Array {
    return this.side.guest.memory.bytes(this.memory + 0x1_0000 + at, length).slice();
  }

  kick(queue: number): void {
    this.#notify[queue]();
  }

  /** Offers a chain, kicks, waits until it is used or the device is broken; what was used. */
  async send(queue: number, descs: MockDesc[]): Promise<readonly [number, number] | null> {
    const ring = this.rings[queue];
    const before = ring.usedIdx;
    ring.chain(0, descs);
    this.kick(queue);
    await this.until(() => ring.usedIdx !== before);
    return ring.usedIdx === before ? null : ring.used(before % ring.size);
  }

  /** Waits until `done`, or until the device is broken, or for as long as a frame may take. */
  async until(done: () => boolean): Promise<boolean> {
    await this.side.until(() => done() || (this.transport.readStatus() & 0x40) !== 0, FRAME_MS);
    return done();
  }

  get status(): number {
    return this.transport.readStatus();
  }
}

/** A frame to `to`, `length` bytes in all. */
function frame(length: number, to: number[] = PEER, type = [0x88, 0xb5]): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, i) => 5 * i);
  bytes.set([...to, ...MAC, ...type]);
  return bytes;
}

const withHeader = (bytes: Uint8Array, header = new Uint8Array(HEADER)) => Uint8Array.from([...header, ...bytes]);

export const VIRTIO_NET: Scenario[] = [
  ...both("registers", (cards, side) => {
    const [{ transport }] = cards;
    const offered = transport.offered();
    side.see("features", [offered.word(1), offered.word(0)]);
    side.see("queues", [0, 1, 2, 3, 4].map((index) => transport.queueSize(index)));
    side.see("address", Uint8Array.from({ length: 6 }, (_, i) => transport.readConfig(i, 1)));
    for (
      const [name, at, width] of [["status", 6, 2], ["pairs", 8, 2], ["mtu", 10, 2], ["behind the end", 12, 4]] as const
    ) {
      side.see(name, transport.readConfig(at, width));
    }
    const fn = side.device("nic0");
    for (const at of [0x00, 0x08, 0x2c]) side.see(`config ${at.toString(16)}`, fn.configRead(at, 4));
    return Promise.resolve();
  }),
  ...both("transmission", async ([card, peer], side) => {
    type Case = [label: string, descs: () => MockDesc[]];
    const cases: Case[] = [
      ["header and frame in one piece", () => [card.buffer(0, withHeader(frame(60)))]],
      ["header and frame in two pieces", () => [card.buffer(0, new Uint8Array(HEADER)), card.buffer(0x100, frame(60))]],
      [
        "a header in two pieces",
        () => [card.buffer(0, new Uint8Array(5)), card.buffer(0x100, withHeader(frame(60)).subarray(5))],
      ],
      ["a long frame", () => [card.buffer(0, withHeader(frame(1514)))]],
      ["a short frame", () => [card.buffer(0, withHeader(frame(20)))]],
      ["a header alone", () => [card.buffer(0, new Uint8Array(HEADER))]],
      ["a writable descriptor", () => [{ ...card.buffer(0, withHeader(frame(60))), flags: 2 }]],
      ["a writable descriptor behind", () => [card.buffer(0, withHeader(frame(60))), card.buffer(0x400, 16, true)]],
    ];
    for (const [label, descs] of cases) {
      card.start([]);
      peer.start([]);
      peer.rings[0].chain(0, [peer.buffer(0, 1600, true)]);
      peer.kick(0);
      const used = await card.send(1, descs());
      side.see(`${label}: used`, used);
      side.see(`${label}: status`, card.status);
      const arrived = used !== null && await peer.until(() => peer.rings[0].usedIdx !== 0);
      side.see(`${label}: arrived`, arrived ? peer.rings[0].used(0) : null);
      if (arrived) side.see(`${label}: frame`, peer.get(HEADER, 24));
      if (arrived) side.see(`${label}: end of the frame`, peer.get(peer.rings[0].used(0)[1] - 4, 8));
    }
  }),
  ...both("reception", async ([card, peer], side) => {
    const arrive = async (
      label: string,
      features: number[],
      buffers: number[],
      length: number,
      later: number[] = [],
    ) => {
      card.start([]);
      peer.start(features);
      buffers.forEach((size, i) => peer.rings[0].chain(i, [peer.buffer(0x1000 * i, size, true)]));
      peer.kick(0);
      await card.send(1, [card.buffer(0, withHeader(frame(length)))]);
      await peer.until(() => peer.rings[0].usedIdx !== 0);
      if (later.length > 0) {
        side.see(`${label}: before there is room`, peer.rings[0].usedIdx);
        later.forEach((size, i) =>
          peer.rings[0].chain(buffers.length + i, [peer.buffer(0x1000 * (buffers.length + i), size, true)])
        );
        peer.kick(0);
        await peer.until(() => peer.rings[0].usedIdx !== 0);
      }
      const { usedIdx } = peer.rings[0];
      side.see(`${label}: used`, [usedIdx, ...[0, 1, 2, 3].slice(0, usedIdx).map((i) => peer.rings[0].used(i))]);
      side.see(`${label}: header`, peer.get(0, HEADER));
      side.see(`${label}: data`, peer.get(HEADER, 8));
      side.see(`${label}: status`, peer.status);
    };
    await arrive("one buffer", [], [1526], 64);
    await arrive("a buffer that is just long enough", [], [76], 64);
    await arrive("a buffer that is too short", [], [100], 200);
    await arrive("four small buffers that are merged", [MRG_RXBUF], [64, 64, 64, 64], 120);
    await arrive("one small buffer, the others later", [MRG_RXBUF], [64], 120, [64, 64, 64]);
    await arrive("no buffer, one later", [], [], 64, [1526]);
    await arrive("merged, in one buffer", [MRG_RXBUF], [1526], 64);
  }),
  ...both("filters", async ([card, peer], side) => {
    const OTHER = [0x52, 0x54, 0, 9, 9, 9];
    const MULTICAST = [0x01, 0x00, 0x5e, 0, 0, 1];
    const BROADCAST = [255, 255, 255, 255, 255, 255];
    const passes = async (to: number[]) => {
      // A frame that is filtered leaves the buffer where it is.
      if (peer.rings[0].availIdx === peer.rings[0].usedIdx) {
        peer.rings[0].chain(peer.rings[0].availIdx % 16, [peer.buffer(0, 1526, true)]);
        peer.kick(0);
      }
      const before = peer.rings[0].usedIdx;
      await card.send(1, [card.buffer(0, withHeader(frame(64, to)))]);
      return await side.until(() => peer.rings[0].usedIdx !== before, 30);
    };
    const command = async (bytes: string) => {
      const ack = peer.buffer(0x9000, 1, true);
      await peer.send(2, [peer.buffer(0x8000, fromHex(bytes)), ack]);
      return peer.get(0x9000, 1)[0];
    };
    const commands: [string, string][] = [
      ["as it starts", ""],
      ["promiscuous off", "000000"],
      ["promiscuous on", "000001"],
      ["promiscuous off again", "000000"],
      ["every multicast", "000101"],
      ["not every multicast", "000100"],
      ["no broadcast", "000501"],
      ["broadcast again", "000500"],
      ["no unicast", "000401"],
      ["unicast again", "000400"],
      ["a table", "010001000000525400090909" + "0100000001005e000001"],
      ["an empty table", "01000000000000000000"],
      ["another address", "0101525400090909"],
    ];
    card.start([]);
    peer.start(CONTROL);
    for (const [label, bytes] of commands) {
      if (bytes !== "") side.see(`${label}: answer`, await command(bytes));
      const found: boolean[] = [];
      for (const to of [PEER, OTHER, MULTICAST, BROADCAST]) found.push(await passes(to));
      side.see(`${label}: own, other, multicast, broadcast`, found);
    }
  }),
  ...both("commands", async ([card], side) => {
    const commands = [
      "000001",
      "000601",
      "0000",
      "01000000000000000000",
      "01000100000002000000000101000000" + "01005e000001",
      "010005000000020000000001",
      "0100ffffffff00000000",
      "0101525400010203",
      "01015254000102",
      "02000500",
      "02000010",
      "02010500",
      "0300",
      "04000100",
      "04000200",
      "050000000000000000",
      "090000",
      "ffff",
    ];
    card.start(CONTROL);
    for (const [i, bytes] of commands.entries()) {
      const used = await card.send(2, [card.buffer(0x8000, fromHex(bytes)), card.buffer(0x9000, 1, true)]);
      side.see(`${i}: ${bytes}`, [card.get(0x9000, 1)[0], used, card.status]);
    }
    side.see("address", Uint8Array.from({ length: 6 }, (_, i) => card.transport.readConfig(i, 1)));
    const broken: [string, () => MockDesc[]][] = [
      ["a command of one byte", () => [card.buffer(0x8000, Uint8Array.of(0)), card.buffer(0x9000, 1, true)]],
      ["a command without a place for the answer", () => [card.buffer(0x8000, fromHex("000001"))]],
      ["an answer of two bytes", () => [card.buffer(0x8000, fromHex("000001")), card.buffer(0x9000, 2, true)]],
      ["a command in pieces", () => [
        card.buffer(0x8000, Uint8Array.of(0)),
        card.buffer(0x8100, Uint8Array.of(0)),
        card.buffer(0x8200, Uint8Array.of(1)),
        card.buffer(0x9000, 1, true),
      ]],
    ];
    for (const [label, descs] of broken) {
      card.start(CONTROL);
      const used = await card.send(2, descs());
      side.see(label, [card.get(0x9000, 2), used, card.status]);
    }
  }),
];

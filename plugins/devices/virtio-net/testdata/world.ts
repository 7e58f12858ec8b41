/** A network device on a PCI bus with raw rings, laid out as the conformance cases of virtio have it. */

import type { FaultRecord } from "@iova/core";
import { fromHex, toHex } from "@iova/fields/testing";
import { type Frame, plainFrame } from "@iova/net";
import { TestBackend } from "@iova/net/testing";
import { identityPages, type PciWorld, pciWorld } from "@iova/pci/testing";
import { FeatureSet, plugVirtio, Status, VirtioDevice, VirtioPciTransport } from "@iova/virtio";
import { type MockDesc, MockRing } from "@iova/virtio/testing";
import { NetModel, type NetModelOptions } from "../device.ts";

/** Where headers, data and answers are. */
export const HDR = 0x100000;
export const DATA = 0x110000;
export const ACK = 0x120000;
/** The ring of queue i. */
export const RINGS = 0x140000;
export const RING_STRIDE = 0x4000;
/** Nothing answers there. */
export const HOLE = 0x4000_0000n;
export const MAC = [0x52, 0x54, 0, 0, 0, 2];

/** Features by number: VERSION_1, ACCESS_PLATFORM, MAC, STATUS. */
export const BASE = [32, 33, 5, 16];
export const MRG_RXBUF = 15;
/** CTRL_VQ and everything that is done through it, but MQ and offloads. */
export const CONTROL = [17, 18, 19, 20, 21, 23];
export const MQ = 22;
/** CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_USO. */
export const HOST = [0, 11, 12, 13, 56];
/** GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_USO4, GUEST_USO6. */
export const GUEST = [1, 7, 8, 9, 54, 55];

export interface NetWorldOptions extends Partial<NetModelOptions> {
  /** Entries of the mock rings. */
  size?: number;
  features?: number[];
  /** A translator that knows every page but those in `unmapped` and `pending`. */
  translated?: boolean;
  start?: boolean;
  ringFeatures?: { ringReset?: boolean };
}

export interface NetWorld extends PciWorld {
  backend: TestBackend;
  model: NetModel;
  device: VirtioDevice;
  transport: VirtioPciTransport;
  rings: MockRing[];
  faults: FaultRecord[];
  /** Pages (bus address >> 12) that the platform's translator does not know; others are identity. */
  unmapped: Set<number>;
  /** Pages that it does not know yet. */
  pending: Set<number>;
  /** Something that was pending may be known now. */
  resume(): void;
  /** Interrupts of each queue, and of the configuration. */
  usedInterrupts: number[];
  configInterrupts: number;
  /** Features that the driver accepts when it starts. */
  features: number[];
  /** Negotiates and enables the queues; the status at the end. */
  start(): number;
  /** Kicks a queue and lets the machine come to rest. */
  go(queue: number): void;
  /** A frame comes in; false when it has to wait. */
  come(frame: Uint8Array | Frame): boolean;
  /** Status register. */
  readonly status: number;
  hex(address: number, length: number): string;
  put(address: number, hex: string): void;
  /** Offers `descs` at head `first` of a queue. */
  offer(queue: number, first: number, descs: readonly MockDesc[]): void;
  /** Sends a command given in hexadecimal; its answer, or −1 when there is none. */
  command(hex: string): number;
}

export function netWorld(options: NetWorldOptions = {}): NetWorld {
  const { size = 16, features = BASE, queueSize = 64, pairs = 1, start = true, ringFeatures = {} } = options;
  const world = pciWorld(0x400000);
  const { root, guest, pci, space, scheduler, events } = world;
  const { unmapped, pending, faults, resume } = identityPages(world, options.translated === true);
  const backend = new TestBackend();
  let model!: NetModel;
  const { port, device } = plugVirtio({ id: "nic0", bus: root }, {
    type: 1,
    classCode: 0x020000,
    vectors: 2 * pairs + 2,
    make(port) {
      model = new NetModel({ mac: Uint8Array.from(MAC), ...options, id: "nic0", port, backend, queueSize, events });
      return new VirtioDevice({ ...ringFeatures, id: "nic0", port, scheduler, events, model, ...personality(options) });
    },
  });
  model.attach(device);
  pci.enumerate();
  const transport = new VirtioPciTransport({ guest, requester: port.requester });
  const queues = model.queueSizes.length;
  const rings: MockRing[] = [];
  const usedInterrupts: number[] = [];
  const result: NetWorld = {
    ...world,
    backend,
    model,
    device,
    transport,
    rings,
    faults,
    unmapped,
    pending,
    resume,
    usedInterrupts,
    features,
    configInterrupts: 0,
    get status() {
      return transport.readStatus();
    },
    start() {
      transport.writeStatus(0);
      transport.writeStatus(Status.ACKNOWLEDGE);
      transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER);
      transport.accept(new FeatureSet(result.features));
      transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK);
      if ((transport.readStatus() & Status.FEATURES_OK) === 0) return transport.readStatus();
      rings.length = 0;
      usedInterrupts.length = 0;
      for (let i = 0; i < queues; i++) {
        const ring = new MockRing(space, { size, base: RINGS + i * RING_STRIDE });
        const [desc, driver, used] = ring.addresses.map(Number);
        const addresses = { descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: used };
        transport.enableQueue(i, size, addresses);
        rings.push(ring);
        usedInterrupts.push(0);
      }
      transport.connect(rings.map((_, i) => () => void usedInterrupts[i]++), () => void result.configInterrupts++);
      transport.writeStatus(0x0f);
      return transport.readStatus();
    },
    go(queue) {
      transport.notifier(queue)();
      scheduler.settle();
    },
    come(frame) {
      const taken = backend.nic!.deliver(frame instanceof Uint8Array ? plainFrame(frame) : frame);
      scheduler.settle();
      return taken;
    },
    hex: (address, length) => toHex(space.bytes(address, length)),
    put: (address, hex) => space.bytes(address, hex.replaceAll(" ", "").length / 2).set(fromHex(hex)),
    offer: (queue, first, descs) => rings[queue].chain(first, descs),
    command(hex) {
      const index = features.includes(MQ) ? 2 * pairs : 2;
      const bytes = fromHex(hex);
      const before = rings[index].usedIdx;
      space.bytes(HDR, bytes.length).set(bytes);
      space.bytes(ACK, 1)[0] = 0xff;
      rings[index].chain(0, [{ addr: BigInt(HDR), len: bytes.length }, { addr: BigInt(ACK), len: 1, flags: 2 }]);
      result.go(index);
      return rings[index].usedIdx === before ? -1 : space.bytes(ACK, 1)[0];
    },
  };
  if (start) result.start();
  return result;
}

function personality({ personality }: NetWorldOptions): { personality?: "spec" | "qemu" } {
  return personality === undefined ? {} : { personality };
}

/** A header in hexadecimal. */
export const PLAIN = "000000000000000000000000";

/** Transmits a frame with a header, both in hexadecimal or bytes, as one descriptor. */
export function transmit(w: NetWorld, header: string, frame: Uint8Array, queue = 1): void {
  const bytes = fromHex(header);
  w.space.bytes(HDR, bytes.length).set(bytes);
  w.space.bytes(HDR + bytes.length, frame.length).set(frame);
  w.offer(queue, 0, [{ addr: BigInt(HDR), len: bytes.length + frame.length }]);
  w.go(queue);
}

/** Offers receive buffer `i` of `length` bytes, at DATA + 2048 · i, preset to cc. */
export function buffer(w: NetWorld, i: number, length: number, queue = 0): void {
  w.space.bytes(DATA + 2048 * i, Math.min(length, 2048)).fill(0xcc);
  w.rings[queue].desc(i, { addr: BigInt(DATA + 2048 * i), len: length, flags: 2 });
  w.rings[queue].offer(i);
}

/** A frame of `length` bytes for everybody: byte i is i. */
export function broadcast(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i < 6 ? 0xff : i & 255);
}

/**
 * What a frame costs from one network device to another, both drivers and both devices together: short frames, long ones
 * that nobody cuts, and long ones that the device cuts because the other side cannot take them.
 *
 * @module
 */

import { loadMachine, type Machine, Random } from "@iova/core";
import { Frame, Lowering, type NetDriver, NullBackend, Segmentation, sum16, type TransmitOffload } from "@iova/net";
import { testFrame } from "@iova/net/testing";
import { suite } from "../../../tests/bench/harness.ts";

const PAGE = 4096;
const DEPTH = 32;
const SHORT = 1500;
const LONG = 65536;
const MIB = 1024 * 1024;

async function machine(options: [Record<string, unknown>, Record<string, unknown>]): Promise<Machine> {
  return await loadMachine({
    memory: "128MiB",
    platform: "direct",
    devices: options.map((given, i) => ({ id: `nic${i}`, use: "virtio-net", with: given })),
  });
}

/** Frames of `length` bytes from the first device to the second, `depth` at a time. */
function sender(machine: Machine, length: number, depth: number, offload?: TransmitOffload): (n: number) => void {
  const [from, to] = [machine.driver<NetDriver>("nic0"), machine.driver<NetDriver>("nic1")];
  const { guest, scheduler } = machine;
  const template = offload === undefined ? new Uint8Array(length) : testFrame({ payload: length - 54, partial: true });
  template.set(to.mac);
  const buffers = Array.from({ length: depth }, () => guest.heap.require(length, "a frame", PAGE));
  for (const buffer of buffers) guest.memory.bytes(buffer, length).set(template);
  let left = 0;
  let bytes = 0;
  to.onReceive = (frame) => bytes += frame.length;
  from.onTransmitted = (tag) => {
    if (left === 0) return;
    left--;
    if (!from.transmit(buffers[tag], length, tag, offload)) throw new Error("the queue is full");
  };
  return (iterations) => {
    left = iterations;
    bytes = 0;
    for (let tag = 0; tag < depth && left > 0; tag++) from.onTransmitted(tag);
    from.kick();
    scheduler.settle();
    if (bytes < iterations * length) throw new Error(`${bytes} of ${iterations * length} bytes came`);
  };
}

const SEGMENTS: TransmitOffload = {
  checksumStart: 34,
  checksumOffset: 16,
  segmentation: Segmentation.TCP4,
  segmentSize: 1448,
  headerLength: 54,
};

/** The bytes of long frames moved by plain copies between memories as large. */
function plainCopy(): (n: number) => void {
  const from = new Uint8Array(DEPTH * LONG).fill(1);
  const to = new Uint8Array(128 * LONG).fill(1);
  const places = Array.from({ length: 4096 }, () => new Random(1).below(128));
  return (iterations) => {
    for (let i = 0; i < iterations; i++) {
      to.set(from.subarray((i % DEPTH) * LONG, (i % DEPTH + 1) * LONG), (i + places[i & 4095]) % 128 * LONG);
    }
  };
}

function cutting(): (n: number) => void {
  const bytes = testFrame({ payload: LONG - 54, partial: true });
  const frame = Object.assign(new Frame(), {
    length: bytes.length,
    needsChecksum: true,
    checksumStart: 34,
    checksumOffset: 16,
    segmentation: Segmentation.TCP4,
    segmentSize: 1448,
  });
  frame.bytes.set(bytes);
  const lowering = new Lowering();
  const sink = new NullBackend();
  return (iterations) => {
    for (let i = 0; i < iterations; i++) lowering.send(frame, sink);
  };
}

const PLAIN = "plain copy of 64 KiB";
const short = sender(await machine([{}, {}]), SHORT, DEPTH);
const packed = sender(await machine([{ packed: true }, { packed: true }]), SHORT, DEPTH);
const direct = sender(await machine([{ indirect: false }, { indirect: false }]), SHORT, DEPTH);
const alone = sender(await machine([{}, {}]), SHORT, 1);
const long = sender(await machine([{}, { rxBuffer: 65664 }]), LONG, DEPTH, SEGMENTS);
const merged = sender(await machine([{}, { rxBuffer: 4096, queueSize: 256 }]), LONG, DEPTH, SEGMENTS);
const cut = sender(await machine([{}, { checksum: false, queueSize: 256 }]), LONG, 4, SEGMENTS);
const block = new Uint8Array(MIB).fill(7);

await suite("virtio-net", [
  { name: "1,500 bytes, 32 in flight", run: short, atMost: 25, heapAtMost: 8 },
  { name: "1,500 bytes, packed rings", run: packed, heapAtMost: 8 },
  { name: "1,500 bytes, no indirect tables", run: direct, heapAtMost: 8 },
  { name: "1,500 bytes, one at a time", run: alone },
  { name: "64 KiB not cut, one buffer each", run: long, against: PLAIN, atMost: 2 },
  { name: "64 KiB not cut, buffers of 4 KiB", run: merged, against: PLAIN },
  { name: "64 KiB cut by the device", run: cut, against: PLAIN },
  { name: "  cutting 64 KiB by itself", run: cutting(), against: PLAIN },
  {
    name: "  a checksum over 64 KiB",
    run(iterations) {
      for (let i = 0; i < iterations; i++) sum16(block, 0, LONG);
    },
    against: PLAIN,
  },
  { name: PLAIN, run: plainCopy() },
]);

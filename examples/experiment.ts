/**
 * An experiment: a machine reads its disk; then one descriptor in the ring gets an address that nobody mapped. What does
 * the device do, what does the bus see, and what does the driver learn?
 *
 *     deno run --allow-read examples/experiment.ts
 */

import type { BlockDriver } from "@iova/block";
import { formatAddress, formatRequester, loadMachine, type MachineEvent } from "../mod.ts";

const BAD_ADDRESS = 0xdead_beef_0000n;
/** Bytes in a descriptor of a virtqueue: the buffer's address in eight of them, its length in four more. */
const DESCRIPTOR = 16;
const QUEUE_SIZE = 128;
const SECTOR = 512;
const STATUS = ["done", "I/O error", "unsupported", "device gone"];

const events: MachineEvent[] = [];
const image = new URL("fat12.img", import.meta.url).pathname;
const machine = await loadMachine({
  memory: "16MiB",
  platform: "strict", // it hands out no address twice, and says what went wrong
  // Descriptors stand in the ring itself, not in tables that it points to.
  devices: [
    { id: "disk0", use: "virtio-blk", with: { image, readOnly: true, queueSize: QUEUE_SIZE, indirect: false } },
  ],
}, { listen: (event) => events.push({ ...event }) });
const disk = machine.driver<BlockDriver>("disk0");
const buffer = machine.guest.heap.require(SECTOR, "a sector", SECTOR);

// 1. As it should be.
const good = await machine.settle(disk.read(0, buffer, SECTOR));
const [boot0, , boot2] = machine.space.bytes(buffer, 3);
console.log(
  `A good read: ${STATUS[good]}; a FAT boot sector begins eb … 90: ${boot0.toString(16)} … ${boot2.toString(16)}`,
);

// 2. The driver puts the next request into the ring, but does not ring the bell yet.
const ended = new Promise<number>((resolve) => disk.onComplete = (_tag, status) => resolve(status));
disk.submit(0, 1, buffer, SECTOR, 7);

// 3. The descriptor of its data is the one as long as a sector. Its address becomes one that nobody mapped.
const ring = Number(events.find(({ type }) => type === "alloc-coherent")!.cpu);
const descriptors = machine.space.bytes(ring, QUEUE_SIZE * DESCRIPTOR);
const view = new DataView(descriptors.buffer, descriptors.byteOffset, descriptors.length);
let at = 0;
while (view.getUint32(at + 8, true) !== SECTOR) at += DESCRIPTOR;
const said = formatAddress(view.getBigUint64(at, true));
console.log(`Descriptor ${at / DESCRIPTOR} says ${said}; now it says ${formatAddress(BAD_ADDRESS)}`);
view.setBigUint64(at, BAD_ADDRESS, true);

// 4. The bell rings.
events.length = 0;
disk.kick();
const bad = await machine.settle(ended);

console.log("\nWhat the bus saw:");
for (const { type, device, access, address, status, requester, cause } of events) {
  if (type === "fault-record") {
    console.log(`  the bridge logged ${cause}: ${access} at ${address} by ${formatRequester(Number(requester))}`);
  }
  if (type === "fault") console.log(`  ${device} was answered "${status}" to its ${access} at ${address}`);
}
const kept = machine.space.bytes(buffer, 1)[0] === boot0;
console.log(`\nThe driver learned: ${STATUS[bad]}. Its buffer ${kept ? "holds what it held before" : "has changed"}.`);
machine.stop();

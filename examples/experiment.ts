/**
 * An experiment: a machine reads its disk; then one descriptor in the ring gets an address that nobody mapped. What does
 * the device do, what does the bus see, and what does the driver learn?
 *
 *     deno run --allow-read examples/experiment.ts
 */

import type { BlockDriver } from "@iova/block";
import { formatAddress, formatRequester, loadMachine, type MachineEvent } from "../mod.ts";

const BAD_ADDRESS = 0xdead_beef_0000n;
/** Bytes in a descriptor of a virtqueue; its first eight are the buffer's address. */
const DESCRIPTOR = 16;
const STATUS = ["done", "I/O error", "unsupported", "device gone"];

const events: MachineEvent[] = [];
const machine = await loadMachine(new URL("quickstart.json", import.meta.url), {
  platform: "strict", // it hands out no address twice, and says what went wrong
  listen: (event) => events.push({ ...event }),
});
const disk = machine.driver<BlockDriver>("disk0");
const buffer = machine.guest.heap.require(512, "a sector", 512);

// 1. As it should be.
const good = await machine.settle(disk.read(0, buffer, 512));
const [boot0, , boot2] = machine.space.bytes(buffer, 3);
console.log(
  `A good read: ${STATUS[good]}; a FAT boot sector begins eb … 90: ${boot0.toString(16)} … ${boot2.toString(16)}`,
);

// 2. The driver puts the next request into the ring, but does not ring the bell yet.
const ring = Number(events.find(({ type }) => type === "alloc-coherent")!.cpu);
const before = machine.space.bytes(ring, 4096).slice();
const ended = new Promise<number>((resolve) => disk.onComplete = (_tag, status) => resolve(status));
disk.submit(0, 1, buffer, 512, 7);

// 3. The descriptor that changed is the new one. Its address becomes one that nobody mapped.
const after = machine.space.bytes(ring, 4096);
const changed = after.findIndex((byte, i) => byte !== before[i]);
const at = changed - changed % DESCRIPTOR;
const descriptor = new DataView(after.buffer, after.byteOffset + at, DESCRIPTOR);
const said = formatAddress(descriptor.getBigUint64(0, true));
console.log(`Descriptor ${at / DESCRIPTOR} says ${said}; now it says ${formatAddress(BAD_ADDRESS)}`);
descriptor.setBigUint64(0, BAD_ADDRESS, true);

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

// Two machines in one process, on different platforms, joined by a hub of the process: what tcpdump once saw goes from one
// to the other, frame by frame, and back.
//
//   deno run --allow-read examples/two_machines.ts

import { type Driver, loadMachine, type Machine } from "../mod.ts";

/** As much of a network driver as is needed here; `@iova/net` has all of it. */
interface Nic extends Driver {
  onReceive: (frame: { length: number; copy(into: Uint8Array): void }) => void;
  transmit(buffer: number, length: number, tag: number): boolean;
  kick(): void;
  setPromiscuous(on: boolean): Promise<boolean>;
}

const capture = Deno.readFileSync(new URL("lan.pcap", import.meta.url));

/** The packets of a little-endian pcap file. */
function* packets(file: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(file.buffer);
  for (let at = 24; at < file.length; at += 16 + view.getUint32(at + 8, true)) {
    yield file.subarray(at + 16, at + 16 + view.getUint32(at + 8, true));
  }
}

async function machine(platform: string): Promise<Machine> {
  const nic = { id: "nic0", use: "virtio-net", with: { net: "shared-hub", hub: "between two machines" } };
  const made = await loadMachine({ memory: "32MiB", platform, devices: [nic] });
  await made.settle(made.driver<Nic>("nic0").setPromiscuous(true));
  return made;
}

/** Sends every packet from one machine to the other; how many came out as they went in. */
function across(from: Machine, to: Machine): number {
  const [sender, receiver] = [from.driver<Nic>("nic0"), to.driver<Nic>("nic0")];
  const buffer = from.guest.heap.require(2048, "a frame", 64);
  let same = 0;
  for (const packet of packets(capture)) {
    receiver.onReceive = (frame) => {
      const bytes = new Uint8Array(frame.length);
      frame.copy(bytes);
      if (bytes.every((byte, i) => byte === packet[i]) && bytes.length === packet.length) same++;
    };
    from.guest.memory.bytes(buffer, packet.length).set(packet);
    sender.transmit(buffer, packet.length, 0);
    sender.kick();
    // Each machine has its own time and its own work: first one lets go of the frame, then the other one sees it.
    from.scheduler.settle();
    to.scheduler.settle();
  }
  from.guest.heap.free(buffer);
  return same;
}

const left = await machine("amd-iommu");
const right = await machine("xen-grant");
const [there, back] = [across(left, right), across(right, left)];
console.log(`${there} frames from an AMD IOMMU to Xen grants, ${back} back`);
for (const each of [left, right]) each.stop();
if (there !== back || there !== [...packets(capture)].length) Deno.exit(1);

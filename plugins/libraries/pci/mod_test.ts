import { assertEquals } from "@std/assert";
import { API_VERSION, Bridge, Bus, IoSpace, type MachineServices, MemoryTarget, SimulatedGuest } from "@iova/core";
import pci, { pciBus, pciGuest } from "./mod.ts";
import { pciWorld } from "./testing.ts";

Deno.test("the plugin makes the root a PCI bus, puts bridges on it and enumerates when the machine starts", () => {
  const { context, interrupts, scheduler, space } = pciWorld();
  const io = new IoSpace();
  const root = new Bus("root", new Bridge(new MemoryTarget(space)), null, context);
  const guest = new SimulatedGuest({ space, io, scheduler, interrupts, hardware: context.hardware }, 0x1000);
  assertEquals([pci.name, pci.kind, pci.api], ["pci", "bus", API_VERSION]);
  const model = pci.create({ space, io, interrupts, warn() {} } as unknown as MachineServices, root, {});
  const below = model.bridge(root, "bridge0", "02.0");
  assertEquals([below.name, below.parent, pciBus(below).bridge?.place], ["bridge0", root, 0x10]);
  const card = pciBus(below).addFunction({ id: "card", vendor: 1, device: 2, classCode: 0 });
  model.start!(guest);
  assertEquals([card.port.requester, pciGuest(guest).function(0x0100).device], [0x0100, 2]);
});

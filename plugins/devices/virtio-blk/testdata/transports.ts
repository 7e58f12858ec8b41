/** A block device behind any transport, with nothing but its registers between it and a hostile driver. */

import { type PciWorld, pciWorld } from "@iova/pci/testing";
import { plugVirtio, VirtioDevice, VirtioMmioDevice, type VirtioOptions, type VirtioPlug } from "@iova/virtio";
import { BlockModel } from "../device.ts";
import { BlockConfig } from "../layout.ts";
import { TestDisk } from "./world.ts";

/** How the device is reached. */
export type TransportName = "modern" | "transitional" | "legacy" | "mmio" | "mmio-legacy";

export const TRANSPORTS: readonly TransportName[] = ["modern", "transitional", "legacy", "mmio", "mmio-legacy"];

export interface TransportWorld extends PciWorld {
  readonly name: TransportName;
  readonly model: BlockModel;
  readonly plug: VirtioPlug;
  readonly disk: TestDisk;
}

/** Where the MMIO slot is, and its interrupt line. */
export const SLOT = 0xfeb0_0000;
export const LINE = 24;

export function transportWorld(
  name: TransportName,
  options: Partial<VirtioOptions> & { queues?: number; queueSize?: number; latency?: number } = {},
): TransportWorld {
  const world = pciWorld(0x200000);
  const { root, scheduler, events, interrupts, space } = world;
  const disk = new TestDisk();
  let model!: BlockModel;
  const spec = {
    type: 2,
    classCode: 0x010000,
    vectors: 3,
    transport: name === "mmio" ? "modern" as const : name === "mmio-legacy" ? "legacy" as const : name,
    configSize: BlockConfig.size,
    make(port: VirtioPlug["port"]) {
      const queueSize = options.queueSize ?? 8;
      const given = { ...options, id: "disk0", port, backend: disk, queueSize, serial: "", events, scheduler };
      const { transport } = spec;
      model = new BlockModel({ ...given, transport, secureErase: true });
      return model.device = new VirtioDevice({ ...options, transport, id: "disk0", port, scheduler, events, model });
    },
  };
  let plug: VirtioPlug;
  if (name.startsWith("mmio")) {
    const port = root.attach("disk0", 8);
    const drive = (asserted: boolean) => interrupts.drive(LINE, asserted);
    const device = new VirtioMmioDevice(spec, { port, drive, remove: () => root.detach(port) });
    space.addRegisters(SLOT, 0x200, "slot", device);
    plug = device;
  } else {
    plug = plugVirtio({ id: "disk0", bus: root }, spec);
    world.pci.enumerate();
    world.pci.function(8).enableBusMaster();
  }
  return { ...world, name, model, plug, disk };
}

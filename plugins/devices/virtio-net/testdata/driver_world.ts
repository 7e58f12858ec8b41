/** A driver over the device of {@linkcode netWorld}, on identity mappings that may be scarce. */

import { type DmaStats, dmaStats, EventStream, type PhysAddr, Random } from "@iova/core";
import type { ReceivedFrame } from "@iova/net";
import { ScarceOps } from "@iova/pci/testing";
import { VirtioPciTransport } from "@iova/virtio";
import { VirtioNetDriver } from "../driver.ts";
import type { NetDriverOptions } from "../driver_options.ts";
import { type NetWorld, netWorld, type NetWorldOptions } from "./world.ts";

export interface DriverWorld {
  w: NetWorld;
  nic: VirtioNetDriver;
  dma: ScarceOps;
  stats: DmaStats;
  warnings: string[];
  /** A buffer of 128 KiB. */
  buffer: PhysAddr;
  /** Tags of frames that have gone, in that order. */
  gone: number[];
  /** Copies of the frames that came. */
  came: Uint8Array[];
}

export interface DriverWorldOptions {
  driver?: Partial<NetDriverOptions>;
  device?: NetWorldOptions;
  /** The largest mapping. */
  largest?: number;
  /** Mappings that there are. */
  mappings?: number;
}

export async function driverWorld(options: DriverWorldOptions = {}): Promise<DriverWorld> {
  const w = netWorld({ queueSize: 16, ...options.device, start: false });
  const buffer = w.guest.heap.require(0x20000, "frames", 4096);
  const made = await makeDriver(w, options);
  return { w, buffer, ...made };
}

/** A driver for a world's device. */
export async function makeDriver(w: NetWorld, options: DriverWorldOptions): Promise<Omit<DriverWorld, "w" | "buffer">> {
  const { guest } = w;
  const { requester } = w.device.port;
  const stats = dmaStats();
  const warnings: string[] = [];
  const warn = (id: string, message: string) => void warnings.push(`${id}: ${message}`);
  const events = new EventStream(() => 0);
  const dma = new ScarceOps({ guest, device: { id: "nic0", requester }, stats, upstream: null, events, warn });
  dma.largest = options.largest ?? Number.MAX_SAFE_INTEGER;
  dma.left = options.mappings ?? Infinity;
  const context = { id: "nic0", guest, dma, requester, random: new Random(1), events, warn };
  const made = VirtioNetDriver.create(new VirtioPciTransport({ guest, requester }), context, {
    queueSize: 16,
    pairs: 1,
    rxBuffer: 2048,
    driverAddressing: "dma-api",
    requestMemory: "coherent",
    controlBuffers: "heap",
    scatterlists: "none",
    indirect: true,
    eventIndex: true,
    ...options.driver,
  });
  const nic = await w.scheduler.run(made);
  const gone: number[] = [];
  const came: Uint8Array[] = [];
  nic.onTransmitted = (tag) => gone.push(tag);
  nic.onReceive = (frame: ReceivedFrame) => {
    const bytes = new Uint8Array(frame.length);
    frame.copy(bytes);
    came.push(bytes);
  };
  return { nic, dma, stats, warnings, gone, came };
}

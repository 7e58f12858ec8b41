/** A block device on a PCI bus with a mock driver, laid out as the conformance cases of virtio have it. */

import type { BlockBackend } from "@iova/block";
import type { FaultRecord } from "@iova/core";
import { fromHex, toHex } from "@iova/fields/testing";
import { identityPages, type PciWorld, pciWorld } from "@iova/pci/testing";
import { type RingFeatures, VirtioDevice, VirtioPciFunction } from "@iova/virtio";
import { MockDriver, MockRing } from "@iova/virtio/testing";
import { BlockModel } from "../device.ts";
import type { BlockTraits } from "../device_config.ts";

/** Where header, data and status are. */
export const HDR = 0x100000;
export const DATA = 0x110000;
export const ST = 0x120000;
/** Nothing answers there. */
export const HOLE = 0x4000_0000n;
export const SECTORS = 2048;

/** Features that the mock driver accepts unless told otherwise: VERSION_1, ACCESS_PLATFORM, INDIRECT_DESC, FLUSH. */
export const FEATURES = [32, 33, 28, 9];
export const EVENT_IDX = 29;

/** A medium in memory that can be told to fail. Sector n begins with n, little-endian. */
export class TestDisk implements BlockBackend {
  size = SECTORS * 512;
  readonly bytes = new Uint8Array(this.size);
  readOnly = false;
  resized = 0;
  flushes = 0;
  failing = false;

  constructor() {
    const view = new DataView(this.bytes.buffer);
    for (let n = 0; n < SECTORS; n++) view.setUint32(n * 512, n, true);
  }

  read(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.failing) return false;
    bytes.set(this.bytes.subarray(position, position + length), offset);
    return true;
  }

  write(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.failing) return false;
    this.bytes.set(bytes.subarray(offset, offset + length), position);
    return true;
  }

  resize(size: number): boolean {
    if (this.failing || size > this.bytes.length) return false;
    this.size = size;
    this.resized++;
    return true;
  }

  flush(): boolean {
    this.flushes++;
    return !this.failing;
  }

  close(): void {}
}

export interface BlkWorld extends PciWorld {
  disk: TestDisk;
  model: BlockModel;
  device: VirtioDevice;
  driver: MockDriver;
  ring: MockRing;
  faults: FaultRecord[];
  /** Pages (bus address >> 12) that the platform's translator does not know; others are identity. */
  unmapped: Set<number>;
  /** Pages that are pending until the translator is told otherwise. */
  pending: Set<number>;
  /** Tells the machine that pending pages may have an answer. */
  resume(): void;
  /** Kicks, and lets the machine run until it is idle. */
  go(): void;
  hex(address: number, length: number): string;
  put(address: number, hex: string): void;
}

export interface BlkWorldOptions extends Omit<BlockTraits, "queueSize"> {
  personality?: "spec" | "qemu";
  latency?: number;
  size?: number;
  queueSize?: number;
  features?: number[];
  serial?: string;
  interrupts?: boolean;
  vectors?: number;
  accessPlatform?: boolean;
  /** What the device offers of its rings. */
  rings?: RingFeatures;
  translated?: boolean;
  start?: boolean;
}

export function blkWorld(options: BlkWorldOptions = {}): BlkWorld {
  const { size = 16, queueSize = 128, features = FEATURES, serial = "" } = options;
  const world = pciWorld(0x200000);
  const { root, guest, pci, space, scheduler, events } = world;
  const disk = new TestDisk();
  const { unmapped, pending, faults, resume } = identityPages(world, options.translated === true);
  let model!: BlockModel;
  const { fn, device } = new VirtioPciFunction({
    id: "disk0",
    bus: root,
    type: 2,
    classCode: 0x010000,
    vectors: options.vectors ?? 2,
    make(port) {
      model = new BlockModel({ ...options, id: "disk0", port, backend: disk, queueSize, serial, events, scheduler });
      const { accessPlatform = true } = options;
      const { personality } = options;
      const given = { ...options.rings, ...(personality && { personality }), accessPlatform };
      return model.device = new VirtioDevice({ ...given, id: "disk0", port, scheduler, events, model });
    },
  });
  pci.enumerate();
  const ring = new MockRing(space, { size, base: 0x130000 });
  const { interrupts = true } = options;
  const driver = new MockDriver({ guest, requester: fn.port.requester, ring, features, interrupts });
  space.bytes(ST, 1)[0] = 0xff;
  if (options.start !== false) driver.start();
  return {
    ...world,
    disk,
    model,
    device,
    driver,
    ring,
    faults,
    unmapped,
    pending,
    resume,
    go() {
      driver.kick();
      scheduler.settle();
    },
    hex: (address, length) => toHex(space.bytes(address, length)),
    put: (address, hex) => space.bytes(address, hex.replaceAll(" ", "").length / 2).set(fromHex(hex)),
  };
}

/** Header bytes in hexadecimal. */
export function header(type: number, sector: bigint | number = 0): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return toHex(bytes);
}

/** Writes a header and offers a chain of header, `length` bytes of data (unless 0) and status. */
export function request(world: BlkWorld, type: number, sector: bigint | number, length: number, first = 0): void {
  world.put(HDR, header(type, sector));
  const data = { addr: BigInt(DATA), len: length, flags: type === 1 ? 0 : 2 };
  world.ring.chain(first, [
    { addr: BigInt(HDR), len: 16 },
    ...(length > 0 ? [data] : []),
    { addr: BigInt(ST), len: 1, flags: 2 },
  ]);
}

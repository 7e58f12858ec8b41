/**
 * What a conformance case stands on: a world with one device behind the platform, buffers, and hands for both sides.
 *
 * @module
 */

import { type DmaAddr, formatAddress, type PhysAddr } from "./address.ts";
import type { BusPort } from "./bus.ts";
import { BusStatus } from "./bus_translator.ts";
import { Direction, dmaBitMask, type DmaOps, type DmaStats } from "./dma_ops.ts";
import type { PlatformWorld, TestDevice, TestWorld } from "./testing_world.ts";

/** What every platform has to do, or to be excused from by name. */
export interface PlatformCase {
  /** Short and stable: opt-outs use it. */
  readonly id: string;
  /** What is true when the case passes. */
  readonly name: string;
  /** Runs it in a world of its own; throws when it fails. */
  run(at: CaseWorld): void;
}

/** What untouched memory around buffers is filled with. */
export const FOREIGN_BYTE = 0x5a;

/** Buffers of the cases lie here, below the guest's heap. */
const BUFFERS: PhysAddr = 0x1_0000;
const BUFFER_BYTES = 0x8_0000;

/** One device behind the platform under test. */
export class CaseWorld {
  /** The world. */
  readonly world: TestWorld;
  /** The operations of the device's driver. */
  readonly dma: DmaOps;
  /** The device's way onto the bus. */
  readonly port: BusPort;
  /** What `dma` counts. */
  readonly stats: DmaStats;
  /** Both of them, and their context. */
  readonly device: TestDevice;
  #next = BUFFERS;

  /** A device in a fresh world. Its mask is 64 bits, or 32 where the platform refuses that, as drivers ask. */
  constructor(readonly platform: PlatformWorld) {
    this.world = platform.world;
    this.device = platform.device();
    this.dma = this.device.dma;
    this.port = this.device.port;
    this.stats = this.device.stats;
    this.world.bytes(BUFFERS, BUFFER_BYTES).fill(FOREIGN_BYTE);
    widestMask(this.dma);
  }

  /** A second function with operations of its own. */
  another(): TestDevice {
    const other = this.platform.device("other", 16);
    widestMask(other.dma);
    return other;
  }

  /** A buffer of `size` bytes, with {@linkcode FOREIGN_BYTE}s around it, starting `offset` bytes into a page. */
  buffer(size: number, offset = 0): PhysAddr {
    const cpu = this.#next + offset;
    this.#next = Math.ceil((cpu + size + 64) / 4096) * 4096;
    if (this.#next > BUFFERS + BUFFER_BYTES) throw new Error("the case needs more buffers than there are");
    return cpu;
  }

  /** A buffer that holds `bytes`. */
  holding(bytes: Uint8Array, offset = 0): PhysAddr {
    const cpu = this.buffer(bytes.length, offset);
    this.world.bytes(cpu, bytes.length).set(bytes);
    return cpu;
  }

  /** What the CPU sees: a copy. */
  cpuSees(cpu: PhysAddr, length: number): Uint8Array {
    return this.world.bytes(cpu, length).slice();
  }

  /** The CPU stores `bytes`. */
  cpuWrites(cpu: PhysAddr, bytes: Uint8Array): void {
    this.world.bytes(cpu, bytes.length).set(bytes);
  }

  /** Maps, and insists on success. */
  map(cpu: PhysAddr, size: number, direction: Direction, dma = this.dma): DmaAddr {
    const handle = dma.mapSingle(cpu, size, direction);
    if (dma.mappingError(handle) !== 0) throw new Error(`mapping ${size} bytes at ${formatAddress(cpu)} failed`);
    return handle;
  }

  /** What the device reads, which must succeed. */
  deviceReads(address: DmaAddr, length: number, port = this.port): Uint8Array {
    const bytes = new Uint8Array(length);
    expectStatus(port.read(address, bytes), `the device's read of ${length} bytes at ${formatAddress(address)}`);
    return bytes;
  }

  /** The device writes, which must succeed. */
  deviceWrites(address: DmaAddr, bytes: Uint8Array, port = this.port): void {
    expectStatus(
      port.write(address, bytes),
      `the device's write of ${bytes.length} bytes at ${formatAddress(address)}`,
    );
  }

  /** The bytes around a buffer are what they were. */
  expectUntouchedAround(cpu: PhysAddr, size: number): void {
    for (const address of [cpu - 1, cpu - 16, cpu + size, cpu + size + 15]) {
      if (address < BUFFERS) continue;
      const [byte] = this.world.bytes(address, 1);
      if (byte !== FOREIGN_BYTE) throw new Error(`the byte at ${formatAddress(address)}, outside the buffer, changed`);
    }
  }

  /** Nothing is mapped that was not given back, as far as the counters know. */
  expectBalance(): void {
    const { maps, unmaps } = this.stats;
    if (maps !== unmaps) throw new Error(`${maps} maps but ${unmaps} unmaps`);
  }
}

function widestMask(dma: DmaOps): void {
  if (dma.setMaskAndCoherent(dmaBitMask(64)) !== 0) dma.setMaskAndCoherent(dmaBitMask(32));
}

/** Bytes that differ from each other and from {@linkcode FOREIGN_BYTE}'s neighbours; another `start`, other bytes. */
export function pattern(length: number, start = 1): Uint8Array {
  return new Uint8Array(length).map((_, i) => (start * 37 + i * 7 + (i >> 8) * 13) & 0xff);
}

/** `length` times the same byte. */
export function repeated(byte: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

/** Compares bytes and names the first that differs. */
export function expectBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  if (found.length !== expected.length) throw new Error(`${what}: ${found.length} bytes, not ${expected.length}`);
  for (let i = 0; i < found.length; i++) {
    if (found[i] === expected[i]) continue;
    throw new Error(`${what}: byte ${i} of ${found.length} is ${hex(found[i])}, expected ${hex(expected[i])}`);
  }
}

/** The status must be `OK`. */
export function expectStatus(status: BusStatus, what: string): void {
  if (status !== BusStatus.OK) throw new Error(`${what} ended with ${STATUS_NAMES[status]}`);
}

/** The status must be a refusal. */
export function expectRefused(status: BusStatus, what: string): void {
  if (status !== BusStatus.UNSUPPORTED_REQUEST && status !== BusStatus.COMPLETER_ABORT) {
    throw new Error(`${what} ended with ${STATUS_NAMES[status]}`);
  }
}

const STATUS_NAMES = ["success", "unsupported request", "completer abort", "pending"] as const;

function hex(byte: number): string {
  return "0x" + byte.toString(16).padStart(2, "0");
}

/** The three directions, with their names. */
export const DIRECTIONS: readonly Direction[] = [
  Direction.TO_DEVICE,
  Direction.FROM_DEVICE,
  Direction.BIDIRECTIONAL,
];

/**
 * The machine of the numbered cases: bridge 0, LIOBN 0x8000_0000, window 0 … 0x3fff_ffff of 4 KiB pages, memory 8 GiB
 * from 0, 4 KiB guest pages, CPU 0. A little of the memory is there to be touched.
 *
 * @module
 */

import { Access, BusStatus, HypercallRegisters, Transaction, Translation } from "@iova/core";
import { type PlatformWorld, type TestDevice, testPlatform } from "@iova/core/testing";
import { toHex } from "@iova/fields/testing";
import type { GuestPhb } from "../guest.ts";
import type { Phb } from "../hardware.ts";
import { HCALL_ARGUMENTS } from "../layout.ts";
import platform from "../mod.ts";
import type { PseriesPlatform } from "../platform.ts";

/** Memory that is there: the first 16 MiB, 64 KiB around the buffer of the first cases, and the last MiB. */
const RAM = [[0, 0x100_0000], [0x1234_0000, 0x1_0000], [0x1_fff0_0000, 0x10_0000]] as const;

/** The first window. */
export const LIOBN = 0x8000_0000n;

/** One hypercall that a guest made. */
export interface RecordedCall {
  /** Its number. */
  number: number;
  /** r4 to r7 on entry, sixteen digits each. */
  registers: string[];
  /** The first entries of the list page, in hexadecimal; empty for other calls. */
  list: string[];
  status: number;
}

/** The fixture. */
export class TceWorld {
  readonly world: PlatformWorld;
  readonly device: TestDevice;
  readonly phb: Phb;
  readonly guest: GuestPhb;
  /** Hypercalls since the machine was made, those of the boot left out. */
  readonly calls: RecordedCall[] = [];
  readonly #registers = new HypercallRegisters();

  /** A machine with these options of the platform. */
  constructor(options: Record<string, unknown> = {}) {
    this.world = testPlatform(platform, { ram: RAM, with: { partition: "8GiB", ...options } });
    this.device = this.world.device();
    const made = this.world.platform as PseriesPlatform;
    this.phb = made.phb;
    this.guest = made.guest!;
    this.#record();
  }

  /** Entry `index` of window number `slot`, as bytes in hexadecimal. */
  entry(index: number, slot = 0): string {
    return toHex(this.phb.windows[slot]!.table.bytes(index));
  }

  /** Makes a hypercall by hand. */
  hcall(number: number, ...args: (bigint | number)[]): number {
    args.forEach((value, i) => this.#registers.set(i, BigInt.asUintN(64, BigInt(value))));
    return this.world.world.guest.hypercall(number, this.#registers);
  }

  /** r4 after the last call by hand. */
  get r4(): bigint {
    return this.#registers.get(0);
  }

  /** Writes big-endian entries to a page of guest memory. */
  writeList(address: number, ...entries: bigint[]): void {
    const bytes = this.world.world.bytes(address, entries.length * 8);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    entries.forEach((entry, i) => view.setBigUint64(i * 8, entry));
  }

  /** The device's accesses. */
  reads(address: bigint, length = 4): BusStatus {
    return this.device.port.read(address, new Uint8Array(length));
  }
  writes(address: bigint, length = 4): BusStatus {
    return this.device.port.write(address, new Uint8Array(length).fill(0xa5));
  }

  /** Where the bridge sends a read. */
  translate(address: bigint): bigint | null {
    const tx = new Transaction();
    const out = new Translation();
    tx.hi = Number(BigInt.asIntN(32, address >> 32n));
    tx.lo = Number(BigInt.asIntN(32, address));
    tx.length = 1;
    tx.access = Access.READ;
    if (this.phb.translate(tx, out) !== BusStatus.OK) return null;
    const mask = (1n << BigInt(out.shift)) - 1n;
    const frame = BigInt.asUintN(64, BigInt(out.hi) << 32n | BigInt(out.lo >>> 0));
    return frame & ~mask | address & mask;
  }

  /** The recorded calls in short: number and arguments. */
  get log(): [number, ...bigint[]][] {
    return this.calls.map(({ number, registers }) => [
      number,
      ...registers.slice(0, HCALL_ARGUMENTS[number]).map((register) => BigInt("0x" + register)),
    ]);
  }

  #record(): void {
    const { guest } = this.world.world;
    const original = guest.hypercall.bind(guest);
    guest.hypercall = (number, r) => {
      const registers = [0, 1, 2, 3].map((i) => r.get(i).toString(16).padStart(16, "0"));
      const list = number === 0x13c ? this.#list(Number(r.get(2)), Number(r.get(3))) : [];
      const status = original(number, r);
      this.calls.push({ number, registers, list, status });
      return status;
    };
  }

  #list(address: number, count: number): string[] {
    const region = this.world.world.space.ram(address);
    if (region === null || count > 512) return [];
    return Array.from({ length: count }, (_, i) => toHex(this.world.world.bytes(address + i * 8, 8)));
  }
}

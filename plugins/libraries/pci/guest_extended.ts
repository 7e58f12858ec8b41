/**
 * The part of configuration space behind the first 256 bytes: reached through memory where the chipset offers it.
 *
 * @module
 */

import { type GuestPort, type PhysAddr, TWO32, type Width } from "@iova/core";
import { GuestConfig } from "./guest_config.ts";
import { CONFIG_SIZE, ExtendedCapabilityHeader, Header0 } from "./layout.ts";

/** Where a host bridge says that configuration space is in memory, as kernels know their chipsets. */
interface WindowRegister {
  /** Vendor and device id. */
  readonly id: number;
  /** Offset of the 64-bit register. */
  readonly at: number;
  /** log2 of the window's size, by the length code in bits 2:1. */
  readonly sizes: readonly number[];
}

/** Intel Q35 (316966 §5.1.15): PCIEXBAR. */
const CHIPSETS: readonly WindowRegister[] = [{ id: 0x29c0_8086, at: 0x60, sizes: [28, 27, 26] }];
/** More capabilities than this do not fit 4 KiB: a list that goes on is a loop. */
const MOST_CAPABILITIES = (4096 - CONFIG_SIZE) / 4;

/** Configuration space of every function as memory. Offsets are bytes below 4096, values little-endian and unsigned. */
export class ExtendedConfig {
  readonly #guest: GuestPort;

  /** Use {@linkcode extendedConfig}. */
  constructor(guest: GuestPort, readonly base: PhysAddr, readonly buses: number) {
    this.#guest = guest;
  }

  /** Reads a register; all ones where no function answers, and for a bus that the window does not hold. */
  read(requester: number, offset: number, width: Width): number {
    if (requester >>> 8 >= this.buses) return -1 >>> (32 - 8 * width);
    return this.#guest.read(this.base + requester * 4096 + offset, width);
  }

  /** Writes a register. */
  write(requester: number, offset: number, width: Width, value: number): void {
    if (requester >>> 8 < this.buses) this.#guest.write(this.base + requester * 4096 + offset, width, value);
  }

  /** Offset of the extended capability with this id, or 0. A loop ends. */
  findCapability(requester: number, id: number): number {
    const { mask, shift } = ExtendedCapabilityHeader;
    let at = CONFIG_SIZE;
    for (let i = 0; i < MOST_CAPABILITIES && at >= CONFIG_SIZE; i++) {
      const header = this.read(requester, at, 4);
      // Nobody there, or no capability at all.
      if (header === 0xffff_ffff || header === 0) return 0;
      if ((header & mask.id) === id) return at;
      at = (header & mask.next) >>> shift.next & ~3;
    }
    return 0;
  }
}

/** Configuration space in memory; null where no chipset that is known offers it, or none has it on. */
export function extendedConfig(guest: GuestPort): ExtendedConfig | null {
  const config = new GuestConfig(guest);
  const id = config.read(0, Header0.at.vendor, 4);
  const chipset = CHIPSETS.find((one) => one.id === id);
  if (chipset === undefined) return null;
  const low = config.read(0, chipset.at, 4);
  const size = chipset.sizes[low >>> 1 & 3];
  if ((low & 1) === 0 || size === undefined) return null;
  const base = config.read(0, chipset.at + 4, 4) * TWO32 + ((low & -1 << size) >>> 0);
  return new ExtendedConfig(guest, base, 2 ** (size - 20));
}

/**
 * What QEMU's `pc` machine is made of, as far as software sees it: functions on its root bus with their registers at
 * power-on, and the places that hardware and firmware agree on. Measured on QEMU 7.2; sources of the registers: Intel
 * 440FX (290549), 82371SB PIIX3 (290550), 82371AB PIIX4 (290562).
 *
 * @module
 */

import type { MemorySplit } from "@iova/chipset";

const GIB = 1024 ** 3;

/** From this much RAM on, low memory ends at 3 GiB; less lies in one piece. */
export const SPLIT: MemorySplit = { from: 3.5 * GIB, at: 3 * GIB };

/** The host bridge, 82441FX. */
export const HOST_BRIDGE = {
  name: "the host bridge",
  at: "00.0",
  vendor: 0x8086,
  device: 0x1237,
  revision: 2,
  classCode: 0x060000,
  // SMRAM: closed.
  registers: { 0x72: 0x02 },
} as const;
/** A register that the data sheet does not have: RAM below 4 GiB, in units of 8 MiB, for firmware of old. */
export const COREBOOT_RAM = 0x57;

/** The ISA bridge, PIIX3. */
export const ISA_BRIDGE = {
  name: "the ISA bridge",
  at: "01.0",
  vendor: 0x8086,
  device: 0x7000,
  classCode: 0x060100,
  status: 0x0200,
  headerType: 0x80,
  registers: {
    0x4c: 0x4d,
    0x4e: 0x03,
    0x60: 0x80,
    0x61: 0x80,
    0x62: 0x80,
    0x63: 0x80,
    0x69: 0x02,
    0x70: 0x80,
    0x76: 0x0c,
    0x77: 0x0c,
    0x78: 0x02,
    0xa0: 0x08,
    0xa8: 0x0f,
  },
} as const;
/** The ISA bridge's route registers for PIRQA to PIRQD. */
export const PIRQ_ROUTES: readonly number[] = [0x60, 0x61, 0x62, 0x63];
/** The ISA bridge's requester id. */
export const ISA_BRIDGE_ID = 0x0008;

/** The input of the router for a pin (1 to 4) as it arrives on the root bus: INTA of device 1 is PIRQA. */
export function pirqOf(pin: number): number {
  return (pin + 2) % 4;
}

/** Where the IDE function goes: its class code and its place. */
export const IDE_HOME = { 0x010180: "01.1" } as const;

/** Power management, PIIX4. */
export const POWER = {
  name: "power management",
  at: "01.3",
  vendor: 0x8086,
  device: 0x7113,
  revision: 3,
  classCode: 0x068000,
  status: 0x0280,
  interruptPin: 1,
  registers: { 0x40: 0x01, 0x5f: 0x10, 0x63: 0x60, 0x90: 0x01, 0x91: 0xb1, 0xd2: 0x09 },
} as const;

/** The lines that firmware routes PIRQA to PIRQD to. */
export const PIRQ_LINES: readonly number[] = [10, 10, 11, 11];
/** What firmware writes to the edge/level control registers: lines 10 and 11 are levels. */
export const ELCR_LEVELS = 0x0c00;
/** Bus addresses that firmware gives to memory BARs, and ports that it gives to I/O BARs. */
export const PCI_WINDOW = {
  memory: { first: 0xe000_0000, end: 0xfec0_0000 },
  io: { first: 0xc000, end: 0x10000 },
} as const;

/**
 * What a PC's chipset and its software share: the places of its parts, and the structures that they exchange. Sources:
 * Intel 8259A, 8254, 82093AA (I/O APIC), MC146818A, 82371SB (PIIX3); QEMU, docs/specs/fw_cfg.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** I/O ports of a PC's parts: the first of each. */
export const Port = {
  PIC_MASTER: 0x20,
  PIT: 0x40,
  SPEAKER: 0x61,
  RTC: 0x70,
  POST: 0x80,
  SYSTEM_CONTROL: 0x92,
  PIC_SLAVE: 0xa0,
  ELCR: 0x4d0,
  FW_CFG: 0x510,
  FW_CFG_DMA: 0x514,
  RESET_CONTROL: 0xcf9,
} as const;

/** Where the I/O APIC's registers are. */
export const IO_APIC_BASE = 0xfec0_0000;
/** Inputs of an I/O APIC. */
export const IO_APIC_PINS = 24;
/** Offsets of its registers: which one is meant, and its value. */
export const IoApicRegister = { SELECT: 0x00, WINDOW: 0x10 } as const;

/** An entry of the I/O APIC's redirection table. */
export const IoApicRedirection: Struct<{
  vector: number;
  deliveryMode: number;
  logical: number;
  deliveryStatus: number;
  activeLow: number;
  remoteIrr: number;
  level: number;
  mask: number;
  destination: number;
}> = defineStruct({
  name: "io_apic_redirection",
  source: "82093AA §3.2.4",
  size: 8,
  endian: "little",
  fields: [
    { name: "vector", bits: [7, 0], writtenBy: "guest", readBy: "I/O APIC", doc: "Interrupt vector." },
    { name: "deliveryMode", bits: [10, 8], writtenBy: "guest", readBy: "I/O APIC", doc: "0 fixed, 7 ExtINT." },
    { name: "logical", bits: [11, 11], writtenBy: "guest", readBy: "I/O APIC", doc: "Destination is logical." },
    { name: "deliveryStatus", bits: [12, 12], writtenBy: "I/O APIC", readBy: "guest", doc: "1: being sent." },
    { name: "activeLow", bits: [13, 13], writtenBy: "guest", readBy: "I/O APIC", doc: "Polarity." },
    { name: "remoteIrr", bits: [14, 14], writtenBy: "I/O APIC", readBy: "guest", doc: "Level taken, not yet ended." },
    { name: "level", bits: [15, 15], writtenBy: "guest", readBy: "I/O APIC", doc: "Trigger mode." },
    { name: "mask", bits: [16, 16], writtenBy: "guest", readBy: "I/O APIC", doc: "1: not sent." },
    { bits: [55, 17], reserved: true },
    { name: "destination", bits: [63, 56], writtenBy: "guest", readBy: "I/O APIC", doc: "Whom it reaches." },
  ],
});

/** Keys of firmware configuration items. */
export const FwCfgKey = {
  SIGNATURE: 0x00,
  ID: 0x01,
  UUID: 0x02,
  RAM_SIZE: 0x03,
  NOGRAPHIC: 0x04,
  CPUS: 0x05,
  NUMA: 0x0d,
  BOOT_MENU: 0x0e,
  MAX_CPUS: 0x0f,
  FILE_DIR: 0x19,
  FIRST_FILE: 0x20,
  IRQ0_OVERRIDE: 0x8002,
} as const;

/** Bits of the item {@linkcode FwCfgKey.ID}. */
export const FwCfgFeature = { PORTS: 1, DMA: 2 } as const;
/** What the DMA register reads: the text "QEMU CFG", first letter in the highest byte. */
export const FW_CFG_DMA_SIGNATURE: readonly [hi: number, lo: number] = [0x51454d55, 0x20434647];

/** An entry of the file directory, behind its 32-bit big-endian count. The name, 56 bytes ended by zero, follows. */
export const FwCfgFile: Struct<{ size: number; select: number }> = defineStruct({
  name: "fw_cfg_file",
  source: "QEMU, docs/specs/fw_cfg, file directory",
  size: 8,
  endian: "big",
  fields: [
    { name: "size", at: 0, bytes: 4, writtenBy: "machine", readBy: "firmware", doc: "Bytes." },
    { name: "select", at: 4, bytes: 2, writtenBy: "machine", readBy: "firmware", doc: "Its key." },
    { at: 6, bytes: 2, reserved: true },
  ],
});
/** Bytes of a file's name in the directory. */
export const FW_CFG_NAME_BYTES = 56;

/** What the DMA interface is told in memory. */
export const FwCfgDmaAccess: Struct<{
  select: number;
  write: number;
  selects: number;
  skip: number;
  read: number;
  error: number;
  length: number;
  address: bigint;
}> = defineStruct({
  name: "fw_cfg_dma_access",
  source: "QEMU, docs/specs/fw_cfg, DMA interface",
  size: 16,
  endian: "big",
  fields: [
    { name: "select", at: 0, bytes: 4, bits: [31, 16], writtenBy: "firmware", readBy: "machine", doc: "A key." },
    { at: 0, bytes: 4, bits: [15, 5], reserved: true },
    { name: "write", at: 0, bytes: 4, bits: [4, 4], writtenBy: "firmware", readBy: "machine", doc: "Memory to item." },
    { name: "selects", at: 0, bytes: 4, bits: [3, 3], writtenBy: "firmware", readBy: "machine", doc: "Use the key." },
    { name: "skip", at: 0, bytes: 4, bits: [2, 2], writtenBy: "firmware", readBy: "machine", doc: "Pass bytes over." },
    { name: "read", at: 0, bytes: 4, bits: [1, 1], writtenBy: "firmware", readBy: "machine", doc: "Item to memory." },
    { name: "error", at: 0, bytes: 4, bits: [0, 0], writtenBy: "machine", readBy: "firmware", doc: "It failed." },
    { name: "length", at: 4, bytes: 4, writtenBy: "firmware", readBy: "machine", doc: "Bytes." },
    { name: "address", at: 8, bytes: 8, writtenBy: "firmware", readBy: "machine", doc: "Physical address." },
  ],
});

/** An entry of the memory map in the file `etc/e820`. */
export const E820Entry: Struct<{ address: bigint; length: bigint; type: number }> = defineStruct({
  name: "e820_entry",
  source: "ACPI 6.5 §15.1",
  size: 20,
  endian: "little",
  fields: [
    { name: "address", at: 0, bytes: 8, writtenBy: "machine", readBy: "firmware", doc: "First byte." },
    { name: "length", at: 8, bytes: 8, writtenBy: "machine", readBy: "firmware", doc: "Bytes." },
    { name: "type", at: 16, bytes: 4, writtenBy: "machine", readBy: "firmware", doc: "1 RAM, 2 reserved." },
  ],
});

/** Registers of the clock chip and, above 0x0d, bytes of its memory that a PC's firmware reads. */
export const Cmos = {
  SECONDS: 0x00,
  SECONDS_ALARM: 0x01,
  MINUTES: 0x02,
  MINUTES_ALARM: 0x03,
  HOURS: 0x04,
  HOURS_ALARM: 0x05,
  WEEKDAY: 0x06,
  DAY: 0x07,
  MONTH: 0x08,
  YEAR: 0x09,
  A: 0x0a,
  B: 0x0b,
  C: 0x0c,
  D: 0x0d,
  EQUIPMENT: 0x14,
  BASE_MEMORY: 0x15,
  EXTENDED_MEMORY: 0x17,
  EXTENDED_MEMORY_COPY: 0x30,
  CENTURY: 0x32,
  MEMORY_ABOVE_16M: 0x34,
  BOOT_3: 0x38,
  BOOT_1_2: 0x3d,
  MEMORY_ABOVE_4G: 0x5b,
  CPUS: 0x5f,
} as const;

/** Bits of the clock's registers A to D. */
export const CmosBit = {
  /** A: an update is in progress. */
  UIP: 0x80,
  /** A: the divider is in reset, and the clock stands still. */
  DIVIDER_RESET: 0x60,
  /** B: the clock stands still while it is set. */
  SET: 0x80,
  /** B: values are binary, not BCD. */
  BINARY: 0x04,
  /** B: hours go from 0 to 23. */
  H24: 0x02,
  /** B: interrupts by period, alarm, update. */
  INTERRUPTS: 0x70,
  /** C: an interrupt is asked for. */
  IRQF: 0x80,
  /** C: why. */
  PF: 0x40,
  AF: 0x20,
  UF: 0x10,
  /** D: the battery is good. */
  VRT: 0x80,
  /** Hours: after noon. */
  PM: 0x80,
} as const;

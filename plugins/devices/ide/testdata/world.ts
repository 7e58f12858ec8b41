/** An IDE controller on a PCI bus, driven by its ports as in the notation of a register script. */

import { RamBackend } from "@iova/block";
import { Access, BusStatus, type Transaction, type Translation, type TranslatorHost, type Width } from "@iova/core";
import { type PciWorld, pciWorld } from "@iova/pci/testing";
import {
  type DriveOptions,
  type FaultPolicy,
  IdeController,
  type IdeOptions,
  type PersonalityName,
} from "../device.ts";

export const BAR = 0xc000;
/** Sectors of the test disk. */
export const SECTORS = 4096;

/** The test disk: sector n begins with n, and byte i of it is 7n + i. */
export function testDisk(sectors = SECTORS, readOnly = false): RamBackend {
  const disk = new RamBackend(sectors * 512, { content: "zero", readOnly });
  const view = new DataView(disk.bytes.buffer);
  for (let n = 0; n < sectors; n++) {
    view.setUint32(512 * n, n, true);
    for (let i = 4; i < 512; i++) disk.bytes[512 * n + i] = 7 * n + i;
  }
  return disk;
}

/** The disk of the measurements. */
export function diskOptions(backend: RamBackend): DriveOptions {
  return {
    kind: "disk",
    backend,
    readOnly: backend.readOnly,
    serial: "SN0123456789",
    firmware: "1.0",
    model: "QEMU HARDDISK",
    wwn: 0n,
    rotationRate: 0,
  };
}

/** A disc whose block n begins with n, and byte i of it is 5n + i. */
export function testDisc(blocks: number): RamBackend {
  const disc = new RamBackend(blocks * 2048, { content: "zero", readOnly: true });
  for (let n = 0; n < blocks; n++) for (let i = 0; i < 2048; i++) disc.bytes[2048 * n + i] = 5 * n + i;
  return disc;
}

export function discOptions(backend: RamBackend | null): DriveOptions {
  return {
    kind: "cdrom",
    backend,
    serial: "QM00003",
    firmware: "2.5+",
    model: "QEMU DVD-ROM",
    wwn: 0n,
    rotationRate: 0,
  };
}

export interface IdeWorldOptions {
  personality?: PersonalityName;
  faultPolicy?: FaultPolicy;
  drives?: (DriveOptions | null)[];
  memory?: number;
  burst?: number;
  burstTime?: number;
  translate?: (tx: Transaction, out: Translation) => BusStatus;
}

/** Pages of bus addresses, by number; 0 stands for none, and a page can be pending for a while. */
export class PageTable {
  readonly pages = new Map<number, number>();
  readonly pending = new Set<number>();
  /** Accesses refused, as bus addresses. */
  readonly faults: number[] = [];

  constructor(pages: Record<number, number> = {}) {
    for (const [bus, phys] of Object.entries(pages)) this.pages.set(Number(bus) >>> 12, phys >>> 12);
  }

  readonly translate = (tx: Transaction, out: Translation): BusStatus => {
    const page = tx.lo >>> 12;
    if (this.pending.has(page)) return BusStatus.PENDING;
    const frame = tx.hi === 0 ? this.pages.get(page) : undefined;
    if (frame === undefined) {
      this.faults.push(tx.lo >>> 0);
      return BusStatus.COMPLETER_ABORT;
    }
    out.set(0, frame << 12, 12, Access.READ | Access.WRITE);
    return BusStatus.OK;
  };
}

export interface IdeWorld extends PciWorld {
  /** The translator's host, with `translate`. */
  host: TranslatorHost;
  ide: IdeController;
  disk: RamBackend;
  /** Byte out, dword out, word out, in; everything that is due has happened afterwards. */
  o(port: number, ...values: number[]): void;
  ol(port: number, value: number): void;
  ow(port: number, value: number): void;
  i(port: number, width?: Width): number;
  /** Count and a 28-bit address for device 0 of the primary channel. */
  lba28(lba: number, count: number): void;
  /** Bytes into memory, from hexadecimal. */
  put(address: number, hex: string): void;
  /** Memory, as hexadecimal. */
  get(address: number, length: number): string;
  /** `alt err tf bm-cmd/bm-status irq` of the primary channel. */
  state(): string;
  /** Count, low, mid, high, device. */
  tf(base?: number): string;
  /** Words of the data register, as bytes. */
  pio(words: number, base?: number): Uint8Array;
  /** How often the interrupt line has risen. */
  rises(): number;
  /** Stops the engine, clears its status and reads the drive's: what every case begins with. */
  fresh(): void;
  /** Lets everything happen, timers included. */
  run(): void;
}

/** A controller with BAR 4 at {@linkcode BAR}, bus mastering on and both channels decoding. */
export function ideWorld(options: IdeWorldOptions = {}): IdeWorld {
  const world = pciWorld(options.memory ?? 0x40_0000);
  const { io, interrupts, scheduler, events, guest, root, context } = world;
  const disk = testDisk();
  let host: TranslatorHost | null = null;
  if (options.translate !== undefined) {
    const translate = options.translate;
    root.bridge.translate(context, (made) => {
      host = made;
      return { name: "test", translate };
    });
  }
  const ideOptions: IdeOptions = {
    id: "ide0",
    bus: world.bus,
    io,
    interrupts,
    scheduler,
    events,
    drives: options.drives ?? [diskOptions(disk), null, null, null],
    personality: options.personality ?? "spec",
    ...(options.faultPolicy !== undefined && { faultPolicy: options.faultPolicy }),
    burst: options.burst ?? 65536,
    burstTime: options.burstTime ?? 0,
    warn(id, message) {
      const warning = `${id}: ${message}`;
      if (!world.warnings.includes(warning)) world.warnings.push(warning);
    },
  };
  let rises = 0;
  const { drive } = interrupts;
  interrupts.drive = (line, asserted) => {
    if (line === 14 && asserted && !interrupts.isAsserted(14)) rises++;
    drive.call(interrupts, line, asserted);
  };
  const ide = new IdeController(ideOptions);
  const { config } = ide.fn;
  config.write(0x20, 4, BAR);
  config.write(0x40, 4, 0x80008000);
  config.write(0x04, 2, 5);

  const settle = () => scheduler.settle();
  const hex = (value: number, digits = 2) => value.toString(16).padStart(digits, "0");
  const o = (port: number, ...values: number[]) => {
    for (const value of values) {
      guest.ioWrite(port, 1, value);
      settle();
    }
  };
  const i = (port: number, width: Width = 1) => guest.ioRead(port, width);
  const tf = (base = 0x1f0) => [2, 3, 4, 5, 6].map((register) => hex(i(base + register))).join(" ");
  return {
    ...world,
    host: host!,
    ide,
    disk,
    o,
    ol(port, value) {
      guest.ioWrite(port, 4, value);
      settle();
    },
    ow(port, value) {
      guest.ioWrite(port, 2, value);
      settle();
    },
    i,
    lba28(lba, count) {
      o(0x1f2, count);
      o(0x1f3, lba & 0xff);
      o(0x1f4, lba >>> 8 & 0xff);
      o(0x1f5, lba >>> 16 & 0xff);
      o(0x1f6, 0xe0 | lba >>> 24);
    },
    put(address, text) {
      const digits = text.replaceAll(" ", "");
      world.space.bytes(address, digits.length / 2).set(digits.match(/../g)!.map((pair) => parseInt(pair, 16)));
    },
    get: (address, length) => [...world.space.bytes(address, length)].map((byte) => hex(byte)).join(""),
    state: () =>
      `${hex(i(0x3f6))} ${hex(i(0x1f1))} ${tf()} ${hex(i(BAR))}/${hex(i(BAR + 2))} ${
        interrupts.isAsserted(14) ? "irq" : "-"
      }`,
    tf,
    pio(words, base = 0x1f0) {
      const bytes = new Uint8Array(2 * words);
      const view = new DataView(bytes.buffer);
      for (let n = 0; n < words; n++) view.setUint16(2 * n, i(base, 2), true);
      settle();
      return bytes;
    },
    rises: () => rises,
    fresh() {
      o(BAR, 0);
      o(BAR + 2, 6);
      i(0x1f7);
      rises = 0;
    },
    run() {
      while (scheduler.step()) { /* to the end */ }
    },
  };
}

/** The checksum of the measurements. */
export function crc32(bytes: Uint8Array): string {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc >>> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (~crc >>> 0).toString(16).padStart(8, "0");
}

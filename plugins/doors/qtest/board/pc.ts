/**
 * PCs (`pc`: i440FX, `q35`: ICH9, `microvm`: no PCI): ports, interrupt lines of the I/O APIC, message interrupts through the CPU's local APIC.
 *
 * @module
 */

import type { FirmwareTable, HypercallRegisters, Interrupts, MessageInterrupt, PhysAddr, Width } from "@iova/core";
import { UNKNOWN_HYPERCALL } from "@iova/core";
import { pciGuest } from "@iova/pci";
import { hex, parseValue, SUFFIX } from "../qemu/lines.ts";
import type { QtestConnection } from "../qemu/connection.ts";
import { type Board, type BoardType, type BoardWiring, untilReady } from "./board.ts";
import { acpiTables } from "./pc_fw_cfg.ts";
import { COUNTERS, EXIT_PORT, FIRST_VECTOR, MESSAGE_ADDRESS, pcRom, TIMER_VECTOR, WATCHDOG } from "./pc_rom.ts";

/** Seconds for which nobody may look before the CPU takes it that its driver is gone. */
const WATCH_SECONDS = 60;

/** What differs between PCs. */
interface Chipset extends Pick<BoardType, "machine" | "bus" | "rootBus" | "profile"> {
  /** Firmware's part of bringing the chips up. */
  setUp(pc: PcBoard, wiring: BoardWiring): void;
}

/** ISA interrupts that firmware gives to the four PCI interrupts of the PIIX3, in the order of its registers. */
const PIIX_IRQS = [5, 7, 10, 11];
const PIIX3 = 1 << 3;
const PIRQ_REGISTERS = 0x60;

const I440FX: Chipset = {
  machine: "pc",
  profile: "pc",
  bus: "pci",
  rootBus: "pci.0",
  setUp(pc, { qemu, guest }) {
    PIIX_IRQS.forEach((irq, i) => pc.configWrite(PIIX3, PIRQ_REGISTERS + i, 1, irq));
    // Pin A of device 1 is the first of the four. Lines are inputs of the I/O APIC.
    pciGuest(guest).configure({ lines: [3, 0, 1, 2].map((pirq) => PIIX_IRQS[pirq]) });
    pc.firmware.push(...acpiTables(pc, qemu.ram));
  },
};

/** Where q35's firmware puts configuration space. */
const ECAM_BASE = 0xb000_0000;
const PCIEXBAR = 0x60;

const Q35: Chipset = {
  machine: "q35",
  profile: "q35",
  bus: "pci",
  rootBus: "pcie.0",
  setUp(pc, { qemu, guest }) {
    pc.configWrite(0, PCIEXBAR + 4, 4, 0);
    pc.configWrite(0, PCIEXBAR, 4, (ECAM_BASE | 1) >>> 0);
    // Devices below 25 have PIRQ E to H.
    pciGuest(guest).configure({ lines: [20, 21, 22, 23] });
    pc.firmware.push(...acpiTables(pc, qemu.ram));
  },
};

/** The I/O APIC's input of microvm's slot 0. */
const FIRST_SLOT_INPUT = 16;

const MICROVM: Chipset = {
  // With a second I/O APIC the slots would be there, out of our reach.
  machine: "microvm,ioapic2=off",
  bus: "virtio-mmio",
  rootBus: "virtio-mmio-bus",
  setUp(pc, { machine }) {
    pc.lineOffset = machine.bus!.options.line - FIRST_SLOT_INPUT;
  },
};

/** See the module's text. */
export class PcBoard implements Board {
  readonly firmware: FirmwareTable[] = [];
  /** What is added to the number of an input of the I/O APIC to make it that of a line. */
  lineOffset = 0;
  readonly #qtest: QtestConnection;
  readonly #interrupts: Interrupts;
  readonly #counters: Int32Array;
  readonly #watchdog: Int32Array;
  readonly #seen = new Int32Array(256);
  #vectors = 0;
  #news = false;

  /** Over a running QEMU. */
  constructor({ qemu, interrupts }: BoardWiring) {
    this.#qtest = qemu.qtest;
    this.#interrupts = interrupts;
    this.#counters = new Int32Array(qemu.ram.buffer, COUNTERS, 256);
    this.#watchdog = new Int32Array(qemu.ram.buffer, WATCHDOG, 1);
    qemu.qtest.onInterrupt = (input, asserted) => {
      this.#news = true;
      interrupts.drive(input + this.lineOffset, asserted);
    };
  }

  /** Whether the CPU has come up. */
  get ready(): boolean {
    return Atomics.load(this.#counters, 0) === 1;
  }

  /** Has the I/O APIC's inputs reported to us instead of to the CPU. */
  interceptLines(): void {
    this.#qtest.command("irq_intercept_in ioapic");
  }

  read(address: PhysAddr, width: Width): number {
    return parseValue(this.#qtest.command(`read${SUFFIX[width]} ${hex(address)}`)) % 2 ** (8 * width);
  }

  write(address: PhysAddr, width: Width, value: number): void {
    this.#qtest.command(`write${SUFFIX[width]} ${hex(address)} ${hex(value)}`);
  }

  ioRead(port: number, width: Width): number {
    return parseValue(this.#qtest.command(`in${SUFFIX[width]} ${hex(port)}`)) % 2 ** (8 * width);
  }

  ioWrite(port: number, width: Width, value: number): void {
    this.#qtest.command(`out${SUFFIX[width]} ${hex(port)} ${hex(value)}`);
  }

  hypercall(_number: number, _registers: HypercallRegisters): number {
    return UNKNOWN_HYPERCALL;
  }

  message(data: number): MessageInterrupt {
    const vector = FIRST_VECTOR + data;
    if (vector >= TIMER_VECTOR) throw new RangeError(`the CPU has no vector for message interrupt ${data}`);
    this.#vectors = Math.max(this.#vectors, data + 1);
    return { address: MESSAGE_ADDRESS, data: vector };
  }

  poll(wait: number): boolean {
    Atomics.store(this.#watchdog, 0, WATCH_SECONDS * 2);
    this.#qtest.poll(this.#takeMessages() ? 0 : wait);
    this.#takeMessages();
    const news = this.#news;
    this.#news = false;
    return news;
  }

  /** Writes configuration space of a function of bus 0, as firmware. */
  configWrite(requester: number, offset: number, width: Width, value: number): void {
    this.ioWrite(0xcf8, 4, (0x8000_0000 | requester << 8 | offset & 0xfc) >>> 0);
    this.ioWrite(0xcfc + (offset & 3), width, value);
  }

  #takeMessages(): boolean {
    let any = false;
    for (let data = 0; data < this.#vectors; data++) {
      const count = Atomics.load(this.#counters, FIRST_VECTOR + data);
      if (count === this.#seen[data]) continue;
      this.#seen[data] = count;
      this.#interrupts.raise(data);
      any = true;
    }
    this.#news ||= any;
    return any;
  }
}

function pcType({ setUp, ...chipset }: Chipset): BoardType {
  return {
    ...chipset,
    program: "qemu-system-x86_64",
    args: ["-device", `isa-debug-exit,iobase=${EXIT_PORT},iosize=4`],
    mostMemory: 2 ** 31,
    memoryGranule: 4096,
    image: pcRom,
    async start(wiring) {
      const board = new PcBoard(wiring);
      await untilReady(() => board.ready);
      setUp(board, wiring);
      board.interceptLines();
      return board;
    },
  };
}

/** QEMU's `pc`. */
export const PC_TYPE: BoardType = pcType(I440FX);
/** QEMU's `q35`. */
export const Q35_TYPE: BoardType = pcType(Q35);
/** QEMU's `microvm`: virtio devices in slots, without PCI. */
export const MICROVM_TYPE: BoardType = pcType(MICROVM);

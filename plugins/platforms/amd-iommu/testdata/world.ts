/**
 * A machine around the hardware half for its tests: 16 MiB of memory, one bus behind the IOMMU, an interrupt doorbell.
 * Software is played by numbers from the specification, written straight into memory and registers.
 *
 * @module
 */

import {
  AddressSpace,
  AddressType,
  Bridge,
  Bus,
  type BusContext,
  BusStatus,
  type BusTranslator,
  DmaHandle,
  EventStream,
  HardwareWork,
  Interrupts,
  IoSpace,
  LeaseTable,
  type MachineServices,
  MemoryTarget,
  RamRegion,
  Random,
  Scheduler,
  Transaction,
  Translation,
} from "@iova/core";
import { createHardware, DEFAULT_HARDWARE_OPTIONS, type HardwareOptions } from "../hardware.ts";

/** Where things are, as the conformance cases have them. */
export const PLACE = {
  MMIO: 0xfed8_0000,
  DEVICE_TABLE: 0x10_0000,
  COMMANDS: 0x40_0000,
  EVENTS: 0x50_0000,
  PAGE_REQUESTS: 0x51_0000,
  ROOT: 0x70_0000,
  DEVICE: 0x28,
  DOORBELL: 0xfee0_0000,
} as const;

/** IommuEn, EventLogEn, EventIntEn, CmdBufEn. */
export const USUAL_CONTROL = 0x100dn;

/** What a translation gave. */
export interface Answer {
  status: BusStatus;
  address: bigint;
  shift: number;
  rights: number;
  out: Translation;
}

/** See the module's text. */
export class World {
  readonly space: AddressSpace = new AddressSpace();
  readonly ram: RamRegion = this.space.addRam(new RamRegion(0, new ArrayBuffer(16 << 20)));
  readonly scheduler: Scheduler = new Scheduler();
  readonly events: EventStream = new EventStream(() => this.scheduler.now);
  /** Messages that reached the doorbell. */
  readonly messages: number[] = [];
  readonly warnings: string[] = [];
  readonly context: BusContext;
  readonly bus: Bus;
  readonly iommu: BusTranslator;
  readonly configuration: number;
  readonly ivrs: Uint8Array;
  #nextRegisters: number = PLACE.MMIO;
  #tx = new Transaction();

  constructor(options: Partial<HardwareOptions> = {}, policy: "wait" | "revoke" = "revoke") {
    const { space, scheduler, events } = this;
    const leases = new LeaseTable(scheduler, { policy, deadline: 1e6, checked: false }, (id) => this.warnings.push(id));
    this.context = { space, scheduler, events, leases, hardware: new HardwareWork(scheduler) };
    const doorbell = space.addRegisters(PLACE.DOORBELL, 0x10_0000, "doorbell", {
      read: () => 0,
      write: (_offset, _width, value) => void this.messages.push(value),
    });
    const hardware = createHardware(this.#services(), { ...DEFAULT_HARDWARE_OPTIONS, ...options });
    this.configuration = hardware.firmware.configuration;
    this.ivrs = hardware.firmware.ivrs;
    this.bus = new Bus("root", new Bridge(new MemoryTarget(space)), null, this.context);
    this.bus.claim(PLACE.DOORBELL, 0x10_0000, doorbell, true);
    this.iommu = this.bus.bridge.translate(this.context, (host) => hardware.translator(host))!;
  }

  #services(): MachineServices {
    const { space, scheduler, events } = this;
    return {
      space,
      io: new IoSpace(),
      scheduler,
      events,
      interrupts: new Interrupts(scheduler),
      random: new Random(1),
      where: { file: "test.json", path: "platform.with" },
      resolvePath: (path) => path,
      warn: (id) => void this.warnings.push(id),
      onHypercall: () => {},
      reserveRegisters: (size, name, block) => {
        const base = this.#nextRegisters;
        this.#nextRegisters += Math.ceil(size / 4096) * 4096;
        space.addRegisters(base, size, name, block);
        return base;
      },
    };
  }

  /** Writes a 64-bit word of memory. */
  poke(address: number, value: bigint): void {
    this.ram.view.setBigUint64(address, BigInt.asUintN(64, value), true);
  }

  /** Reads a 64-bit word of memory. */
  peek(address: number): bigint {
    return this.ram.view.getBigUint64(address, true);
  }

  /** Writes a 64-bit register as two accesses. */
  write(offset: number, value: bigint): void {
    this.space.write(PLACE.MMIO + offset, 4, Number(value & 0xffffffffn));
    this.space.write(PLACE.MMIO + offset + 4, 4, Number(value >> 32n & 0xffffffffn));
  }

  /** Reads a 64-bit register. */
  read(offset: number): bigint {
    const low = this.space.read(PLACE.MMIO + offset, 4);
    return BigInt(low) | BigInt(this.space.read(PLACE.MMIO + offset + 4, 4)) << 32n;
  }

  /** Writes a device table entry, upper half first. */
  dte(q0: bigint, q1 = 5n, device: number = PLACE.DEVICE, q2 = 0n, q3 = 0n): void {
    const at = PLACE.DEVICE_TABLE + device * 32;
    this.poke(at + 24, q3);
    this.poke(at + 16, q2);
    this.poke(at + 8, q1);
    this.poke(at, q0);
  }

  /** Sets table and rings up and turns the IOMMU on, as the conformance cases have it. */
  start(control: bigint = USUAL_CONTROL): this {
    this.write(0x0000, BigInt(PLACE.DEVICE_TABLE));
    this.write(0x0008, BigInt(PLACE.COMMANDS) | 8n << 56n);
    this.write(0x0010, BigInt(PLACE.EVENTS) | 8n << 56n);
    this.write(0x0038, BigInt(PLACE.PAGE_REQUESTS) | 8n << 56n);
    this.write(0x0018, control);
    return this;
  }

  /** Programs message interrupts: message 0x77 to the doorbell. */
  enableMessages(): void {
    const at = this.configuration + 0x58;
    this.space.write(at + 4, 4, PLACE.DOORBELL);
    this.space.write(at + 8, 4, 0);
    this.space.write(at + 12, 4, 0x77);
    this.space.write(at, 4, this.space.read(at, 4) | 1 << 16);
  }

  /** Puts a command at the tail and moves it on. */
  command(q0: bigint, q1 = 0n): void {
    const tail = Number(this.read(0x2008));
    this.poke(PLACE.COMMANDS + tail, q0);
    this.poke(PLACE.COMMANDS + tail + 8, q1);
    this.write(0x2008, BigInt((tail + 16) % 0x1000));
  }

  /** Lets the hardware execute what is queued. */
  run(): void {
    this.context.hardware.run();
  }

  /** Puts commands into the ring and lets the hardware execute them. */
  execute(...commands: (readonly [q0: bigint, q1?: bigint])[]): void {
    for (const [q0, q1] of commands) this.command(q0, q1);
    this.run();
  }

  /** Whether a command ring that waits comes to its end: COMPLETION_WAIT with a store has stored. */
  completed(slot = 0x60_0000): boolean {
    return this.peek(slot) !== 0n;
  }

  /** The events that the log holds between head and tail, as pairs of words. */
  log(): [bigint, bigint][] {
    const head = Number(this.read(0x2010));
    const tail = Number(this.read(0x2018));
    const entries: [bigint, bigint][] = [];
    for (let at = head; at !== tail; at = (at + 16) % 0x1000) {
      entries.push([this.peek(PLACE.EVENTS + at), this.peek(PLACE.EVENTS + at + 8)]);
    }
    return entries;
  }

  /** Asks the IOMMU about one address, without moving data. */
  ask(
    address: bigint,
    access: 1 | 2 | 3 = 1,
    addressType: AddressType = AddressType.UNTRANSLATED,
    more: Partial<Transaction> = {},
  ): Answer {
    const tx = this.#tx;
    const { hi, lo } = new DmaHandle().set(address);
    const fixed = { hi, lo, length: 1, access, addressType, requester: PLACE.DEVICE, pasid: -1, noWrite: false };
    Object.assign(tx, fixed, more);
    const out = new Translation();
    const status = this.iommu.translate(tx, out);
    const mask = out.shift === 64 ? ~0n : (1n << BigInt(out.shift)) - 1n;
    const frame = BigInt(out.hi >>> 0) << 32n | BigInt(out.lo >>> 0);
    return {
      status,
      address: frame & ~mask & 0xffff_ffff_ffff_ffffn | address & mask,
      shift: out.shift,
      rights: out.rights,
      out,
    };
  }

  /** Where a read of an address ends, or the status that refused it. */
  where(address: bigint): bigint | string {
    const { status, address: at } = this.ask(address);
    return status === BusStatus.OK ? at : ["ok", "unsupported request", "completer abort", "pending"][status];
  }
}

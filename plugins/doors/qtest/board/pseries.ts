/**
 * QEMU's `pseries`: hypercalls by a CPU that makes them for us, configuration space through RTAS, the host bridge's
 * windows high up in the address space, interrupts taken from the hypervisor's presentation controller.
 *
 * Its CPU is big-endian; the registers of its devices are not. Addresses of PCI registers are bus addresses, as firmware
 * writes them into BARs; the board adds where the host bridge shows them.
 *
 * @module
 */

import type {
  FirmwareTable,
  GuestPort,
  HypercallRegisters,
  Interrupts,
  MessageInterrupt,
  PhysAddr,
  Width,
} from "@iova/core";
import { ALL_ONES } from "@iova/core";
import { CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, FIRST_INTX_LINE, pciGuest } from "@iova/pci";
import { hex, parseValue, QemuError, SUFFIX } from "../qemu/lines.ts";
import type { QtestConnection } from "../qemu/connection.ts";
import { type Board, type BoardType, type BoardWiring, untilReady } from "./board.ts";
import { type DeviceTree, readDeviceTree } from "./device_tree.ts";
import { MAILBOX, Mailbox, MAILBOX_REGISTERS, pseriesRom } from "./pseries_rom.ts";

/** Milliseconds that one hypercall may take. */
const CALL_MS = 5_000;
/** Milliseconds between two looks at the interrupt controller. */
const LOOK_MS = 0.2;
/** Where the first host bridge's ports begin; memory of the bus lies above, at its own address. */
const BRIDGE_BASE = 0x2000_0000_0000;
/** RAM ends below this, and what is above it on the bus are registers. */
const REGISTERS_START = 0x8000_0000;
const BRIDGE = "/pci@800000020000000";
const RTAS_BUFFER = 0x5000;

const Hcall = { EOI: 0x64, CPPR: 0x68, XIRR: 0x74, RTAS: 0xf000 } as const;
/** Where functions write messages, and the call's word for MSI-X. */
const MESSAGE_WINDOW = 0x400_0000_0000;
const CHANGE_MSIX = 4;
/** The least favoured priority but one: what sources get. */
const PRIORITY = 5;
const LEAST_FAVOURED = 0xff;

/** See the module's text. */
export class PseriesBoard implements Board {
  readonly firmware: FirmwareTable[] = [];
  readonly #qtest: QtestConnection;
  readonly #interrupts: Interrupts;
  readonly #mailbox: DataView;
  readonly #bell: Int32Array;
  readonly #memory: Uint8Array;
  readonly #rtas = new Map<string, number>();
  readonly #guest: GuestPort;
  readonly #cpuEndian: readonly number[];
  /** By pin. */
  #sources: number[] = [];
  /** Sources of message interrupts, by their number. */
  readonly #messages: number[] = [];
  /** Functions whose messages have been asked for. */
  readonly #claimed = new Set<number>();
  #buid: [hi: number, lo: number] = [0, 0];
  #configAddress = 0;
  #lookedAt = 0;

  /** Over a running QEMU. */
  constructor({ qemu, interrupts, guest, cpuEndian }: BoardWiring) {
    this.#cpuEndian = cpuEndian;
    this.#guest = guest;
    this.#qtest = qemu.qtest;
    this.#interrupts = interrupts;
    this.#memory = new Uint8Array(qemu.ram.buffer);
    this.#mailbox = new DataView(qemu.ram.buffer, MAILBOX);
    this.#bell = new Int32Array(qemu.ram.buffer, MAILBOX, 1);
  }

  /** Whether the CPU has come up. */
  get ready(): boolean {
    return this.#mailbox.getUint32(Mailbox.ready) === 1;
  }

  /** Reads what the hypervisor tells, and lets the bridge's pins interrupt. */
  setUp(): void {
    const tree = readDeviceTree(this.#memory.subarray(Number(this.#mailbox.getBigUint64(Mailbox.deviceTree))));
    for (const [name, value] of property(tree, "/rtas")) {
      if (value.length === 4) this.#rtas.set(name, new DataView(value.buffer).getUint32(0));
    }
    const reg = need(tree, BRIDGE, "reg");
    this.#buid = [reg.getUint32(0), reg.getUint32(4)];
    this.firmware.push(...firmwareTables(tree));
    this.#sources = pinSources(need(tree, BRIDGE, "interrupt-map"));
    const powerOff = [this.#rtas.get("power-off") ?? 0, 2, 1, 0, 0];
    powerOff.forEach((cell, i) => this.#mailbox.setUint32(Mailbox.powerOff + 4 * i, cell));
    this.#enable(this.#sources);
    this.#call(Hcall.CPPR, LEAST_FAVOURED);
  }

  read(address: PhysAddr, width: Width): number {
    const value = this.#read(address < REGISTERS_START ? address : BRIDGE_BASE + address, width);
    return this.#isCpuEndian(address) ? swap(value, width) : value;
  }

  write(address: PhysAddr, width: Width, value: number): void {
    const on = this.#isCpuEndian(address) ? swap(value, width) : value;
    this.#write(address < REGISTERS_START ? address : BRIDGE_BASE + address, width, on);
  }

  /** Configuration mechanism #1 is what drivers here know; this machine has RTAS calls in its place. */
  ioRead(port: number, width: Width): number {
    if (port < CONFIG_DATA_PORT || port >= CONFIG_DATA_PORT + 4) return this.#read(BRIDGE_BASE + port, width);
    const [status, value] = this.rtas("ibm,read-pci-config", [...this.#config(port), width], 2);
    return status === 0 ? (value >>> 0) % 2 ** (8 * width) : ALL_ONES[width];
  }

  ioWrite(port: number, width: Width, value: number): void {
    if (port === CONFIG_ADDRESS_PORT && width === 4) this.#configAddress = value;
    else if (port < CONFIG_DATA_PORT || port >= CONFIG_DATA_PORT + 4) this.#write(BRIDGE_BASE + port, width, value);
    else this.rtas("ibm,write-pci-config", [...this.#config(port), width, value], 1);
  }

  hypercall(number: number, registers: HypercallRegisters): number {
    const box = this.#mailbox;
    box.setUint32(Mailbox.registers, 0);
    box.setUint32(Mailbox.registers + 4, number);
    for (let i = 1; i < MAILBOX_REGISTERS; i++) {
      box.setInt32(Mailbox.registers + 8 * i, registers.hi[i - 1]);
      box.setInt32(Mailbox.registers + 8 * i + 4, registers.lo[i - 1]);
    }
    this.#ring();
    for (let i = 1; i < MAILBOX_REGISTERS; i++) {
      registers.hi[i - 1] = box.getInt32(Mailbox.registers + 8 * i);
      registers.lo[i - 1] = box.getInt32(Mailbox.registers + 8 * i + 4);
    }
    return box.getInt32(Mailbox.registers + 4);
  }

  message(data: number): MessageInterrupt {
    if (data >= this.#messages.length) this.#claimMessages();
    const source = this.#messages[data];
    if (source === undefined) throw new RangeError(`no source for message interrupt ${data}`);
    return { address: MESSAGE_WINDOW, data: source };
  }

  poll(wait: number): boolean {
    this.#qtest.poll(wait);
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_MS) return false;
    this.#lookedAt = now;
    const xirr = this.#call(Hcall.XIRR);
    const source = xirr & 0xff_ffff;
    if (source === 0) return false;
    const pin = this.#sources.indexOf(source);
    const data = this.#messages.indexOf(source);
    if (pin >= 0) this.#interrupts.drive(FIRST_INTX_LINE + pin, true);
    if (data >= 0) this.#interrupts.raise(data);
    // Runs behind the handlers. A level that nobody has quieted is presented again after the end of interrupt.
    this.#guest.post(() => {
      if (pin >= 0) this.#interrupts.drive(FIRST_INTX_LINE + pin, false);
      this.#call(Hcall.EOI, xirr);
    });
    return true;
  }

  /** Calls RTAS by name; its results, signed, the status first. @throws {QemuError} when there is no such call. */
  rtas(name: string, args: readonly number[], results: number): number[] {
    const token = this.#rtas.get(name);
    if (token === undefined) throw new QemuError(`the machine's RTAS has no ${name}`);
    const view = new DataView(this.#memory.buffer, RTAS_BUFFER);
    [token, args.length, results, ...args].forEach((cell, i) => view.setUint32(4 * i, cell >>> 0));
    this.#call(Hcall.RTAS, RTAS_BUFFER);
    return Array.from({ length: results }, (_, i) => view.getInt32(4 * (3 + args.length + i)));
  }

  #isCpuEndian(address: PhysAddr): boolean {
    return this.#cpuEndian.some((requester) => {
      const { bars } = pciGuest(this.#guest).function(requester);
      return [...bars.values()].some((bar) => bar.address <= address && address < bar.address + bar.size);
    });
  }

  #read(at: number, width: Width): number {
    return swap(parseValue(this.#qtest.command(`read${SUFFIX[width]} ${hex(at)}`)) % 2 ** (8 * width), width);
  }

  #write(at: number, width: Width, value: number): void {
    this.#qtest.command(`write${SUFFIX[width]} ${hex(at)} ${hex(swap(value, width))}`);
  }

  #enable(sources: readonly number[]): void {
    for (const source of sources) this.rtas("ibm,set-xive", [source, 0, PRIORITY], 1);
  }

  /**
   * Has the hypervisor give each function with MSI-X as many sources as its table has entries. A message names its
   * source, whoever sends it, so they all go into one list.
   */
  #claimMessages(): void {
    for (const { requester, msixVectors } of pciGuest(this.#guest).devices) {
      if (msixVectors === 0 || this.#claimed.has(requester)) continue;
      this.#claimed.add(requester);
      const function_ = [requester << 8, ...this.#buid];
      const [status, granted] = this.rtas("ibm,change-msi", [...function_, CHANGE_MSIX, msixVectors, 1], 4);
      for (let i = 0; status === 0 && i < granted; i++) {
        const [known, source] = this.rtas("ibm,query-interrupt-source-number", [...function_, i], 3);
        if (known === 0) this.#messages.push(source);
      }
    }
    this.#enable(this.#messages);
  }

  #config(port: number): number[] {
    const offset = (this.#configAddress & 0xfc) + (port - CONFIG_DATA_PORT);
    return [(this.#configAddress & 0xff_ff00) | offset, ...this.#buid];
  }

  /** A hypercall with one argument; r4 afterwards. */
  #call(number: number, argument = 0): number {
    const box = this.#mailbox;
    box.setBigUint64(Mailbox.registers, BigInt(number));
    box.setBigUint64(Mailbox.registers + 8, BigInt(argument));
    this.#ring();
    return box.getUint32(Mailbox.registers + 12);
  }

  #ring(): void {
    this.#mailbox.setUint32(Mailbox.watchdog, WATCH_COUNT);
    Atomics.store(this.#bell, 0, 0x0100_0000); // 1, as the big-endian CPU sees it
    const until = performance.now() + CALL_MS;
    for (let i = 1; Atomics.load(this.#bell, 0) !== 0; i++) {
      // The socket is where it shows that QEMU is gone; it also gives the CPU to QEMU when there are too few.
      if (i % SPINS === 0) this.#qtest.poll(i > EAGER_SPINS ? 1 : 0);
      if (performance.now() > until) throw new QemuError(`a hypercall took more than ${CALL_MS} ms`);
    }
  }
}

/** A minute, by half milliseconds, for which nobody may look before the CPU takes it that its driver is gone. */
const WATCH_COUNT = 120_000;
const SPINS = 1000;
const EAGER_SPINS = 20_000;

/** The properties that our guest half of the platform reads, under the names by which it knows them. */
function firmwareTables(tree: DeviceTree): FirmwareTable[] {
  const memory = [...tree].filter(([path]) => /^\/memory@/.test(path)).map(([, node]) => node.get("reg")!);
  const bridge = property(tree, BRIDGE);
  const found: [string, Uint8Array | undefined][] = [
    ["ibm,dma-window", bridge.get("ibm,dma-window")],
    ["ibm,ddw-applicable", bridge.get("ibm,ddw-applicable")],
    ["ibm,ddw-extensions", bridge.get("ibm,ddw-extensions")],
    ["ibm,hypertas-functions", property(tree, "/rtas").get("ibm,hypertas-functions")],
    ["pci/reg", bridge.get("reg")],
    ["memory/reg", Uint8Array.from(memory.flatMap((bytes) => [...bytes]))],
  ];
  return found.flatMap(([name, bytes]) => bytes === undefined ? [] : [{ name, bytes }]);
}

/** The sources of pins INTA to INTD of device 0, from the bridge's `interrupt-map`: seven cells for each. */
function pinSources(map: DataView): number[] {
  const sources = [0, 0, 0, 0];
  const device = 0xf800;
  for (let at = 0; at + 28 <= map.byteLength; at += 28) {
    if ((map.getUint32(at) & device) === 0) sources[map.getUint32(at + 12) - 1] = map.getUint32(at + 20);
  }
  return sources;
}

function property(tree: DeviceTree, path: string): ReadonlyMap<string, Uint8Array> {
  const node = tree.get(path);
  if (node === undefined) throw new QemuError(`the device tree has no ${path}`);
  return node;
}

function need(tree: DeviceTree, path: string, name: string): DataView {
  const value = property(tree, path).get(name);
  if (value === undefined) throw new QemuError(`the device tree has no ${path}:${name}`);
  return new DataView(value.buffer);
}

function swap(value: number, width: Width): number {
  if (width === 1) return value;
  if (width === 2) return (value & 0xff) << 8 | value >>> 8 & 0xff;
  return (value >>> 24 | value >>> 8 & 0xff00 | value << 8 & 0xff0000 | value << 24) >>> 0;
}

/** What an emulated CPU does not have, so that QEMU does not warn. */
const WITHOUT = ["cap-cfpc=broken", "cap-sbbc=broken", "cap-ibs=broken", "cap-ccf-assist=off"];

/** QEMU's `pseries`. */
export const PSERIES_TYPE: BoardType = {
  machine: ["pseries", ...WITHOUT].join(","),
  profile: "pseries",
  bus: "pci",
  program: "qemu-system-ppc64",
  rootBus: "pci.0",
  args: [],
  mostMemory: REGISTERS_START,
  memoryGranule: 256 * 2 ** 20,
  image: pseriesRom,
  async start(wiring) {
    const board = new PseriesBoard(wiring);
    await untilReady(() => board.ready);
    board.setUp();
    return board;
  },
};

/**
 * The host bridge: configuration mechanism #1, the root bus, and the address map that BARs and windows make together.
 *
 * @module
 */

import type { Bus, MachineServices, RegisterBlock, Width } from "@iova/core";
import { announcedFunctions } from "./hardware_announced.ts";
import type { Bar } from "./hardware_bar.ts";
import { PciBridge } from "./hardware_bridge.ts";
import { PciBus } from "./hardware_bus.ts";
import type { PciChipset } from "./hardware_chipset.ts";
import { ConfigSpace } from "./hardware_config.ts";
import { PciFunction, type PciNode } from "./hardware_function.ts";
import { placeNumber } from "./hardware_place.ts";
import { Command, CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, ConfigAddress, FIRST_INTX_LINE, Header0 } from "./layout.ts";

/** What the host bridge needs of its machine. */
export type PciServices = Pick<MachineServices, "space" | "io" | "interrupts" | "warn">;

const PORTS = 8;
const DATA = CONFIG_DATA_PORT - CONFIG_ADDRESS_PORT;
const { mask, shift } = ConfigAddress;
const BYTE = 3;
const ADDRESS_BITS = mask.register | mask.function | mask.device | mask.bus | mask.enable;

interface Mapped {
  readonly fn: PciFunction;
  readonly bar: Bar;
}

/** The host bridge of one machine, with the root bus below it. */
export class PciHost implements RegisterBlock {
  /** Bus 0. */
  readonly root: PciBus;
  /** Bridges in the whole tree; each has a bus below it. */
  bridges = 0;
  #address = 0;
  readonly #addressBits: number;
  #mapped: Mapped[] = [];

  /** Makes `root` a PCI bus, with the host bridge's own function at 00.0. What `chipset` leaves out is generic. */
  constructor(readonly services: PciServices, root: Bus, readonly chipset: PciChipset = {}) {
    this.#addressBits = chipset.byteAddresses ? ADDRESS_BITS | BYTE : ADDRESS_BITS;
    this.root = new PciBus(root, this, null);
    const { hostBridge = genericHostBridge() } = chipset;
    if (hostBridge !== null) this.root.addNode({ name: "the host bridge", place: 0, config: hostBridge });
    for (const { name, classCode, config } of announcedFunctions(services.space)) {
      const place = chipset.homes?.[classCode];
      if (place !== undefined) this.root.addNode({ name, place: placeNumber(place)!, config });
    }
    if (chipset.ports ?? true) services.io.add(CONFIG_ADDRESS_PORT, PORTS, this);
  }

  /** Drives `pin` (1 to 4 for INTA to INTD, as it arrives on the root bus) for one of its sources. */
  drivePin(pin: number, asserted: boolean): void {
    if (this.chipset.intx) this.chipset.intx(pin, asserted);
    else this.services.interrupts.drive(FIRST_INTX_LINE + pin - 1, asserted);
  }

  /** What answers configuration cycles for a requester id; null when nothing does. */
  nodeOf(requester: number): PciNode | null {
    return findBus(this.root, requester >> 8)?.nodeAt(requester & 0xff) ?? null;
  }

  /** See `RegisterBlock`: the two configuration ports. Where no function answers, all ones. */
  read(offset: number, width: Width): number {
    if (offset === 0 && width === 4) return this.#address >>> 0;
    const node = this.#selected(offset, width);
    return node === null ? -1 >>> (32 - 8 * width) : node.config.read(this.#register(offset), width);
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    if (offset === 0 && width === 4) this.#address = value & this.#addressBits;
    else this.#selected(offset, width)?.config.write(this.#register(offset), width, value);
  }

  /**
   * Maps every BAR that decodes and unmaps every one that no longer does. Where two want one address, the one that came
   * first keeps it and the other does not decode.
   */
  refresh(): void {
    const wanted = new Map([...decoding(this.root)].map((want) => [want.bar, want]));
    const [stay, go] = [[] as Mapped[], [] as Mapped[]];
    for (const mapped of this.#mapped) {
      (wanted.get(mapped.bar)?.base === mapped.bar.mappedAt ? stay : go).push(mapped);
    }
    for (const { fn, bar } of go) this.#unmap(fn, bar);
    this.#mapped = stay;
    for (const { fn, bar, base } of wanted.values()) if (bar.mappedAt < 0) this.#map(fn, bar, base);
  }

  #map(fn: PciFunction, bar: Bar, base: number): void {
    const block = fn.bus.core.gate(fn.port, bar.spec.block);
    const at = this.chipset.outbound?.(base) ?? base;
    if (!bar.map(base, at, this.services.space, this.services.io, block)) {
      this.#refuse(fn, bar, base);
      return;
    }
    bar.refusedAt = -1;
    this.#mapped.push({ fn, bar });
    if (bar.claim === null) return;
    // Windows cover what is below them, so every bus up to the root sees the claim.
    for (let bus: Bus | null = fn.bus.core; bus !== null; bus = bus.parent) bus.claim(base, bar.spec.size, bar.claim);
  }

  /** Warns once for each place, in words that do not grow with what a guest tries. */
  #refuse(fn: PciFunction, bar: Bar, base: number): void {
    if (bar.refusedAt === base) return;
    bar.refusedAt = base;
    this.services.warn("pci-bar-overlap", `${bar.name} lies over something else and does not decode`, fn.name);
  }

  #unmap(fn: PciFunction, bar: Bar): void {
    const { claim } = bar;
    for (let bus: Bus | null = fn.bus.core; bus !== null && claim !== null; bus = bus.parent) bus.unclaim(claim);
    bar.unmap(this.services.space, this.services.io);
  }

  #register(offset: number): number {
    return this.#address & (mask.register | BYTE) | offset - DATA;
  }

  #selected(offset: number, width: Width): PciNode | null {
    const address = this.#address;
    if ((address & mask.enable) === 0 || offset < DATA || offset + width > PORTS) return null;
    return this.nodeOf((address & (mask.bus | mask.device | mask.function)) >>> shift.function);
  }
}

/** The bus that a configuration cycle for `number` ends on: each bridge takes what lies between its two numbers. */
function findBus(bus: PciBus, number: number): PciBus | null {
  if (bus.number === number) return bus;
  for (const node of bus.nodes) {
    if (!(node instanceof PciBridge) || node.secondaryBus === 0) continue;
    if (number >= node.secondaryBus && number <= node.subordinateBus) return findBus(node.secondary, number);
  }
  return null;
}

/** Every BAR on a bus and below that wants to decode, with its address. */
function* decoding(bus: PciBus): Generator<{ fn: PciFunction; bar: Bar; base: number }> {
  for (const node of bus.nodes) {
    if (node instanceof PciBridge) yield* decoding(node.secondary);
    if (!(node instanceof PciFunction)) continue;
    for (const bar of node.bars) {
      const { base, spec: { kind, size } } = bar;
      const enabled = (node.command & (kind === "io" ? Command.mask.io : Command.mask.memory)) !== 0;
      if (enabled && base >= 0 && bus.isReached(kind, base, base + size - 1)) yield { fn: node, bar, base };
    }
  }
}

/** With the numbers of QEMU's generic one: it only says what it is. */
function genericHostBridge(): ConfigSpace {
  const config = new ConfigSpace();
  config.define(0, Header0.encode({ vendor: 0x1b36, device: 0x0008, classCode: 0x060000 }));
  return config;
}

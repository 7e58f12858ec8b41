/**
 * Enumeration as firmware and operating systems do it: bus numbers depth first, then addresses for every BAR, bridge
 * windows around them, and decoding on.
 *
 * @module
 */

import { type GuestPort, roundUp } from "@iova/core";
import { type PciBar, placeBar, sizeBars } from "./guest_bars.ts";
import type { GuestConfig } from "./guest_config.ts";
import { PciDevice } from "./guest_pci_device.ts";
import { GENERIC_PLAN, type PciPlan, type PciRange } from "./guest_plan.ts";
import { Command, Header0, Header1, HeaderType, requesterId, swizzlePin } from "./layout.ts";

/** Addresses that BARs may have: `next` is the first free one, `end` the first one after the window. */
interface Range {
  next: number;
  end: number;
}

/** A bus, with the windows from which its functions get their addresses. */
interface GuestBus {
  readonly number: number;
  readonly parent: { readonly bus: GuestBus; readonly device: number } | null;
  readonly bridges: Bridge[];
  memory: Range;
  io: Range;
}

interface Bridge {
  readonly requester: number;
  readonly below: GuestBus;
  windows: boolean;
}

const LAST_BUS = 255;
/** Granules of a bridge's windows. */
const MEMORY_GRANULE = 0x100000;
const IO_GRANULE = 0x1000;

/** The guest's picture of every bus. */
export class Enumeration {
  readonly devices: Map<number, PciDevice> = new Map();
  #lastBus = 0;
  #configured = false;
  readonly #guest: GuestPort;
  readonly #config: GuestConfig;
  readonly #root: GuestBus = {
    number: 0,
    parent: null,
    bridges: [],
    memory: range(GENERIC_PLAN.memory),
    io: range(GENERIC_PLAN.io),
  };
  #lines = GENERIC_PLAN.lines;
  #memoryOffset = GENERIC_PLAN.memoryOffset;
  readonly #bridges = new Map<number, Bridge>();
  #fresh: { bus: GuestBus; device: PciDevice }[] = [];

  /** Nothing is found before {@linkcode Enumeration.run}. */
  constructor(guest: GuestPort, config: GuestConfig) {
    this.#guest = guest;
    this.#config = config;
  }

  /** Takes other ranges and lines than the generic ones, once: what has been given out stays given out. */
  configure({ memory, io, lines, memoryOffset = 0 }: Partial<PciPlan>): void {
    if (this.#configured) return;
    this.#configured = true;
    this.#memoryOffset = memoryOffset;
    if (memory !== undefined) this.#root.memory = range(memory);
    if (io !== undefined) this.#root.io = range(io);
    if (lines !== undefined) this.#lines = lines;
  }

  /** Finds what is new, forgets what is gone; what is known keeps its numbers and addresses. */
  run(): void {
    for (const requester of this.devices.keys()) {
      if (!this.#answers(requester)) this.devices.delete(requester);
    }
    this.#scan(this.#root);
    this.#assign(this.#root);
    for (const { device } of this.#fresh) this.#enable(device);
    this.#fresh = [];
  }

  #answers(requester: number): boolean {
    return this.#config.read(requester, Header0.at.vendor, 2) !== 0xffff;
  }

  #headerType(requester: number): number {
    return this.#config.read(requester, Header0.at.headerType, 1);
  }

  #scan(bus: GuestBus): void {
    for (let device = 0; device < 32; device++) {
      if (!this.#answers(requesterId(bus.number, device, 0))) continue;
      const several = (this.#headerType(requesterId(bus.number, device, 0)) & HeaderType.MULTI_FUNCTION) !== 0;
      for (let fn = 0; fn < (several ? 8 : 1); fn++) this.#found(bus, device, requesterId(bus.number, device, fn));
    }
  }

  #found(bus: GuestBus, device: number, requester: number): void {
    if (!this.#answers(requester)) return;
    const known = this.#bridges.get(requester);
    if (known !== undefined) return this.#scan(known.below);
    if (this.devices.has(requester)) return;
    const isBridge = (this.#headerType(requester) & ~HeaderType.MULTI_FUNCTION) === HeaderType.BRIDGE;
    const bars = sizeBars(this.#config, requester, isBridge ? 2 : 6);
    const found = new PciDevice(this.#guest, this.#config, requester, bars);
    this.devices.set(requester, found);
    this.#fresh.push({ bus, device: found });
    this.#routeInterrupt(bus, device, requester);
    if (isBridge) this.#number(bus, device, requester);
  }

  /** Gives the bus below a bridge the next number, looks below, and closes the range of numbers behind it. */
  #number(bus: GuestBus, device: number, requester: number): void {
    if (this.#lastBus === LAST_BUS) return;
    const below: GuestBus = {
      number: ++this.#lastBus,
      parent: { bus, device },
      bridges: [],
      memory: { next: 0, end: 0 },
      io: { next: 0, end: 0 },
    };
    const { at } = Header1;
    this.#config.write(requester, at.primaryBus, 1, bus.number);
    this.#config.write(requester, at.secondaryBus, 1, below.number);
    this.#config.write(requester, at.subordinateBus, 1, LAST_BUS);
    const bridge: Bridge = { requester, below, windows: false };
    this.#bridges.set(requester, bridge);
    bus.bridges.push(bridge);
    this.#scan(below);
    this.#config.write(requester, at.subordinateBus, 1, this.#lastBus);
  }

  /** Notes the root's line for the function's pin where drivers look for it. */
  #routeInterrupt(bus: GuestBus, device: number, requester: number): void {
    let pin = this.#config.read(requester, Header0.at.interruptPin, 1);
    if (pin < 1 || pin > 4) return;
    pin = swizzlePin(device, pin);
    for (let { parent } = bus; parent !== null; parent = parent.bus.parent) pin = swizzlePin(parent.device, pin);
    this.#config.write(requester, Header0.at.interruptLine, 1, this.#lines[pin - 1]);
  }

  #assign(bus: GuestBus): void {
    const bars = this.#fresh.filter((fresh) => fresh.bus === bus)
      .flatMap(({ device }) => [...device.bars.values()].map((bar) => ({ device, bar })));
    // Bridges before BARs: what the last granule of a window has left then serves functions that are plugged in later.
    for (const bridge of bus.bridges) {
      if (bridge.windows) this.#assign(bridge.below);
      else this.#openWindows(bus, bridge);
    }
    // The largest first: natural alignment then leaves no holes.
    bars.sort((a, b) => b.bar.size - a.bar.size);
    for (const { device, bar } of bars) this.#place(bus, device, bar);
  }

  #place(bus: GuestBus, device: PciDevice, bar: PciBar): void {
    const range = bar.kind === "io" ? bus.io : bus.memory;
    const address = roundUp(range.next, bar.size);
    if (address + bar.size > range.end) return;
    range.next = address + bar.size;
    placeBar(this.#config, device.requester, bar, address);
    if (bar.kind === "memory") bar.address += this.#memoryOffset;
  }

  /** Assigns what is below a new bridge from its parent's ranges and puts windows around it. */
  #openWindows(bus: GuestBus, bridge: Bridge): void {
    const { below, requester } = bridge;
    bridge.windows = true;
    below.memory = inner(bus.memory, MEMORY_GRANULE);
    below.io = inner(bus.io, IO_GRANULE);
    const memory = below.memory.next;
    const io = below.io.next;
    this.#assign(below);
    close(bus.memory, below.memory, memory, MEMORY_GRANULE);
    close(bus.io, below.io, io, IO_GRANULE);
    const { at } = Header1;
    const write = (offset: number, width: 1 | 2, value: number) => this.#config.write(requester, offset, width, value);
    // A base above its limit closes a window.
    const hasMemory = below.memory.end > memory;
    write(at.memoryBase, 2, hasMemory ? memory / 0x10000 : 0xfff0);
    write(at.memoryLimit, 2, hasMemory ? (below.memory.end - MEMORY_GRANULE) / 0x10000 : 0);
    write(at.prefetchBase, 2, 0xfff0);
    write(at.prefetchLimit, 2, 0);
    const hasIo = below.io.end > io;
    write(at.ioBase, 1, hasIo ? io / 0x100 : 0xf0);
    write(at.ioLimit, 1, hasIo ? (below.io.end - IO_GRANULE) / 0x100 : 0);
  }

  #enable(device: PciDevice): void {
    const bars = [...device.bars.values()];
    const usable = (kind: PciBar["kind"]) => {
      const those = bars.filter((bar) => bar.kind === kind);
      return those.length > 0 && those.every((bar) => bar.address !== 0);
    };
    const { mask } = Command;
    const bits = this.#bridges.has(device.requester)
      ? mask.io | mask.memory | mask.busMaster
      : (usable("io") ? mask.io : 0) | (usable("memory") ? mask.memory : 0);
    device.configWrite(Header0.at.command, 2, device.configRead(Header0.at.command, 2) | bits);
  }
}

function range({ first, end }: PciRange): Range {
  return { next: first, end };
}

/** What is left of `outer`, from the next granule on. */
function inner(outer: Range, granule: number): Range {
  return { next: Math.min(roundUp(outer.next, granule), outer.end), end: outer.end };
}

/** Ends `range` behind what was taken from `first` on, and goes on in `outer` behind it. */
function close(outer: Range, range: Range, first: number, granule: number): void {
  range.end = range.next === first ? first : roundUp(range.next, granule);
  if (range.end > first) outer.next = range.end;
}

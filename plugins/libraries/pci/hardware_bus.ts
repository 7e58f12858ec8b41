/**
 * A PCI bus: the places on it, the functions and bridges that stand there, and what reaches them.
 *
 * @module
 */

import { Bus, PlaceError } from "@iova/core";
import { PciBridge, PciUplink } from "./hardware_bridge.ts";
import { PciFunction, type PciNode } from "./hardware_function.ts";
import type { PciHost } from "./hardware_host.ts";
import { findPlace, placeNumber, placeText } from "./hardware_place.ts";
import type { PciFunctionSpec } from "./hardware_spec.ts";
import { Header0, HeaderType, swizzlePin } from "./layout.ts";

const MAX_BRIDGES = 255;
const buses = new WeakMap<Bus, PciBus>();

/**
 * The PCI side of a bus: what a device plugin asks for with `pciBus(context.bus)`.
 *
 * @throws {TypeError} when the bus is not a PCI bus.
 */
export function pciBus(bus: Bus): PciBus {
  const found = buses.get(bus);
  if (found === undefined) throw new TypeError(`bus "${bus.name}" is not a PCI bus`);
  return found;
}

/** A PCI bus. */
export class PciBus {
  readonly #nodes = new Map<number, PciNode>();

  /** The PCI side of `core`; `bridge` is the bridge above it, null for the root bus. */
  constructor(readonly core: Bus, readonly host: PciHost, readonly bridge: PciBridge | null) {
    buses.set(core, this);
  }

  /** Its number: 0 for the root, else what the guest has written into the bridge. */
  get number(): number {
    return this.bridge?.secondaryBus ?? 0;
  }

  /** Everything on it, in the order in which it came. */
  get nodes(): Iterable<PciNode> {
    return this.#nodes.values();
  }

  /**
   * Plugs a function in. Its memory and I/O registers answer once the guest has placed and enabled them.
   *
   * @throws {PlaceError} when its place is badly written, taken, or none is free.
   * @throws {RangeError} when the declaration is impossible: a bug in a device plugin.
   */
  addFunction(spec: PciFunctionSpec): PciFunction {
    const place = this.#place(spec.at ?? this.#home(spec.classCode));
    const port = this.core.attach(spec.id, this.number << 8 | place);
    try {
      const fn = new PciFunction(this, spec, place, port);
      this.addNode(fn);
      return fn;
    } catch (error) {
      this.core.detach(port);
      throw error;
    }
  }

  /** Puts a bridge on this bus and returns the bus below it. @throws {PlaceError} as {@linkcode PciBus.addFunction}. */
  addBridge(id: string, at?: string): PciBus {
    if (this.host.bridges === MAX_BRIDGES) {
      throw new PlaceError(`${MAX_BRIDGES + 1} bridges`, `at most ${MAX_BRIDGES}: bus numbers have 8 bits`);
    }
    const uplink = new PciUplink(this.core);
    const bridge = new PciBridge(id, this.#place(at), this, uplink);
    bridge.secondary = new PciBus(new Bus(id, uplink, this.core, this.core.context), this.host, bridge);
    this.addNode(bridge);
    this.host.bridges++;
    return bridge.secondary;
  }

  /** What stands at `device << 3 | function`. */
  nodeAt(place: number): PciNode | undefined {
    return this.#nodes.get(place);
  }

  /** Lets configuration cycles reach a node; its place is free. */
  addNode(node: PciNode): void {
    this.#nodes.set(node.place, node);
    this.markMultiFunction(node.place >> 3);
  }

  /** Takes a node away; its registers go with it. */
  removeNode(node: PciNode): void {
    this.#nodes.delete(node.place);
    this.markMultiFunction(node.place >> 3);
    this.host.refresh();
  }

  /** Whether a CPU access to these addresses comes down to this bus: through every bridge above. */
  isReached(kind: "memory" | "io", first: number, last: number): boolean {
    const { bridge } = this;
    return bridge === null || (bridge.forwards(kind, first, last) && bridge.parent.isReached(kind, first, last));
  }

  /** The root bus's pin (1 to 4) for `pin` of `device`, through every bridge above (PPB §9.1). */
  rootPin(device: number, pin: number): number {
    const above = swizzlePin(device, pin);
    const { bridge } = this;
    return bridge === null ? above : bridge.parent.rootPin(bridge.place >> 3, above);
  }

  /** Passes the bus number on to every function. */
  renumber(): void {
    for (const node of this.nodes) if (node instanceof PciFunction) node.renumber();
  }

  /** Checks that software can find every function here and below: it looks at function 0 first. @throws {PlaceError} */
  checkPlaces(): void {
    for (const node of this.nodes) {
      if (this.nodeAt(node.place & ~7) === undefined) {
        const found = `${node.name} at "${placeText(node.place)}" and nothing at "${placeText(node.place & ~7)}"`;
        throw new PlaceError(found, "a function 0 in each device");
      }
      if (node instanceof PciBridge) node.secondary.checkPlaces();
    }
  }

  /** Ends every lease of every function on this bus and below. */
  revokeAll(reason: string): void {
    for (const node of this.nodes) {
      if (node instanceof PciFunction) node.port.revokeAll(reason);
      else if (node instanceof PciBridge) node.secondary.revokeAll(reason);
    }
  }

  /** Says in the header of a device's function 0, where software looks, whether there are more of them. */
  markMultiFunction(device: number): void {
    const first = this.nodeAt(device << 3);
    if (first === undefined) return;
    const { bytes } = first.config;
    const several = first.multiFunction === true ||
      [...this.nodes].filter((node) => node.place >> 3 === device).length > 1;
    bytes[Header0.at.headerType] = bytes[Header0.at.headerType] & ~HeaderType.MULTI_FUNCTION |
      (several ? HeaderType.MULTI_FUNCTION : 0);
  }

  /** The free place that the chipset keeps for functions of a class. */
  #home(classCode: number): string | undefined {
    const home = this.bridge === null ? this.host.chipset.homes?.[classCode] : undefined;
    return home !== undefined && this.nodeAt(placeNumber(home)!) === undefined ? home : undefined;
  }

  #place(at: string | undefined): number {
    return findPlace(this.core.name, at, (place) => this.#nodes.get(place)?.name ?? null);
  }
}

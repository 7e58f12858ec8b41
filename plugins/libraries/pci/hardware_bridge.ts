/**
 * PCI-to-PCI bridges: a type 1 header, the windows that decide what reaches the bus below, and the way up.
 *
 * @module
 */

import { Bridge, BusStatus, type BusTarget, type Transaction, TWO32, type Window } from "@iova/core";
import type { PciBus } from "./hardware_bus.ts";
import { ConfigSpace } from "./hardware_config.ts";
import { COMMAND_WRITABLE, type PciNode, STATUS_CLEARABLE } from "./hardware_function.ts";
import { Command, Header1, HeaderType } from "./layout.ts";

/** Upstream through a PCI bridge: closed while the bridge is no bus master. */
export class PciUplink extends Bridge {
  /** Follows the bridge's command register. */
  open = false;

  /** A way up to `above`. */
  constructor(above: BusTarget) {
    super(above);
  }

  /** See `BusTarget.resolve`. */
  override resolve(tx: Transaction, out: Window): BusStatus {
    return this.open ? super.resolve(tx, out) : BusStatus.UNSUPPORTED_REQUEST;
  }
}

const BRIDGE_CLASS = 0x060400;
const MEMORY_FIELD = 0xfff0;
const IO_FIELD = 0xf0;
/** Low bits of a prefetchable base or limit: the window has 64 bits. */
const PREFETCH_64 = 1;

/** A bridge on `parent`. `secondary` is set by the bus, which makes both. */
export class PciBridge implements PciNode {
  readonly config: ConfigSpace = new ConfigSpace();
  /** The bus below. */
  secondary!: PciBus;

  /** A bridge called `name` at `place` of `parent`; `uplink` is its way up. */
  constructor(readonly name: string, readonly place: number, readonly parent: PciBus, readonly uplink: PciUplink) {
    this.#header();
    const { at } = Header1;
    this.config.watch(at.command, 2, { written: () => this.#commanded() });
    this.config.watch(at.primaryBus, 3, { written: () => this.secondary.renumber() });
    this.config.watch(at.ioBase, at.capabilities - at.ioBase, { written: () => this.parent.host.refresh() });
  }

  /** Number of the bus below; 0 before it has one. */
  get secondaryBus(): number {
    return this.config.bytes[Header1.at.secondaryBus];
  }

  /** Highest number below. */
  get subordinateBus(): number {
    return this.config.bytes[Header1.at.subordinateBus];
  }

  /** Whether a CPU access to these addresses is forwarded to the bus below. `last` is inclusive. */
  forwards(kind: "memory" | "io", first: number, last: number): boolean {
    const { view } = this.config;
    const command = view.getUint16(Header1.at.command, true);
    if (kind === "io") return (command & Command.mask.io) !== 0 && this.#ioWindow(first, last);
    return (command & Command.mask.memory) !== 0 &&
      (this.#memoryWindow(first, last) || this.#prefetchWindow(first, last));
  }

  #ioWindow(first: number, last: number): boolean {
    const { bytes } = this.config;
    const base = (bytes[Header1.at.ioBase] & IO_FIELD) * 0x100;
    const limit = (bytes[Header1.at.ioLimit] & IO_FIELD) * 0x100 + 0xfff;
    return first >= base && last <= limit;
  }

  #memoryWindow(first: number, last: number): boolean {
    const { memoryBase, memoryLimit } = Header1.at;
    return first >= this.#megabytes(memoryBase) && last <= this.#megabytes(memoryLimit) + 0xfffff;
  }

  #prefetchWindow(first: number, last: number): boolean {
    const { prefetchBase, prefetchLimit, prefetchBaseUpper, prefetchLimitUpper } = Header1.at;
    const { view } = this.config;
    const base = view.getUint32(prefetchBaseUpper, true) * TWO32 + this.#megabytes(prefetchBase);
    const limit = view.getUint32(prefetchLimitUpper, true) * TWO32 + this.#megabytes(prefetchLimit) + 0xfffff;
    return first >= base && last <= limit;
  }

  #megabytes(at: number): number {
    return (this.config.view.getUint16(at, true) & MEMORY_FIELD) * 0x10000;
  }

  #commanded(): void {
    const open = (this.config.view.getUint16(Header1.at.command, true) & Command.mask.busMaster) !== 0;
    if (!open && this.uplink.open) this.secondary.revokeAll("the bridge's bus mastering is off");
    this.uplink.open = open;
    this.parent.host.refresh();
  }

  #header(): void {
    const { config } = this;
    const { at } = Header1;
    config.define(
      0,
      Header1.encode({
        // The numbers of QEMU's pci-bridge.
        vendor: 0x1b36,
        device: 0x0001,
        classCode: BRIDGE_CLASS,
        headerType: HeaderType.BRIDGE,
        prefetchBase: PREFETCH_64,
        prefetchLimit: PREFETCH_64,
      }),
    );
    config.allow(at.command, 2, COMMAND_WRITABLE);
    config.clearOnOne(at.status, 2, STATUS_CLEARABLE);
    config.clearOnOne(at.secondaryStatus, 2, STATUS_CLEARABLE);
    for (const byte of ["cacheLineSize", "latencyTimer", "interruptLine"] as const) config.allow(at[byte], 1, 0xff);
    config.allow(at.primaryBus, 4, -1);
    config.allow(at.ioBase, 1, IO_FIELD);
    config.allow(at.ioLimit, 1, IO_FIELD);
    for (const word of ["memoryBase", "memoryLimit", "prefetchBase", "prefetchLimit"] as const) {
      config.allow(at[word], 2, MEMORY_FIELD);
    }
    config.allow(at.prefetchBaseUpper, 4, -1);
    config.allow(at.prefetchLimitUpper, 4, -1);
    config.allow(at.bridgeControl, 2, BRIDGE_CONTROL_WRITABLE);
  }
}

/** Parity, SERR, ISA, VGA, master abort mode; bit 6, the secondary bus reset, is not modelled and reads as zero. */
const BRIDGE_CONTROL_WRITABLE = 0x002f;

/**
 * The board: host bridge with configuration space in memory, LPC bridge with its interrupt router, and what is behind it.
 *
 * @module
 */

import type { AddressSpace, Bus, ProfileServices, RegisterRegion } from "@iova/core";
import {
  BoardFunction,
  ConfigPorts,
  describeMachine,
  IO_APIC_PINS,
  type LegacyOptions,
  LegacyParts,
  type MachineFacts,
  PirqRouter,
} from "@iova/chipset";
import { ConfigWindow, PciHost } from "@iova/pci";
import {
  FIRST_PIRQ_LINE,
  HOST_BRIDGE,
  IOMMU_HOME,
  LPC,
  PciExBar,
  PCIEXBAR_AT,
  PIRQ_ROUTES,
  pirqOf,
  WINDOW_SIZES,
} from "./layout.ts";

const GRANULE = 2 ** 26;
const TWO32 = 2 ** 32;

/** See the module's text. */
export class Board {
  readonly host: PciHost;
  readonly #space: AddressSpace;
  readonly #hostBridge: BoardFunction = new BoardFunction(HOST_BRIDGE);
  readonly #lpc: BoardFunction = new BoardFunction(LPC);
  readonly #legacy: LegacyParts;
  readonly #configPorts: ConfigPorts;
  readonly #window: ConfigWindow;
  #placed: RegisterRegion | null = null;

  /** Builds it around `root`. */
  constructor(services: ProfileServices, root: Bus, options: LegacyOptions) {
    const { interrupts } = services;
    this.#space = services.space;
    const router = new PirqRouter(interrupts, this.#lpc.config, PIRQ_ROUTES);
    // Two runs of route registers, with other registers between them.
    for (const at of [PIRQ_ROUTES[0], PIRQ_ROUTES[4]]) {
      this.#lpc.config.watch(at, 4, { written: () => router.reroute() });
    }
    this.host = new PciHost(services, root, {
      hostBridge: this.#hostBridge.config,
      ports: false,
      byteAddresses: true,
      homes: IOMMU_HOME,
      intx(pin, asserted) {
        router.drive(pirqOf(pin), asserted);
        interrupts.drive(FIRST_PIRQ_LINE + pirqOf(pin), asserted);
      },
    });
    this.host.root.addNode(this.#lpc);
    this.#window = new ConfigWindow(this.host);
    this.#hostBridge.config.watch(PCIEXBAR_AT, PciExBar.size, { written: () => this.#placeWindow() });
    this.#configPorts = new ConfigPorts(this.host, () => services.reset());
    this.#legacy = new LegacyParts(services, options);
    describeMachine(root, FACTS);
  }

  /** Everything on the board back to power-on. */
  reset(): void {
    for (const part of [this.#hostBridge, this.#lpc, this.#legacy, this.#configPorts]) part.reset();
  }

  /** Puts configuration space where PCIEXBAR says; where something else is, nothing answers. */
  #placeWindow(): void {
    const { bytes } = this.#hostBridge.config;
    const { enable, length, base, baseHigh } = PciExBar.decode(
      bytes.subarray(PCIEXBAR_AT, PCIEXBAR_AT + PciExBar.size),
    );
    const size = WINDOW_SIZES[length];
    if (size === null) return;
    if (this.#placed !== null) this.#space.remove(this.#placed);
    this.#placed = null;
    const address = baseHigh * TWO32 + Math.floor(base * GRANULE / size) * size;
    if (enable === 0) return;
    try {
      this.#placed = this.#space.addRegisters(address, size, "PCI configuration space", this.#window);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
}

const FACTS: MachineFacts = {
  bigEndian: false,
  inputs: [
    { path: "/machine/q35/ioapic", type: "ioapic", firstLine: 0, count: IO_APIC_PINS },
    { path: "/machine/unattached/device[5]", type: "isa-i8259", firstLine: 0, count: 8 },
    { path: "/machine/unattached/device[6]", type: "isa-i8259", firstLine: 8, count: 8 },
  ],
};

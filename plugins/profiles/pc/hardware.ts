/**
 * The board: PCI host bridge, ISA bridge with its interrupt router, power management, and what is behind the ISA bridge.
 *
 * @module
 */

import type { Bus, ProfileServices } from "@iova/core";
import {
  BoardFunction,
  ConfigPorts,
  describeMachine,
  IO_APIC_PINS,
  type LegacyOptions,
  LegacyParts,
  type MachineFacts,
  PirqRouter,
  SlotEjector,
} from "@iova/chipset";
import { PciHost } from "@iova/pci";
import { COREBOOT_RAM, HOST_BRIDGE, IDE_HOME, ISA_BRIDGE, PIRQ_ROUTES, pirqOf, POWER } from "./layout.ts";

const RAM_UNIT = 8 * 1024 ** 2;
/** Places that nobody takes anything out of: the bridges. */
const FIXED_SLOTS = 0b11;

/** See the module's text. */
export class Board {
  readonly host: PciHost;
  readonly #router: PirqRouter;
  readonly #functions: readonly BoardFunction[];
  readonly #legacy: LegacyParts;
  readonly #configPorts: ConfigPorts;
  readonly #ejector: SlotEjector;
  readonly #leaving = new Map<number, () => void>();

  /** Builds it around `root`. */
  constructor(services: ProfileServices, root: Bus, options: LegacyOptions) {
    const [hostBridge, isaBridge, power] = [HOST_BRIDGE, ISA_BRIDGE, POWER].map((spec) => new BoardFunction(spec));
    const [{ size: lowRam }] = services.space.ramRegions;
    hostBridge.config.bytes[COREBOOT_RAM] = Math.min(lowRam / RAM_UNIT, 0xff);
    hostBridge.keep();
    this.#functions = [hostBridge, isaBridge, power];
    this.#router = new PirqRouter(services.interrupts, isaBridge.config, PIRQ_ROUTES);
    isaBridge.config.watch(PIRQ_ROUTES[0], PIRQ_ROUTES.length, { written: () => this.#router.reroute() });
    this.host = new PciHost(services, root, {
      hostBridge: hostBridge.config,
      ports: false,
      byteAddresses: true,
      homes: IDE_HOME,
      intx: (pin, asserted) => this.#router.drive(pirqOf(pin), asserted),
    });
    this.host.root.addNode(isaBridge);
    this.host.root.addNode(power);
    this.#configPorts = new ConfigPorts(this.host, () => services.reset());
    this.#legacy = new LegacyParts(services, options);
    this.#ejector = new SlotEjector(services.io, () => ~FIXED_SLOTS);
    this.#ejector.onEject = (slot) => this.#gone(slot);
    describeMachine(root, this.#facts());
  }

  /** Everything on the board back to power-on; a device that was asked to leave is gone. */
  reset(): void {
    for (const fn of this.#functions) fn.reset();
    for (const part of [this.#legacy, this.#configPorts, this.#ejector]) part.reset();
    for (const slot of [...this.#leaving.keys()]) this.#gone(slot);
  }

  #gone(slot: number): void {
    const gone = this.#leaving.get(slot);
    this.#leaving.delete(slot);
    gone?.();
  }

  #facts(): MachineFacts {
    const pic = (index: number, firstLine: number) => {
      return { path: `/machine/unattached/device[${index}]`, type: "isa-i8259", firstLine, count: 8 };
    };
    return {
      bigEndian: false,
      inputs: [
        { path: "/machine/i440fx/ioapic", type: "ioapic", firstLine: 0, count: IO_APIC_PINS },
        pic(6, 0),
        pic(7, 8),
      ],
      plugged: (slot) => this.#ejector.plugged(slot),
      askToEject: (slot, gone) => {
        this.#leaving.set(slot, gone);
        this.#ejector.request(slot);
      },
    };
  }
}

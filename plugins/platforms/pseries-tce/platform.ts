/**
 * The platform in one machine: builds both halves and hands the device tree from one to the other, as firmware does.
 *
 * @module
 */

import type {
  BusTranslator,
  DmaContext,
  DmaOps,
  FirmwareTable,
  MachineServices,
  Platform,
  TranslatorHost,
} from "@iova/core";
import { GuestPhb, tceDmaOps } from "./guest.ts";
import { Entitlement, hypervisorOf, PartitionMemory, type Phb } from "./hardware.ts";
import { type Options, pageSizeMask, PROFILE_OF } from "./options.ts";

const PAGE_SHIFTS = { "4KiB": 12, "64KiB": 16 } as const;

/** The guest half alone: over a hypervisor that is not simulated here. */
export class PseriesGuest implements Platform {
  readonly #options: Options;
  readonly #firmware: () => readonly FirmwareTable[];
  #guest: GuestPhb | null = null;

  /** A guest that reads the device tree when it meets its first device. */
  constructor(options: Options, firmware: () => readonly FirmwareTable[]) {
    this.#options = options;
    this.#firmware = firmware;
  }

  /** The guest half; null before the first device has asked for operations. */
  get guest(): GuestPhb | null {
    return this.#guest;
  }

  /** There is no hardware half. */
  translator(_host: TranslatorHost): BusTranslator | null {
    return null;
  }

  /** See {@linkcode Platform.dmaOps}. The guest takes the bridge over when it meets its first device. */
  dmaOps(context: DmaContext): DmaOps {
    const { guestPage, strict, merge } = this.#options;
    const config = { guestPageShift: PAGE_SHIFTS[guestPage], strict, merge };
    this.#guest ??= new GuestPhb(context.guest, this.#firmware(), config);
    return tceDmaOps(context, this.#guest);
  }

  /** See {@linkcode Platform.stop}. */
  stop(): void {
    this.#guest?.stop();
  }
}

/** See the module's text. */
export class PseriesPlatform extends PseriesGuest {
  /** The hardware half. */
  readonly phb: Phb;

  /** Adds a host bridge to the machine's hypervisor. */
  constructor(services: MachineServices, options: Options) {
    const { partition, entitlement = Infinity, pageSizes, personality, profile = PROFILE_OF[personality], ...rest } =
      options;
    const ranges = partition === undefined
      ? services.space.ramRegions.map(({ base, size }) => [base, size] as const)
      : [[0, partition] as const];
    const config = { ...rest, profile, pageSizes: pageSizeMask(pageSizes, services.where) };
    const phb = hypervisorOf(services).addPhb(config, new PartitionMemory(ranges), new Entitlement(entitlement));
    super(options, () => phb.firmware());
    this.phb = phb;
  }

  /** See {@linkcode Platform.translator}. */
  override translator(host: TranslatorHost): Phb {
    return this.phb.connect(host);
  }
}

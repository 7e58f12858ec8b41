/**
 * The guest half of the AMD IOMMU: what Linux does (drivers/iommu/amd, drivers/iommu/dma-iommu.c). It knows of the
 * hardware what firmware tells, and reaches it through guest memory and registers only.
 *
 * @module
 */

import type { DmaContext, DmaOps, GuestPort } from "@iova/core";
import { type DeviceAts, findAts } from "./guest/ats.ts";
import { type AttachedDevice, Domain } from "./guest/domain.ts";
import { Iommu } from "./guest/iommu.ts";
import { parseIvrs } from "./guest/ivrs.ts";
import { NestedTranslatedDmaOps } from "./guest/nested.ts";
import type { GuestOptions } from "./guest/options.ts";
import { RateLimit } from "./guest/rate_limit.ts";
import { TranslatedDmaOps } from "./guest/translated.ts";
import { BlockedDmaOps, IdentityDmaOps } from "./guest/untranslated.ts";

export { COSTS } from "./guest/costs.ts";
export { GUEST_OPTIONS, type GuestOptions, readAtsDevices } from "./guest/options.ts";

/** What firmware hands to the operating system. */
export interface FirmwareTables {
  /** The ACPI IVRS table. */
  readonly ivrs: Uint8Array;
  /** Physical address of the configuration space of the IOMMU's function. */
  readonly configuration: number;
}

/** Depth of a device's invalidate queue: what its ATS capability would say, 32. */
const ATS_QUEUE_DEPTH = 32;
/** Domain id of devices whose addresses are not translated. */
const NO_DOMAIN = 0;

/** The operating system behind one IOMMU. It comes up with the first device. */
export class AmdIommuGuest {
  readonly #firmware: FirmwareTables;
  readonly #options: GuestOptions;
  readonly #warn: (id: string, message: string) => void;
  readonly #usesAts: (deviceId: number) => boolean;
  readonly #contexts = new Map<number, DmaContext>();
  readonly #domains = new Map<number, Domain>();
  readonly #untranslated = new Set<number>();
  // Devices whose translation caches the kernel itself has turned on.
  readonly #ats = new Map<number, DeviceAts>();
  #iommu: Iommu | null = null;
  #limit: RateLimit | null = null;
  // Of what is gone: counters outlive the machine.
  #flushed = 0;
  #waited = 0;

  /** `warn` takes what concerns no device; `usesAts` says whose ATS is on. */
  constructor(
    firmware: FirmwareTables,
    options: GuestOptions,
    usesAts: (deviceId: number) => boolean,
    warn: (id: string, message: string) => void,
  ) {
    this.#firmware = firmware;
    this.#options = options;
    this.#usesAts = usesAts;
    this.#warn = warn;
  }

  /** Attaches a device and makes its operations. */
  dmaOps(context: DmaContext): DmaOps {
    const { guest, device: { requester } } = context;
    const iommu = this.#iommu ??= this.#start(guest);
    this.#contexts.set(requester, context);
    if (this.#options.domain !== "translated") return this.#attachUntranslated(iommu, context);
    const domain = this.#attach(iommu, guest, requester);
    const { forceDac } = this.#options;
    return context.upstream === null
      ? new TranslatedDmaOps(context, domain, forceDac)
      : new NestedTranslatedDmaOps(context, domain, forceDac, context.upstream);
  }

  /** Blocks a device: from now on none of its accesses gets through. */
  detach(requester: number): void {
    const domain = this.#domains.get(requester);
    const device = domain?.devices.find(({ deviceId }) => deviceId === requester);
    this.#disableAts(requester, device);
    if (domain !== undefined && device !== undefined) domain.detach(device);
    if (!this.#untranslated.delete(requester)) return;
    this.#iommu?.blockDevice(requester);
    this.#iommu?.commands.wait();
  }

  /** What the kernel has done: flushes of domains, waits for the IOMMU, page table pages that there are. */
  counters(): Record<string, number> {
    const domains = [...new Set(this.#domains.values())];
    const flushes = domains.reduce((sum, domain) => sum + domain.flushes, this.#flushed);
    const tablePages = domains.reduce((sum, { table }) => sum + table.tables, 0);
    return { flushes, completionWaits: this.#iommu?.commands.waits ?? this.#waited, tablePages };
  }

  /** Blocks every device, turns the IOMMU off and gives all memory back. */
  stop(): void {
    if (this.#iommu === null) return;
    for (const requester of [...this.#untranslated]) this.detach(requester);
    for (const domain of new Set(this.#domains.values())) {
      for (const device of domain.devices) this.#disableAts(device.deviceId, device);
      domain.free();
    }
    this.#flushed = this.counters().flushes;
    this.#domains.clear();
    this.#waited = this.#iommu.commands.waits;
    this.#iommu.disable();
    this.#limit?.conclude();
    this.#iommu = null;
  }

  #start(guest: GuestPort): Iommu {
    const { ivrs, configuration } = this.#firmware;
    const description = parseIvrs(ivrs);
    if (description === null) throw new Error("firmware's IVRS table describes no IOMMU");
    const limit = this.#limit = new RateLimit(() => guest.now, this.#warn);
    return new Iommu({
      guest,
      description,
      configuration,
      warn: this.#warn,
      event: (device, name, text) => {
        const sink = device === null ? undefined : this.#contexts.get(device);
        limit.print(name, text, sink === undefined ? this.#warn : (id, message) => sink.warn(id, message));
      },
    });
  }

  #attach(iommu: Iommu, guest: GuestPort, requester: number): Domain {
    const known = this.#domains.get(requester);
    if (known !== undefined) return known;
    const [first] = this.#domains.values();
    const domain = this.#options.shared && first !== undefined
      ? first
      : new Domain(new Set(this.#domains.values()).size + 1, iommu, guest, this.#options);
    this.#domains.set(requester, domain);
    domain.attach({ deviceId: requester, atsDepth: this.#enableAts(iommu, guest, requester) });
    return domain;
  }

  /**
   * Turns a device's translation cache on, before its device table entry allows it, as the kernel does. The depth of its
   * invalidate queue, or null when there is no cache.
   */
  #enableAts({ description }: Iommu, guest: GuestPort, requester: number): number | null {
    if (!description.iotlbSup || description.atsDisabled.has(requester)) return null;
    if (this.#usesAts(requester)) return ATS_QUEUE_DEPTH;
    const ats = this.#options.noAts ? null : findAts(guest, requester);
    if (ats === null) return null;
    ats.enable();
    this.#ats.set(requester, ats);
    return ats.depth;
  }

  /** Turns it off again, before the device is blocked; nothing is sent to it any more. */
  #disableAts(requester: number, device: AttachedDevice | undefined): void {
    const ats = this.#ats.get(requester);
    if (ats === undefined) return;
    this.#ats.delete(requester);
    ats.disable();
    if (device !== undefined) device.atsDepth = null;
  }

  #attachUntranslated(iommu: Iommu, context: DmaContext): DmaOps {
    const { requester } = context.device;
    const identity = this.#options.domain === "identity";
    this.#untranslated.add(requester);
    if (identity) {
      const ats = this.#enableAts(iommu, context.guest, requester);
      iommu.setDevice(requester, { v: 1, tv: 1, ir: 1, iw: 1, mode: 0, domainId: NO_DOMAIN, i: ats === null ? 0 : 1 });
    } else iommu.blockDevice(requester);
    iommu.commands.wait();
    if (!identity) return new BlockedDmaOps(context);
    return context.upstream ?? new IdentityDmaOps(context);
  }
}

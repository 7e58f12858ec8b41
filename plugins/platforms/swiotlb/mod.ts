/**
 * Platform `swiotlb`: bus addresses are physical addresses, and buffers are copied through a pool of bounce buffers: all
 * of them (`force`, the default here), or those beyond the device's mask (Linux's default).
 *
 * @module
 */

import {
  API_VERSION,
  definePlatform,
  type DmaContext,
  type DmaOps,
  formatAddress,
  formatSize,
  GuestMemoryError,
  type GuestPort,
  InputError,
  type MachineServices,
  option,
  type OptionsOf,
  type Platform,
  type PlatformPlugin,
} from "@iova/core";
import { CopyRules, REGRESSIONS } from "./guest_copies.ts";
import { SwiotlbDmaOps } from "./guest.ts";
import { defaultPool, encryptedPool, MAX_POOL, MIN_POOL, SET_SIZE } from "./guest_geometry.ts";
import { RestrictedDmaOps, restrictTo } from "./guest_restricted.ts";
import { allocPool, allocPoolAt, allocPoolBelow, IoTlb, type PoolMemory } from "./guest_tlb.ts";
import { Firewall } from "./hardware.ts";
import { FirewallRegisters } from "./layout.ts";

const options = {
  force: option.boolean(
    "Bounce every buffer (Linux's `swiotlb=force`). False, Linux's default: only those beyond the device's mask.",
    { default: true },
  ),
  pool: option.size(
    "The pool, in multiples of 256 KiB; half as much is tried while there is no room. Default 64 MiB, at most a 64th of memory, at least 1 MiB; restricted, 6 % of memory, from 64 MiB to 1 GiB.",
    { min: 1, max: MAX_POOL },
  ),
  address: option.address("Where the pool is, a multiple of 256 KiB. Default: the first room below 4 GiB."),
  areas: option.integer(
    "Areas with a lock and a search of their own, rounded up to a power of two. The n-th device is on CPU n.",
    { default: 1, min: 1, max: 4096 },
  ),
  dynamic: option.boolean("Make transient pools when there is no room, and add pools in the background.", {
    default: false,
  }),
  restricted: option.boolean(
    "Devices reach the pool and nothing else, and coherent memory comes from it. Everything is bounced.",
    { default: false },
  ),
  regression: option.choice(
    "A mistake of the past: FROM_DEVICE copied nothing on map (before 2022), or every sync for the device copied (2022).",
    REGRESSIONS,
    { default: "none" },
  ),
} as const;

/** The plugin. */
const swiotlb: PlatformPlugin = definePlatform({
  name: "swiotlb",
  kind: "platform",
  api: API_VERSION,
  summary: "Buffers are copied through a pool of bounce buffers; nothing translates.",
  options,
  create: (services, given) => new Swiotlb(services, given),
});

export default swiotlb;

class Swiotlb implements Platform {
  readonly #services: MachineServices;
  readonly #options: OptionsOf<typeof options>;
  readonly #rules: CopyRules;
  readonly #firewall: Firewall | null;
  readonly #registers: number;
  readonly #tlbs: { tlb: IoTlb; device: string | undefined }[] = [];
  #shared: IoTlb | null = null;
  #devices = 0;

  constructor(services: MachineServices, given: OptionsOf<typeof options>) {
    this.#services = services;
    this.#options = given;
    if (given.address !== undefined && (given.address % BigInt(SET_SIZE) !== 0n || given.address === 0n)) {
      this.#wrong("address", formatAddress(given.address), "a multiple of 262144 that is not 0");
    }
    if (given.restricted && given.areas !== 1) this.#wrong("areas", String(given.areas), "1: so is a restricted pool");
    if (given.restricted && given.dynamic) this.#wrong("dynamic", "true", "false: a restricted pool does not grow");
    this.#rules = new CopyRules(given.regression);
    this.#firewall = given.restricted ? new Firewall() : null;
    this.#registers = this.#firewall === null
      ? 0
      : services.reserveRegisters(FirewallRegisters.size, "restricted pool", this.#firewall);
  }

  translator: Platform["translator"] = (host) => this.#firewall?.attach(host) ?? null;

  dmaOps(context: DmaContext): DmaOps {
    const { restricted, force } = this.#options;
    const tlb = context.upstream === null ? this.#shared ??= this.#boot(context.guest) : this.#behind(context);
    const settings = { force: force || restricted, rules: this.#rules, cpu: this.#devices++ };
    return new (restricted ? RestrictedDmaOps : SwiotlbDmaOps)(context, tlb, settings);
  }

  /** Slots of all pools: how many there are, in use now, in use at most; and slots of transient pools. */
  counters(): Record<string, number> {
    const sum = (of: (tlb: IoTlb) => number) => this.#tlbs.reduce((all, { tlb }) => all + of(tlb), 0);
    return {
      slots: sum(({ total }) => total),
      slotsUsed: sum(({ used }) => used),
      slotsHighWater: sum(({ highWater }) => highWater),
      transientSlots: sum(({ transientSlots }) => transientSlots),
    };
  }

  stop(): void {
    for (const { tlb: { total, used, highWater, transientSlots }, device } of this.#tlbs) {
      const { events } = this.#services;
      if (events.listening) events.emit({ type: "swiotlb", device, total, used, highWater, transientSlots });
      if (used > 0) this.#services.warn("swiotlb-leak", `swiotlb: ${used} slots are still in use at the end`, device);
    }
  }

  /** What the operating system does at boot. */
  #boot(guest: GuestPort): IoTlb {
    const memory = this.#place(guest);
    if (memory === null && (this.#options.force || this.#options.restricted)) {
      throw new GuestMemoryError("the bounce pool", MIN_POOL);
    }
    if (this.#firewall !== null) restrictTo(guest, this.#registers, memory!);
    return this.#keep(guest, memory, undefined);
  }

  #place(guest: GuestPort): PoolMemory | null {
    const { restricted, address, areas } = this.#options;
    const bytes = this.#options.pool ?? (restricted ? encryptedPool : defaultPool)(ramBytes(guest));
    if (address === undefined) return allocPool(guest, bytes, areas);
    const memory = address < 2 ** 52 ? allocPoolAt(guest, Number(address), bytes, areas) : null;
    if (memory === null) {
      this.#wrong("address", formatAddress(address), `an address with ${formatSize(bytes)} of free memory`);
    }
    return memory;
  }

  /** Below another platform a device's pool is coherent memory of that platform, and its addresses are that one's. */
  #behind({ guest, upstream, device }: DmaContext): IoTlb {
    const { restricted, dynamic, address, pool = defaultPool(ramBytes(guest)), areas } = this.#options;
    if (restricted) {
      this.#wrong("restricted", "true", "false: a restricted pool is next to memory, not below a platform");
    }
    if (dynamic) this.#wrong("dynamic", "true", "false: below a platform pools do not grow");
    if (address !== undefined) {
      this.#wrong("address", formatAddress(address), "none: the platform above places the pool");
    }
    const memory = allocPoolBelow(upstream!, pool, areas);
    if (memory === null) throw new GuestMemoryError("the bounce pool", MIN_POOL);
    return this.#keep(guest, memory, device.id);
  }

  #keep(guest: GuestPort, memory: PoolMemory | null, device: string | undefined): IoTlb {
    const tlb = new IoTlb(guest, this.#services.events, memory, this.#options);
    this.#tlbs.push({ tlb, device });
    return tlb;
  }

  #wrong(name: string, found: string, expected: string): never {
    const { file, path } = this.#services.where;
    throw new InputError({ file, path: `${path}.with.${name}`, found, expected });
  }
}

function ramBytes(guest: GuestPort): number {
  return guest.memory.ramRegions.reduce((sum, { size }) => sum + size, 0);
}

/** A bus with a translator of pages over a MiB of memory: what tests of rings stand on. */

import {
  Access,
  AddressSpace,
  Bridge,
  Bus,
  type BusPort,
  BusStatus,
  EventStream,
  HardwareWork,
  type InvalidationPolicy,
  LeaseTable,
  MemoryTarget,
  RamRegion,
  Scheduler,
  type TranslatorHost,
} from "@iova/core";
import type { Chain } from "../device_chain.ts";

export const RAM = 0x10_0000;

export interface RingWorld {
  space: AddressSpace;
  leases: LeaseTable;
  port: BusPort;
  /** Physical page of each bus page; identity where nothing is said. */
  pages: Map<number, number>;
  host: TranslatorHost;
  /** Bus pages that nobody can translate yet. */
  pending: Set<number>;
  /** Runs at every translation: a driver that acts while its device is looking. */
  onTranslate: () => void;
}

export function ringWorld(policy: Partial<InvalidationPolicy> = {}): RingWorld {
  const scheduler = new Scheduler();
  const events = new EventStream(() => scheduler.now);
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(RAM)));
  const leases = new LeaseTable(scheduler, { policy: "revoke", deadline: 1e6, checked: false, ...policy }, () => {});
  const context = { space, scheduler, events, leases, hardware: new HardwareWork(scheduler) };
  const bridge = new Bridge(new MemoryTarget(space));
  const pages = new Map<number, number>();
  const pending = new Set<number>();
  const world: RingWorld = { space, leases, port: null!, pages, host: null!, pending, onTranslate() {} };
  bridge.translate(context, (given) => {
    world.host = given;
    return {
      name: "pages",
      translate(tx, out) {
        const page = tx.lo >>> 12;
        world.onTranslate();
        if (pending.has(page)) return BusStatus.PENDING;
        out.set(tx.hi, (pages.get(page) ?? page) << 12, 12, Access.ATOMIC);
        return BusStatus.OK;
      },
    };
  });
  world.port = new Bus("bus", bridge, null, context).attach("d", 8);
  return world;
}

/** The buffers of a chain as `address+length`, writable ones with a w. */
export function bufferNames(chain: Chain): string[] {
  return Array.from({ length: chain.count }, (_, i) => {
    const address = (BigInt(chain.hi[i] >>> 0) << 32n) | BigInt(chain.lo[i] >>> 0);
    return `${address.toString(16)}+${chain.length[i]}${i < chain.readable ? "" : "w"}`;
  });
}

/**
 * A small world with a PCI bus, for tests of device plugins.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { pciWorld } from "@iova/pci/testing";
 *
 * const world = pciWorld();
 * const registers = { read: () => 0x1234, write() {} };
 * world.bus.addFunction({
 *   id: "card",
 *   vendor: 0x1af4,
 *   device: 0x1042,
 *   classCode: 0x010000,
 *   bars: [{ index: 0, kind: "memory", size: 4096, block: registers }],
 * });
 * world.pci.enumerate();
 * const card = world.pci.function(0x0008); // 00:01.0
 * assertEquals(card.read(0, 0, 4), 0x1234);
 * ```
 *
 * @module
 */

import {
  type Access,
  AddressSpace,
  Bridge,
  Bus,
  type BusContext,
  BusStatus,
  type DmaHandle,
  EventStream,
  type FaultRecord,
  HardwareWork,
  Interrupts,
  IoSpace,
  LeaseTable,
  MemoryTarget,
  MESSAGE_DOORBELL,
  MESSAGE_DOORBELL_SIZE,
  type PhysAddr,
  PhysicalDmaOps,
  RamRegion,
  Scheduler,
  SimulatedGuest,
} from "@iova/core";
import { type PciGuest, pciGuest } from "./guest.ts";
import { type PciBus, PciHost } from "./hardware.ts";

/** A machine with RAM, a root PCI bus and a guest; nothing is enumerated yet. */
export interface PciWorld {
  /** Physical address space: RAM from 0 on. */
  readonly space: AddressSpace;
  /** I/O ports. */
  readonly io: IoSpace;
  /** Virtual time; `scheduler.settle()` delivers interrupts. */
  readonly scheduler: Scheduler;
  /** The interrupt controller. */
  readonly interrupts: Interrupts;
  /** The event stream. */
  readonly events: EventStream;
  /** The core bus of {@linkcode PciWorld.bus}. */
  readonly root: Bus;
  /** What the bus tree shares. */
  readonly context: BusContext;
  /** The root PCI bus; add functions and bridges here. */
  readonly bus: PciBus;
  /** The CPU's side. */
  readonly guest: SimulatedGuest;
  /** The guest's PCI. */
  readonly pci: PciGuest;
  /** Warnings so far: their ids and messages. */
  readonly warnings: string[];
}

/** Makes a {@linkcode PciWorld} with `memory` bytes of RAM (default 1 MiB). */
export function pciWorld(memory = 0x10_0000): PciWorld {
  const warnings: string[] = [];
  const warn = (id: string, message: string) => void warnings.push(`${id}: ${message}`);
  const scheduler = new Scheduler();
  const interrupts = new Interrupts(scheduler);
  const events = new EventStream(() => scheduler.now);
  const space = new AddressSpace();
  const io = new IoSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(memory)));
  const doorbell = space.addRegisters(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, "interrupt messages", interrupts);
  const hardware = new HardwareWork(scheduler);
  const leases = new LeaseTable(scheduler, { policy: "revoke", deadline: 10_000_000, checked: false }, warn);
  const context: BusContext = { space, scheduler, events, leases, hardware };
  const root = new Bus("root", new Bridge(new MemoryTarget(space)), null, context);
  root.claim(MESSAGE_DOORBELL, MESSAGE_DOORBELL_SIZE, doorbell, true);
  const { root: bus } = new PciHost({ space, io, interrupts, warn }, root);
  const guest = new SimulatedGuest({ space, io, scheduler, interrupts, hardware }, 0x1000);
  return { space, io, scheduler, interrupts, events, root, context, bus, guest, pci: pciGuest(guest), warnings };
}

/** A translator of identity for tests of devices that meet faults and answers that take their time. */
export interface IdentityPages {
  /** Pages (bus address >> 12) that it does not know. */
  readonly unmapped: Set<number>;
  /** Pages that it does not know yet. */
  readonly pending: Set<number>;
  /** What it has recorded. */
  readonly faults: FaultRecord[];
  /** Pages that were pending may have an answer now. */
  resume(): void;
}

/** Puts {@linkcode IdentityPages} into the root bridge of a world; with `translated` false they stay without effect. */
export function identityPages({ root, context }: PciWorld, translated = true): IdentityPages {
  const unmapped = new Set<number>();
  const pending = new Set<number>();
  const faults: FaultRecord[] = [];
  let resume = () => {};
  if (translated) {
    root.bridge.translate(context, (host) => {
      resume = () => host.resume();
      return {
        name: "pages",
        translate({ hi, lo, requester, address, access }, out) {
          const page = hi === 0 ? lo >>> 12 : -1;
          if (pending.has(page)) return BusStatus.PENDING;
          if (unmapped.has(page)) {
            const record = { cause: "IO_PAGE_FAULT", requester, address, access };
            faults.push(record);
            host.fault(record);
            return BusStatus.COMPLETER_ABORT;
          }
          out.set(hi, lo, 12, 3 as Access);
          return BusStatus.OK;
        },
      };
    });
  }
  return { unmapped, pending, faults, resume: () => resume() };
}

/** Physical addresses, or some a constant off, as bus addresses: streaming mappings run out when a test says so, coherent memory not. */
export class ScarceOps extends PhysicalDmaOps {
  /** Mappings that are left. */
  left: number = Infinity;
  /** Bytes of the largest. */
  largest: number = Number.MAX_SAFE_INTEGER;
  /** What a bus address has more than the physical one. */
  shift = 0;

  /** Takes one of those that are left. */
  protected override map(out: DmaHandle, cpu: PhysAddr, _size: number): boolean {
    if (this.left <= 0) return false;
    this.left--;
    out.setNumber(cpu + this.shift);
    return true;
  }

  /** Never runs out. */
  protected override mapCoherent(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu + this.shift);
    return true;
  }

  /** Gives one back. */
  protected override unmap(): void {
    this.left++;
  }

  /** Nothing was taken. */
  protected override unmapCoherent(): void {}

  /** {@linkcode ScarceOps.largest}. */
  override maxMappingSize(): number {
    return this.largest;
  }
}

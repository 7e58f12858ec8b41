/**
 * The hardware half: slots at fixed addresses, each with an interrupt line, empty or with a virtio device in it.
 *
 * @module
 */

import { Bridge, Bus, type MachineServices, type PhysAddr, PlaceError, type RegisterBlock } from "@iova/core";
import {
  describeMmioSlot,
  emptyMmioSlot,
  MMIO_SLOT_SIZE,
  mmioRequester,
  offerVirtio,
  VirtioMmioDevice,
  type VirtioPlace,
  type VirtioSpec,
} from "@iova/virtio";

/** Where the slots are. */
export interface MmioSlotsOptions {
  /** How many. */
  readonly slots: number;
  /** First register of slot 0. */
  readonly base: PhysAddr;
  /** Interrupt line of slot 0. */
  readonly line: number;
  /** Whose empty slots they are. */
  readonly personality: "spec" | "qemu";
}

/** What the bus needs of its machine. */
export type MmioServices = Pick<MachineServices, "space" | "interrupts">;

/** What answers in a slot. */
interface Slot {
  holder: string | null;
  block: RegisterBlock;
}

/** All slots of a machine, whichever bus their devices are on. */
export class MmioSlots {
  readonly #services: MmioServices;
  readonly #options: MmioSlotsOptions;
  readonly #empty: RegisterBlock;
  readonly #slots: readonly Slot[];

  /** Puts empty slots into the address space and lets virtio devices plug into `root`. */
  constructor(services: MmioServices, root: Bus, options: MmioSlotsOptions) {
    this.#services = services;
    this.#options = options;
    const empty = this.#empty = emptyMmioSlot(options.personality);
    this.#slots = Array.from({ length: options.slots }, () => ({ holder: null, block: empty }));
    this.#slots.forEach((slot, index) => {
      services.space.addRegisters(this.#base(index), MMIO_SLOT_SIZE, `virtio-mmio slot ${index}`, {
        read: (offset, width) => slot.block.read(offset, width),
        write: (offset, width, value) => slot.block.write(offset, width, value),
      });
    });
    this.#offer(root);
  }

  /** Every slot as a guest is told of it. */
  describe(): string[] {
    return this.#slots.map((_, index) =>
      describeMmioSlot({ base: this.#base(index), size: MMIO_SLOT_SIZE, line: this.#options.line + index }, index)
    );
  }

  /** A bus below `parent` for devices behind a bridge; their registers are slots like all others. */
  addBus(parent: Bus, id: string): Bus {
    const bus = new Bus(id, new Bridge(parent), parent, parent.context);
    this.#offer(bus);
    return bus;
  }

  #offer(bus: Bus): void {
    offerVirtio(bus, (place, spec) => this.#plug(bus, place, spec));
  }

  #plug(bus: Bus, { id, at }: VirtioPlace, spec: VirtioSpec): VirtioMmioDevice {
    const index = this.#place(at);
    const slot = this.#slots[index];
    const port = bus.attach(id, mmioRequester(index));
    const line = this.#options.line + index;
    const device = new VirtioMmioDevice(spec, {
      port,
      drive: (asserted) => this.#services.interrupts.drive(line, asserted),
      remove: () => {
        if (slot.holder !== id) return;
        slot.holder = null;
        slot.block = this.#empty;
        bus.detach(port);
      },
    });
    slot.holder = id;
    slot.block = device;
    return device;
  }

  /** The slot asked for, else the first that is empty. */
  #place(at: string | undefined): number {
    const free = this.#slots.findIndex(({ holder }) => holder === null);
    if (at === undefined) {
      if (free >= 0) return free;
      throw new PlaceError(`${this.#slots.length + 1} devices`, `at most ${this.#slots.length}: one for each slot`);
    }
    const index = /^\d+$/.test(at) ? Number(at) : -1;
    const slot = this.#slots[index];
    if (slot === undefined) throw new PlaceError(`place "${at}"`, `a slot, "0" to "${this.#slots.length - 1}"`);
    if (slot.holder === null) return index;
    const expected = free < 0 ? "a bus with a free slot" : `a free slot, such as "${free}"`;
    throw new PlaceError(`place "${at}", which ${slot.holder} has`, expected);
  }

  #base(index: number): PhysAddr {
    return this.#options.base + index * MMIO_SLOT_SIZE;
  }
}

/**
 * The Xen machine that a PV guest runs on: its frames, the hypervisor, the guest's domain.
 *
 * @module
 */

import { InputError, type MachineServices, PAGE_SIZE, type PhysAddr, type TranslatorHost } from "@iova/core";
import {
  DOM0_MAX_ORDER,
  type Domain,
  DOMU_MAX_ORDER,
  Exchange,
  GrantCalls,
  Hypervisor,
  hypervisorOf,
  MachineMap,
  MemoryCalls,
  XenHypercall,
} from "@iova/xen";
import { ENTRY_BYTES, M2P_BASE } from "../layout.ts";
import { buildDomain } from "./domain_builder.ts";
import { type FrameOrder, machineFrames, ramFrames } from "./frame_layout.ts";
import { MachineBus } from "./machine_bus.ts";

/** How the machine is built. */
export interface PvMachineOptions {
  /** Xen runs in a virtual machine, and the guest is dom0: machine addresses are those of the outer machine. */
  readonly outer: boolean;
  readonly order: FrameOrder;
  /** First machine address of the guest's memory. */
  readonly machineBase: number;
  /** Bytes of machine memory that nobody has at first. */
  readonly spare: number;
  /** Pseudo-physical frames that get machine frames of one's choice. */
  readonly place: ReadonlyMap<number, number>;
}

/** See the module's text. */
export class PvMachine {
  readonly hypervisor: Hypervisor;
  readonly map: MachineMap;
  readonly guest: Domain;
  readonly #services: MachineServices;
  readonly #maxOrder: number;
  readonly #frames: (readonly [pfn: number, mfn: number])[];
  readonly #buses: MachineBus[] = [];

  /** Builds the machine. */
  constructor(services: MachineServices, options: PvMachineOptions) {
    const { space, scheduler } = services;
    this.#services = services;
    const pfns = ramFrames(space);
    const first = options.outer ? 0 : Math.floor(options.machineBase / PAGE_SIZE);
    this.map = new MachineMap(space, first, pfns.length + Math.ceil(options.spare / PAGE_SIZE));
    this.hypervisor = hypervisorOf(services, () => new Hypervisor({ space, frames: this.map }));
    if (this.hypervisor.frames !== this.map) {
      const { file, path } = services.where;
      throw new InputError({ file, path, found: "a PV guest", expected: "one kind of guest in a machine" });
    }
    this.guest = this.hypervisor.createDomain({ id: options.outer ? 0 : 1, kind: "pv" });
    this.#maxOrder = options.outer ? DOM0_MAX_ORDER : DOMU_MAX_ORDER;
    const mfns = machineFrames(options.order, first, pfns.length, services.random);
    this.#frames = this.#placed(pfns, mfns, options.place);
    for (const [pfn, mfn] of this.#frames) this.map.assign(mfn, this.guest.id, pfn);
    space.addRegisters(M2P_BASE, this.map.end * ENTRY_BYTES, "machine-to-physical", this.map);
    this.map.onMoved = (mfn) => {
      for (const bus of this.#buses) bus.moved(mfn);
    };
    this.#answer((nanoseconds) => scheduler.spend(nanoseconds));
  }

  /** The bus of a bridge. */
  bus(host: TranslatorHost): MachineBus {
    const { warn } = this.#services;
    const bus = new MachineBus(host, this.map, { warn, counters: () => this.#counters() });
    this.#buses.push(bus);
    return bus;
  }

  /** Builds the domain: what the guest finds at boot; where its `StartInfo` is. */
  build(allocate: (pages: number) => PhysAddr): PhysAddr {
    const limits = { maxMachineFrame: this.map.end, maxOrder: this.#maxOrder };
    return buildDomain(this.#services.space, allocate, this.#frames, limits);
  }

  #counters(): Record<string, number> {
    return {
      guestCalls: this.hypervisor.counters.guestCalls,
      exchangedPages: this.hypervisor.counters.exchangedPages,
      freeMachineFrames: this.map.free,
    };
  }

  /** Frames of one's choice: who had the machine frame gets the other one. */
  #placed(pfns: number[], mfns: number[], place: ReadonlyMap<number, number>): [number, number][] {
    const pairs = pfns.map((pfn, i): [number, number] => [pfn, mfns[i]]);
    for (const [pfn, mfn] of place) {
      const mine = pairs.find(([other]) => other === pfn);
      if (mine === undefined || mfn < this.map.first || mfn >= this.map.end) this.#refuse(pfn, mfn);
      const theirs = pairs.find(([, other]) => other === mfn);
      if (theirs !== undefined) theirs[1] = mine![1];
      mine![1] = mfn;
    }
    return pairs;
  }

  #refuse(pfn: number, mfn: number): never {
    const { file, path } = this.#services.where;
    const hex = (frame: number) => "0x" + frame.toString(16);
    throw new InputError({
      file,
      path: `${path}.with.place`,
      found: `frame ${hex(pfn)} at machine frame ${hex(mfn)}`,
      expected: `a frame of RAM, and machine frames ${hex(this.map.first)} to ${hex(this.map.end - 1)}`,
    });
  }

  #answer(spend: (nanoseconds: number) => void): void {
    const { onHypercall, events } = this.#services;
    const grants = new GrantCalls(this.hypervisor, this.guest, spend);
    const exchange = new Exchange(this.hypervisor, this.map, this.guest, this.#maxOrder, spend);
    const memory = new MemoryCalls(this.hypervisor, this.guest, spend, exchange);
    const traced = (name: string, call: Parameters<typeof onHypercall>[1]): typeof call => (registers) => {
      const command = registers.lo[0];
      const status = call(registers);
      if (events.listening) events.emit({ type: "hypercall", name, command, status });
      return status;
    };
    onHypercall(XenHypercall.GRANT_TABLE_OP, traced("grant_table_op", (registers) => grants.call(registers)));
    onHypercall(XenHypercall.MEMORY_OP, traced("memory_op", (registers) => memory.call(registers)));
  }
}

// Machines have no place for what several plugin instances share; the address space stands for the machine.
const machines = new WeakMap<object, PvMachine>();

/** The machine of these services: one, however many bridges there are. */
export function pvMachineOf(services: MachineServices, options: PvMachineOptions): PvMachine {
  let machine = machines.get(services.space);
  if (machine === undefined) machines.set(services.space, machine = new PvMachine(services, options));
  return machine;
}

/**
 * The hypervisor of a machine: one for all its host bridges, because hypercalls know bridges only by LIOBN and unit id.
 *
 * @module
 */

import type { HypercallRegisters, MachineServices, RamRegion, Scheduler } from "@iova/core";
import { Hcall, HCALL_ARGUMENTS, HCALL_NAMES } from "../layout.ts";
import { HARDWARE_COSTS } from "./costs.ts";
import type { Entitlement, PartitionMemory } from "./partition.ts";
import { Phb, type PhbConfig } from "./phb.ts";
import { PROFILES, type Rules } from "./profiles.ts";
import { Rtas } from "./rtas.ts";
import { addEehCalls } from "./rtas_eeh.ts";
import { addWindowCalls, type WindowDirectory } from "./rtas_windows.ts";
import { type CallHost, TceCalls } from "./tce_calls.ts";
import type { GuestMemory } from "./tce_list.ts";
import type { Window } from "./window.ts";

/** See the module's text. */
export class Hypervisor implements CallHost, WindowDirectory {
  readonly phbs: Phb[] = [];
  readonly memory: GuestMemory;
  readonly #services: MachineServices;
  readonly #scheduler: Scheduler;

  /** Answers the hypercalls of a machine. */
  constructor(services: MachineServices) {
    this.#services = services;
    this.#scheduler = services.scheduler;
    const { space } = services;
    this.memory = { ram: (address: number): RamRegion | null => space.ram(address) };
    const calls = new TceCalls(this);
    const rtas = new Rtas(this.memory);
    addWindowCalls(rtas, this);
    addEehCalls(rtas, this);
    this.#answer(Hcall.GET_TCE, (r) => calls.getTce(r));
    this.#answer(Hcall.PUT_TCE, (r) => calls.putTce(r));
    this.#answer(Hcall.STUFF_TCE, (r) => calls.stuffTce(r));
    this.#answer(Hcall.PUT_TCE_INDIRECT, (r) => calls.putTceIndirect(r));
    this.#answer(Hcall.RTAS, (r) => {
      this.spend(HARDWARE_COSTS.userSpace);
      return rtas.enter(r);
    });
  }

  /** Adds a host bridge to the partition. */
  addPhb(config: PhbConfig, memory: PartitionMemory, entitlement: Entitlement): Phb {
    const phb = new Phb(this.phbs.length, config, memory, entitlement);
    this.phbs.push(phb);
    return phb;
  }

  /** See {@linkcode CallHost.rules}: those of the first bridge. */
  get rules(): Rules {
    return this.phbs[0]?.rules ?? PROFILES.lopar;
  }

  /** See {@linkcode CallHost.window}. LIOBNs are 0x8000_0000 | bridge << 8 | window. */
  window(hi: number, lo: number): Window | null {
    if (hi !== 0 || lo >= 0) return null;
    const phb = this.phbs[(lo >>> 8) & 0x7f_ffff];
    return phb === undefined ? null : phb.windows[lo & 0xff] ?? null;
  }

  /** See {@linkcode WindowDirectory.bridge}. */
  bridge(buid: bigint): Phb | null {
    return this.phbs.find((phb) => phb.buid === buid) ?? null;
  }

  /** See {@linkcode WindowDirectory.bridgeOf}. */
  bridgeOf(window: Window): Phb {
    return this.phbs[(window.liobn >>> 8) & 0x7f_ffff];
  }

  /** See {@linkcode CallHost.spend}. */
  spend(nanoseconds: number): void {
    this.#scheduler.spend(nanoseconds);
  }

  #answer(number: number, call: (r: HypercallRegisters) => number): void {
    const { events } = this.#services;
    this.#services.onHypercall(number, (r) => {
      if (!events.listening) return call(r);
      const registers = Array.from({ length: HCALL_ARGUMENTS[number] }, (_, i) => "0x" + r.get(i).toString(16));
      const status = call(r);
      events.emit({ type: "hypercall", name: HCALL_NAMES[number], arguments: registers, status });
      return status;
    });
  }
}

// Machines have no place for what several plugin instances share; the address space stands for the machine.
const hypervisors = new WeakMap<object, Hypervisor>();

/** The hypervisor of a machine, made when it is first asked for. */
export function hypervisorOf(services: MachineServices): Hypervisor {
  let hypervisor = hypervisors.get(services.space);
  if (hypervisor === undefined) hypervisors.set(services.space, hypervisor = new Hypervisor(services));
  return hypervisor;
}

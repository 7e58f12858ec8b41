/**
 * A hub: what one port sends, every other port gets. With two ports it is a cable, and a receiver without room makes its
 * sender wait; with more, such a receiver misses the frame.
 *
 * Hubs have names. A name belongs to one machine, or to the whole process: then it joins machines.
 *
 * @module
 */

import type { NetBackend, NetInterface } from "./contract.ts";
import type { Frame } from "./frame.ts";
import { ALL_OFFLOADS } from "./lowering.ts";

/** See the module's text. */
export class Hub {
  readonly #ports: HubPort[] = [];

  /** Ports in use. */
  get size(): number {
    return this.#ports.length;
  }

  /** A new port. */
  join(): NetBackend {
    const port: HubPort = new HubPort(this.#ports, () => {
      const index = this.#ports.indexOf(port);
      if (index >= 0) this.#ports.splice(index, 1);
    });
    this.#ports.push(port);
    return port;
  }
}

class HubPort implements NetBackend {
  readonly up = true;
  nic: NetInterface | null = null;
  /** Its interface has sent a frame that had to wait. */
  waiting = false;
  #frames = 0;
  #missed = 0;

  constructor(readonly ports: readonly HubPort[], readonly leave: () => void) {}

  /** What every other port takes. */
  get accepts(): number {
    let accepts = ALL_OFFLOADS;
    for (const port of this.ports) if (port !== this && port.nic !== null) accepts &= port.nic.accepts;
    return accepts;
  }

  attach(nic: NetInterface): void {
    this.nic = nic;
  }

  send(frame: Frame): boolean {
    const { ports } = this;
    for (let i = 0; i < ports.length; i++) {
      const port = ports[i];
      if (port === this || port.nic === null || port.nic.deliver(frame)) continue;
      if (ports.length === 2) {
        this.waiting = true;
        return false;
      }
      this.#missed++;
    }
    this.#frames++;
    return true;
  }

  resume(): void {
    const { ports } = this;
    for (let i = 0; i < ports.length; i++) if (ports[i] !== this) ports[i].go();
  }

  /** What its interface could not send before, it may try again. */
  go(): void {
    if (!this.waiting) return;
    this.waiting = false;
    this.nic?.ready();
  }

  counters(): Record<string, number> {
    return { frames: this.#frames, missed: this.#missed };
  }

  close(): void {
    this.leave();
    this.nic = null;
    // Nobody is there to wait for.
    for (const port of this.ports) port.go();
  }
}

const machines = new WeakMap<object, Map<string, Hub>>();
const everywhere = new Map<string, Hub>();

/** The hub called `name`: of the machine that `machine` stands for, or, with null, of this process. */
export function hubNamed(name: string, machine: object | null): Hub {
  let hubs = machine === null ? everywhere : machines.get(machine);
  if (hubs === undefined) machines.set(machine!, hubs = new Map());
  let hub = hubs.get(name);
  // An abandoned hub of the process is nobody's: the next machines begin anew.
  if (hub === undefined || (machine === null && hub.size === 0)) hubs.set(name, hub = new Hub());
  return hub;
}

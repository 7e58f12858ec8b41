/**
 * What the guest keeps for one bridge and all devices behind it: addresses, blocks, mappings, the way to the bridge.
 *
 * @module
 */

import type { DmaHandle, GuestPort, PhysAddr } from "@iova/core";
import { BusAddresses, type Reach } from "./guest_addresses.ts";
import { BridgeCommands } from "./guest_commands.ts";
import { fillMemory } from "./guest_copies.ts";
import { BouncePool } from "./guest_memory.ts";
import { type Mapping, MappingTable } from "./guest_table.ts";
import { CommandStatus } from "./layout.ts";

/** Rights of the device by direction: 1 reads, 2 writes. */
const RIGHTS: readonly number[] = [3, 1, 2];
/** The largest block of addresses, as a power of two. */
const LARGEST_ORDER = 30;

/** See the module's text. */
export class StrictGuest {
  readonly table: MappingTable = new MappingTable();
  /** Where addresses come from. */
  readonly addresses: BusAddresses = new BusAddresses();
  readonly commands: BridgeCommands;
  readonly #pool: BouncePool;
  readonly #guest: GuestPort;
  readonly #poison: number;
  /** Blocks that a device may still be touching, and their sizes. */
  readonly #waiting: PhysAddr[] = [];
  readonly #waitingBytes: number[] = [];
  #devices: string[] = [];

  /** For the bridge whose registers are at `registers`. */
  constructor(guest: GuestPort, registers: PhysAddr, poison: number) {
    this.#guest = guest;
    this.#poison = poison;
    this.#pool = new BouncePool(guest.heap);
    this.commands = new BridgeCommands(guest, registers);
  }

  /** Takes a device up and returns its number. */
  enlist(id: string): number {
    return this.#devices.push(id) - 1;
  }

  /** A block for `bytes` bytes, or −1. */
  take(bytes: number, aligned: boolean): PhysAddr {
    if (this.#waiting.length > 0 && this.commands.idle) this.#giveWaiting();
    return this.#pool.take(bytes, aligned);
  }

  /** Poisons a block and gives it back, at once or when no device can be touching it any more. */
  give(block: PhysAddr, bytes: number, idle: boolean): void {
    fillMemory(this.#guest.memory, block, bytes, this.#poison);
    if (idle) return this.#pool.give(block, bytes);
    this.#waiting.push(block);
    this.#waitingBytes.push(bytes);
  }

  /**
   * Gives a mapping an address, written into `out`, and enters it into the bridge. Returns why that cannot be, or null.
   */
  enter(out: DmaHandle, mapping: Mapping, reach: Reach | null): string | null {
    const { size, order, low, frame, direction, requester } = mapping;
    if (reach === null || order > LARGEST_ORDER || !reach.region.take(out, size, order, low, reach.last)) {
      return "bus addresses below the device's mask are used up, and none is used twice";
    }
    const status = this.commands.enter(out, frame, size, RIGHTS[direction], requester);
    if (status === CommandStatus.FULL) return "the bridge has no entry left";
    if (status !== CommandStatus.OK) return "the bridge refused the mapping";
    this.table.add(out, mapping);
    return null;
  }

  /** The slot of a device's mapping that starts at `handle`, or −1. */
  exact({ hi, lo }: DmaHandle, device: number): number {
    const slot = this.table.find(hi, lo);
    if (slot < 0 || this.table.hi[slot] !== hi || this.table.lo[slot] !== lo) return -1;
    return this.table.device[slot] === device ? slot : -1;
  }

  /** Ends it. Devices whose drivers have not given everything back are reported (D1). */
  stop(warn: (id: string, message: string, device: string) => void): void {
    const counts = new Map<number, number>();
    for (const slot of this.table.slots()) {
      const device = this.table.device[slot];
      counts.set(device, (counts.get(device) ?? 0) + 1);
    }
    for (const [device, count] of counts) {
      const what = "device driver has pending DMA allocations while released from device";
      warn("D1", `DMA-API: ${what} [count=${count}]`, this.#devices[device]);
    }
    if (this.commands.idle) this.#giveWaiting();
    this.#pool.trim();
    this.commands.release();
  }

  #giveWaiting(): void {
    while (this.#waiting.length > 0) {
      const block = this.#waiting.pop()!;
      const bytes = this.#waitingBytes.pop()!;
      // What was written since is poisoned too.
      fillMemory(this.#guest.memory, block, bytes, this.#poison);
      this.#pool.give(block, bytes);
    }
  }
}

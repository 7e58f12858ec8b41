/**
 * QEMU's register block for hot-plugging PCI devices under ACPI: the operating system learns here which slots have news,
 * and says here which it has given up (QEMU, docs/specs/acpi_pci_hotplug).
 *
 * @module
 */

import type { IoSpace, RegisterBlock, Width } from "@iova/core";

/** First port of the block on PCs. */
export const PCI_HOTPLUG_PORT = 0xae00;
const SIZE = 0x18;
const Register = { UP: 0x00, DOWN: 0x04, EJECT: 0x08, REMOVABLE: 0x0c, BUS: 0x10 } as const;
/** What the eject register reads: no feature is defined. */
const FEATURES = 0;

/** See the module's text. Slots are bits: bit n is device n of the root bus. */
export class SlotEjector implements RegisterBlock {
  /** Is told when the operating system has given a slot up. */
  onEject: (slot: number) => void = () => {};
  #up = 0;
  #down = 0;
  #bus = 0;

  /** Puts the block at its ports. `removable` gives the slots that are not soldered. */
  constructor(io: IoSpace, readonly removable: () => number) {
    io.add(PCI_HOTPLUG_PORT, SIZE, this);
  }

  /** A device has come. */
  plugged(slot: number): void {
    this.#up |= 1 << slot;
  }

  /** Somebody wants a device to go. */
  request(slot: number): void {
    this.#down |= 1 << slot;
  }

  /** A reset of the machine: the operating system, which knew of requests, is gone. */
  reset(): void {
    this.#up = this.#down = this.#bus = 0;
  }

  /** See `RegisterBlock`. What is new in a register is told once. */
  read(offset: number, width: Width): number {
    if (width !== 4) return 0;
    if (offset === Register.EJECT) return FEATURES;
    if (offset === Register.BUS) return this.#bus >>> 0;
    if (this.#bus !== 0) return 0;
    if (offset === Register.UP) {
      const up = this.#up;
      this.#up = 0;
      return up >>> 0;
    }
    if (offset === Register.DOWN) return this.#down >>> 0;
    return offset === Register.REMOVABLE ? this.removable() >>> 0 : 0;
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    if (width !== 4) return;
    if (offset === Register.BUS) this.#bus = value;
    if (offset !== Register.EJECT || this.#bus !== 0) return;
    for (let slot = 0; slot < 32; slot++) {
      if ((value & 1 << slot) === 0) continue;
      this.#down &= ~(1 << slot);
      this.onEject(slot);
    }
  }
}

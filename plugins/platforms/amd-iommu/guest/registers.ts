/**
 * The register window as the operating system uses it (Linux `iommu_feature_enable`, `readq`, `writeq`).
 *
 * @module
 */

import type { GuestPort, PhysAddr } from "@iova/core";
import { Control, Register } from "../layout.ts";

/** A switch of the control register that is one bit. */
export type ControlSwitch = keyof typeof Control.mask;

/** 64-bit registers, accessed as two 32-bit halves, low half first. */
export class Registers {
  readonly #guest: GuestPort;
  readonly #base: PhysAddr;

  /** The window at `base`. */
  constructor(guest: GuestPort, base: PhysAddr) {
    this.#guest = guest;
    this.#base = base;
  }

  /** The low half of a register, unsigned. */
  read(offset: number): number {
    return this.#guest.read(this.#base + offset, 4);
  }

  /** Writes the low half only: head and tail pointers, status. */
  write(offset: number, value: number): void {
    this.#guest.write(this.#base + offset, 4, value);
  }

  /** All 8 bytes. */
  read64(offset: number): Uint8Array {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.read(offset), true);
    view.setUint32(4, this.read(offset + 4), true);
    return bytes;
  }

  /** Writes 8 bytes. */
  write64(offset: number, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
    this.write(offset, view.getUint32(0, true));
    this.write(offset + 4, view.getUint32(4, true));
  }

  /** Sets a field of the control register: read, change, write, one field at a time as the kernel does. */
  control(field: ControlSwitch, value: number): void {
    const fields = Control.decode(this.read64(Register.CONTROL));
    fields[field] = value;
    this.write64(Register.CONTROL, Control.encode(fields));
  }
}

/**
 * How a virtio PCI function interrupts (virtio 1.4 §4.1.4.5, §4.1.5): a vector for the configuration and one for each
 * queue while MSI-X is enabled, else the interrupt status and the pin.
 *
 * @module
 */

import type { PciFunction } from "@iova/pci";
import { Isr, NO_VECTOR } from "./layout_pci.ts";

/** The interrupts of one function. Both of its interfaces share them. */
export class PciInterrupts {
  /** Vector of configuration changes. */
  configVector: number = NO_VECTOR;
  /** Vector of each queue. */
  readonly queueVectors: Uint16Array;
  readonly #fn: PciFunction;
  #isr = 0;

  /** The interrupts of `fn`, which has `queues` queues. */
  constructor(fn: PciFunction, queues: number) {
    this.#fn = fn;
    this.queueVectors = new Uint16Array(queues).fill(NO_VECTOR);
  }

  /** Whether MSI-X is enabled. */
  get messages(): boolean {
    return this.#fn.msix?.enabled ?? false;
  }

  /** What becomes of a vector that the driver writes: one that does not exist reads back as "none". */
  vector(value: number): number {
    return value < (this.#fn.msix?.vectors ?? 0) ? value : NO_VECTOR;
  }

  /** Queue `index` has used buffers. */
  notifyQueue(index: number): void {
    this.#interrupt(this.queueVectors[index], Isr.QUEUE);
  }

  /** The configuration has changed. */
  notifyConfig(): void {
    // As QEMU does: a driver that looks at both bits misses nothing (virtio_notify_config).
    this.#interrupt(this.configVector, Isr.QUEUE | Isr.CONFIG);
  }

  /** Reading the interrupt status clears it and deasserts the pin (§4.1.4.5). */
  takeIsr(): number {
    const isr = this.#isr;
    this.#isr = 0;
    this.#fn.deassertIntx();
    return isr;
  }

  /** Back to power-on. */
  reset(): void {
    this.configVector = NO_VECTOR;
    this.queueVectors.fill(NO_VECTOR);
    this.takeIsr();
  }

  #interrupt(vector: number, bits: number): void {
    if (this.messages) {
      if (vector !== NO_VECTOR) this.#fn.msix!.raise(vector);
      return;
    }
    this.#isr |= bits;
    this.#fn.assertIntx();
  }
}

/**
 * What the frontend says: ids and words of Linux's DMA debugging where it has them.
 *
 * @module
 */

import {
  type Direction,
  DIRECTION_NAMES,
  DMA_MAPPING_ERROR,
  type DmaContext,
  type DmaHandle,
  formatAddress,
} from "@iova/core";

/** Reports about one device. */
export class Reports {
  readonly #context: DmaContext;

  /** Reports through `context`. */
  constructor(context: DmaContext) {
    this.#context = context;
  }

  /** D2, D3: nothing is mapped at this handle, or it is the failure value. */
  notMapped({ value }: DmaHandle, size: number): void {
    if (value === DMA_MAPPING_ERROR) return this.#say("D3", "tries to free an invalid DMA memory address");
    this.#say("D2", `tries to free DMA memory it has not allocated ${at(value)} [size=${size} bytes]`);
  }

  /** D4. */
  otherSize({ value }: DmaHandle, mapped: number, unmapped: number): void {
    const sizes = `[map size=${mapped} bytes] [unmap size=${unmapped} bytes]`;
    this.#say("D4", `frees DMA memory with different size ${at(value)} ${sizes}`);
  }

  /** D5. */
  otherKind({ value }: DmaHandle, size: number): void {
    this.#say("D5", `frees DMA memory with wrong function ${at(value)} [size=${size} bytes]`);
  }

  /** D8. */
  otherDirection({ value }: DmaHandle, mapped: number, unmapped: Direction): void {
    const directions = `[mapped with ${DIRECTION_NAMES[mapped]}] [unmapped with ${DIRECTION_NAMES[unmapped]}]`;
    this.#say("D8", `frees DMA memory with different direction ${at(value)} ${directions}`);
  }

  /** D16. */
  syncOfNothing({ value }: DmaHandle, size: number): void {
    this.#say("D16", `tries to sync DMA memory it has not allocated ${at(value)} [size=${size} bytes]`);
  }

  /** The backend still holds a page: its reference cannot be used again. */
  inUse(ref: number, broken: boolean): void {
    const after = broken ? "the device is broken: nothing can be mapped for it any more" : "it is freed later";
    this.#context.warn("grant-in-use", `xen-grant: reference ${ref} is still in use by the backend; ${after}`);
  }

  /** A deferred page has been tried often. */
  stillInUse(ref: number, tries: number): void {
    this.#context.warn("grant-in-use", `xen-grant: reference ${ref} still in use by the backend after ${tries} tries`);
  }

  #say(id: string, what: string): void {
    this.#context.warn(id, `xen-grant: device driver ${what}`);
  }
}

function at(value: bigint): string {
  return `[device address=${formatAddress(value)}]`;
}

/**
 * What `strict` says to a driver that breaks the contract: ids and words of Linux's DMA debugging where it has them.
 *
 * @module
 */

import {
  type Direction,
  DIRECTION_NAMES,
  DMA_MAPPING_ERROR,
  DmaAttr,
  type DmaContext,
  type DmaHandle,
  formatAddress,
} from "@iova/core";
import { KIND_NAMES } from "./guest_table.ts";

/** Reports about one device's driver. */
export class Reports {
  readonly #context: DmaContext;

  constructor(context: DmaContext) {
    this.#context = context;
  }

  /** A map that cannot be done. Always false, which is what the map then returns. */
  refused(attrs: number, id: string, why: string): false {
    if ((attrs & DmaAttr.NO_WARN) === 0) this.#context.warn(id, `strict: ${why}`);
    return false;
  }

  /** D12: the buffer is no memory. */
  notMemory(attrs: number, cpu: number, size: number): false {
    if ((attrs & DmaAttr.NO_WARN) === 0) {
      this.#say("D12", `maps memory from invalid area [addr=${formatAddress(cpu)}] [len=${size}]`);
    }
    return false;
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
  otherKind({ value }: DmaHandle, size: number, mapped: number, unmapped: number): void {
    const kinds = `[mapped as ${KIND_NAMES[mapped]}] [unmapped as ${KIND_NAMES[unmapped]}]`;
    this.#say("D5", `frees DMA memory with wrong function ${at(value)} [size=${size} bytes] ${kinds}`);
  }

  /** D6. */
  otherCpu({ value }: DmaHandle, size: number, allocated: number, freed: number): void {
    const cpus = `[cpu alloc address=${formatAddress(allocated)}] [cpu free address=${formatAddress(freed)}]`;
    this.#say("D6", `frees DMA memory with different CPU address ${at(value)} [size=${size} bytes] ${cpus}`);
  }

  /** D8. */
  otherDirection({ value }: DmaHandle, size: number, mapped: number, unmapped: Direction): void {
    const directions = `[mapped with ${DIRECTION_NAMES[mapped]}] [unmapped with ${DIRECTION_NAMES[unmapped]}]`;
    this.#say("D8", `frees DMA memory with different direction ${at(value)} [size=${size} bytes] ${directions}`);
  }

  /** D16. */
  syncOfNothing({ value }: DmaHandle, size: number): void {
    this.#say("D16", `tries to sync DMA memory it has not allocated ${at(value)} [size=${size} bytes]`);
  }

  /** D17. */
  syncPastEnd({ value }: DmaHandle, size: number, end: number): void {
    const sizes = `[allocation size=${size} bytes] [sync offset+size=${end}]`;
    this.#say("D17", `syncs DMA memory outside allocated range ${at(value)} ${sizes}`);
  }

  /** D18. */
  syncDirection({ value }: DmaHandle, size: number, mapped: number, synced: Direction): void {
    const directions = `[mapped with ${DIRECTION_NAMES[mapped]}] [synced with ${DIRECTION_NAMES[synced]}]`;
    this.#say("D18", `syncs DMA memory with different direction ${at(value)} [size=${size} bytes] ${directions}`);
  }

  /** E3: the driver wrote to a buffer while the device owned it. */
  cpuWrote(cpu: number, size: number): void {
    const where = `[addr=${formatAddress(cpu)}] [size=${size} bytes]`;
    this.#context.warn("E3", `strict: the CPU wrote to a buffer that was the device's ${where}`);
  }

  #say(id: string, what: string): void {
    this.#context.warn(id, `DMA-API: device driver ${what}`);
  }
}

function at(value: bigint): string {
  return `[device address=0x${value.toString(16).padStart(16, "0")}]`;
}

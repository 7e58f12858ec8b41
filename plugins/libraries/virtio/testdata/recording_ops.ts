/** DMA operations that keep a record, and the list of conformance cases C12 and C13. */

import { type Direction, DIRECTION_NAMES, type DmaHandle, type PhysAddr, PhysicalDmaOps } from "@iova/core";
import { BufferList } from "../driver_buffers.ts";

/** Identity mapping that keeps a record and fails when it is told to. */
export class RecordingOps extends PhysicalDmaOps {
  readonly calls: string[] = [];
  /** The map call that fails, counted from 1. */
  failing = 0;

  protected override map(out: DmaHandle, cpu: PhysAddr, size: number, direction?: Direction): boolean {
    const name = `map ${cpu.toString(16)} ${size} ${DIRECTION_NAMES[direction!]}`;
    const fails = --this.failing === 0;
    this.calls.push(fails ? `${name}: error` : name);
    out.setNumber(cpu);
    return !fails;
  }

  protected override unmap(handle?: DmaHandle, size?: number, direction?: Direction): void {
    this.calls.push(`unmap ${handle!.value.toString(16)} ${size} ${DIRECTION_NAMES[direction!]}`);
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: bigint): void {
    this.calls.push(`free ${size}`);
    super.freeCoherent(size, cpu, handle);
  }
}

/** Two buffers to read and two to write. */
export function requestList(): BufferList {
  return new BufferList(8).out(0x10000, 16).out(0x11000, 512).in(0x12000, 512).in(0x13000, 1);
}

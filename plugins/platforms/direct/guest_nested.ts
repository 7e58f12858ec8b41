/**
 * The guest half of an offset in a bridge below other platforms: the platform above makes the address, the offset is
 * added to it.
 *
 * @module
 */

import {
  BaseDmaOps,
  type CoherentBuffer,
  type Direction,
  type DmaAddr,
  dmaBitMask,
  type DmaContext,
  type DmaHandle,
  type DmaOps,
  Errno,
  type PhysAddr,
} from "@iova/core";
import { Offset } from "./guest_offset.ts";

/** See the module's text. */
export class NestedDirectDmaOps extends BaseDmaOps {
  readonly #above: DmaOps;
  readonly #offset: Offset;
  override readonly params: DmaOps["params"];

  /** The operations of one device, over those of the bridge above. */
  constructor(context: DmaContext, above: DmaOps, offset: DmaAddr) {
    super(context);
    this.#above = above;
    this.params = above.params;
    this.#offset = new Offset(offset);
    this.setMaskAndCoherent(dmaBitMask(32));
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction, attrs: number): boolean {
    if (!this.#above.mapInto(out, cpu, size, direction, attrs)) return false;
    this.#offset.add(out);
    return true;
  }

  protected unmap(handle: DmaHandle, size: number, direction: Direction, attrs: number): void {
    this.#above.unmapFrom(this.#offset.subtract(handle), size, direction, attrs);
  }

  protected override syncForCpu(handle: DmaHandle, size: number, direction: Direction): void {
    this.#above.syncSingleForCpu(this.#offset.subtract(handle).value, size, direction);
  }

  protected override syncForDevice(handle: DmaHandle, size: number, direction: Direction): void {
    this.#above.syncSingleForDevice(this.#offset.subtract(handle).value, size, direction);
  }

  override allocCoherent(size: number, attrs = 0): CoherentBuffer | null {
    const buffer = this.#above.allocCoherent(size, attrs);
    return buffer === null ? null : { cpu: buffer.cpu, handle: this.#offset.plus(buffer.handle), size };
  }

  override freeCoherent(size: number, cpu: PhysAddr, handle: DmaAddr, attrs = 0): void {
    this.#above.freeCoherent(size, cpu, this.#offset.minus(handle), attrs);
  }

  override mapResource(registers: PhysAddr, size: number, direction: Direction, attrs = 0): DmaAddr {
    const handle = this.#above.mapResource(registers, size, direction, attrs);
    return this.#above.mappingError(handle) === 0 ? this.#offset.plus(handle) : handle;
  }

  override unmapResource(handle: DmaAddr, size: number, direction: Direction, attrs = 0): void {
    this.#above.unmapResource(this.#offset.minus(handle), size, direction, attrs);
  }

  override setMask(mask: bigint): number {
    return this.#setMask(mask, (above) => this.#above.setMask(above));
  }

  override setCoherentMask(mask: bigint): number {
    return this.#setMask(mask, (above) => this.#above.setCoherentMask(above));
  }

  override requiredMask(): bigint {
    return dmaBitMask(Math.min((this.#above.requiredMask() + this.#offset.value).toString(2).length, 64));
  }

  override maxMappingSize(): number {
    return this.#above.maxMappingSize();
  }

  override optMappingSize(): number {
    return this.#above.optMappingSize();
  }

  override needSync(handle: DmaAddr): boolean {
    return this.#above.needSync(this.#offset.minus(handle));
  }

  /** The platform above has to stay below the mask by the offset. */
  #setMask(mask: bigint, set: (above: bigint) => number): number {
    const above = BigInt.asUintN(64, mask) - this.#offset.value;
    return above <= 0n ? -Errno.EIO : set(above);
  }
}

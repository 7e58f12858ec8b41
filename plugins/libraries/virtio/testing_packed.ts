/**
 * A packed ring as raw bytes in guest memory, for tests of devices.
 *
 * @module
 */

import type { AddressSpace, PhysAddr } from "@iova/core";
import { fromHex, toHex } from "@iova/fields/testing";
import { EventFlag, packedBytes, PackedDesc, PackedEvent, PackedFlag } from "./layout_packed.ts";

/** Where a mock ring lies. */
export interface MockPackedOptions {
  /** Entries. */
  readonly size: number;
  /** First byte, as the CPU sees it; the two event structures follow the ring. */
  readonly base: PhysAddr;
  /** What is added to a physical address to make a bus address. Default 0. */
  readonly offset?: bigint;
}

/** A descriptor's fields; those left out are zero. */
export type MockPackedDesc = Partial<{ addr: bigint; len: number; id: number; flags: number }>;

/** A packed ring as raw bytes. Nothing is checked: a test may write what it likes. */
export class MockPackedRing {
  /** Entries. */
  readonly size: number;
  /** First byte of each part, as the CPU sees it. */
  readonly at: { readonly desc: PhysAddr; readonly driver: PhysAddr; readonly device: PhysAddr };
  /** Bus addresses of descriptor area, driver area, device area. */
  readonly addresses: readonly [bigint, bigint, bigint];
  /** Where the next chain goes. */
  position = 0;
  /** The driver's wrap counter. */
  wrap = 1;
  readonly #memory: AddressSpace;

  /** A ring of zeros in `memory`. */
  constructor(memory: AddressSpace, { size, base, offset = 0n }: MockPackedOptions) {
    this.size = size;
    this.#memory = memory;
    const driver = base + packedBytes(size);
    this.at = { desc: base, driver, device: driver + PackedEvent.size };
    const { at } = this;
    this.addresses = [BigInt(at.desc) + offset, BigInt(at.driver) + offset, BigInt(at.device) + offset];
    memory.bytes(base, packedBytes(size) + 2 * PackedEvent.size).fill(0);
  }

  /** Writes the descriptor in slot `index`, from fields or from 16 bytes in hexadecimal. */
  desc(index: number, desc: MockPackedDesc | string): void {
    this.entry(this.at.desc + index * PackedDesc.size, desc);
  }

  /** Writes a descriptor anywhere: an entry of an indirect table. */
  entry(address: PhysAddr, desc: MockPackedDesc | string): void {
    this.#memory.bytes(address, PackedDesc.size).set(
      typeof desc === "string" ? fromHex(desc) : PackedDesc.encode(desc),
    );
  }

  /** Makes a chain available in the next slots, under buffer id `id`; the first slot's flags are written last. */
  chain(id: number, descs: readonly MockPackedDesc[]): void {
    const first = this.position;
    const written: [number, MockPackedDesc][] = descs.map((desc, i) => {
      const more = i < descs.length - 1 ? PackedFlag.NEXT : 0;
      const available = this.wrap === 1 ? PackedFlag.AVAIL : PackedFlag.USED;
      const slot = this.position;
      this.position = slot + 1 === this.size ? 0 : slot + 1;
      if (this.position === 0) this.wrap ^= 1;
      return [slot, { ...desc, id, flags: (desc.flags ?? 0) | more | available }];
    });
    for (const [slot, desc] of written.slice(1)) this.desc(slot, desc);
    if (written.length > 0) this.desc(first, written[0][1]);
  }

  /** The bytes of slot `index` in hexadecimal. */
  slot(index: number): string {
    return toHex(this.#memory.bytes(this.at.desc + index * PackedDesc.size, PackedDesc.size));
  }

  /** What the device wrote into slot `index`. */
  used(index: number): [id: number, length: number, flags: number] {
    const at = this.at.desc + index * PackedDesc.size;
    const { id, len, flags } = PackedDesc.decode(this.#memory.bytes(at, PackedDesc.size));
    return [id, len, flags];
  }

  /** When the driver wants interrupts: a value of `EventFlag`, and for `DESC` the place. */
  wantInterrupts(flags: number, position = 0, wrap = 0): void {
    const event = PackedEvent.encode({ off_wrap: position | wrap << 15, flags });
    this.#memory.bytes(this.at.driver, PackedEvent.size).set(event);
  }

  /** The device's event structure in hexadecimal. */
  get deviceEvent(): string {
    return toHex(this.#memory.bytes(this.at.device, PackedEvent.size));
  }

  /** Says that no interrupt is wanted. */
  noInterrupts(): void {
    this.wantInterrupts(EventFlag.DISABLE);
  }
}

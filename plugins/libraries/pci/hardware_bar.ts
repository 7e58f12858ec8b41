/**
 * Base address registers (PCI 3.0 §6.2.5.1), and the one place where they become addresses of the machine.
 *
 * @module
 */

import { type AddressSpace, type IoSpace, type RegisterBlock, type RegisterRegion, TWO32 } from "@iova/core";
import type { ConfigSpace } from "./hardware_config.ts";
import type { PciBarSpec } from "./hardware_spec.ts";
import { Header0, IoBar, MemoryBar } from "./layout.ts";

/** First address that no BAR reaches: physical addresses end at bit 51. */
const ADDRESS_LIMIT = 2 ** 52;
const PORT_LIMIT = 0x10000;

/** One base address register. */
export class Bar {
  /** Where it decodes now; −1 when it does not. */
  mappedAt: number = -1;
  /** Where it last could not decode because something else was there; −1 when it can. */
  refusedAt: number = -1;
  /** What it is in the physical address space while it decodes; null for I/O. */
  region: RegisterRegion | null = null;
  /** What it is on its bus while it decodes, for peers; null for I/O. */
  claim: RegisterRegion | null = null;
  /** What it is in the I/O space; one object for each BAR, because that is how it is taken away again. */
  readonly ports: RegisterBlock;
  readonly #config: ConfigSpace;
  readonly #at: number;
  // The block as the CPU reaches it.
  #block: RegisterBlock;

  /** Defines the register's bits in `config`. `name` is what the region is called. */
  constructor(readonly name: string, readonly spec: PciBarSpec, config: ConfigSpace) {
    checkBar(name, spec);
    this.#config = config;
    this.#at = barOffset(spec.index);
    this.#block = spec.block;
    this.ports = {
      read: (offset, width) => this.#block.read(offset, width),
      write: (offset, width, value) => this.#block.write(offset, width, value),
    };
    const { kind, width = 32, size } = spec;
    const wide = kind === "memory" && width === 64;
    const type = kind === "io" ? IoBar.encode({ io: 1 }) : MemoryBar.encode({
      type: wide ? 2 : 0,
      prefetchable: spec.prefetchable ? 1 : 0,
    });
    config.define(this.#at, type);
    // The bits below the size are not there: this is how the size is read (all ones written, size mask read).
    config.allow(this.#at, 4, -size & (kind === "io" ? IoBar.mask.base : MemoryBar.mask.base));
    if (wide) config.allow(this.#at + 4, 4, -1);
  }

  /** Bytes of configuration space that it takes. */
  get bytes(): number {
    return this.spec.width === 64 ? 8 : 4;
  }

  /** Offset of the register in configuration space. */
  get at(): number {
    return this.#at;
  }

  /** First address as the register has it; −1 when that is no address of this machine, or 0. */
  get base(): number {
    const { kind, size, width } = this.spec;
    const low = this.#config.view.getUint32(this.#at, true);
    if (kind === "io") return checked((low & IoBar.mask.base) >>> 0, size, PORT_LIMIT);
    const high = width === 64 ? this.#config.view.getUint32(this.#at + 4, true) : 0;
    return checked(high * TWO32 + ((low & MemoryBar.mask.base) >>> 0), size, ADDRESS_LIMIT);
  }

  /**
   * Puts it, or `block` in its place, at its bus address, which the CPU finds at `at`; false when something else is there.
   */
  map(base: number, at: number, space: AddressSpace, io: IoSpace, block: RegisterBlock = this.spec.block): boolean {
    const { kind, size } = this.spec;
    this.#block = block;
    try {
      if (kind === "io") io.add(base, size, this.ports);
      else this.region = space.addRegisters(at, size, this.name, block);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.mappedAt = base;
    this.claim = this.region === null || at === base ? this.region : { ...this.region, base };
    return true;
  }

  /** Takes it away from its address. */
  unmap(space: AddressSpace, io: IoSpace): void {
    if (this.region !== null) space.remove(this.region);
    else if (this.mappedAt >= 0) io.remove(this.ports);
    this.region = this.claim = null;
    this.mappedAt = -1;
  }
}

/** Offset of BAR `index` in configuration space. */
export function barOffset(index: number): number {
  return Header0.at.bar0 + 4 * index;
}

function checked(base: number, size: number, limit: number): number {
  return base === 0 || base + size > limit ? -1 : base;
}

function checkBar(name: string, { index, kind, size, width = 32 }: PciBarSpec): void {
  const [least, most] = kind === "io" ? [4, 256] : [16, 2 ** 31];
  const last = width === 64 ? index + 1 : index;
  if (!Number.isInteger(index) || index < 0 || last > 5) throw new RangeError(`${name}: there are BARs 0 to 5`);
  if (kind === "io" && width === 64) throw new RangeError(`${name}: I/O BARs have 32 bits`);
  if (size < least || size > most || 2 ** Math.round(Math.log2(size)) !== size) {
    throw new RangeError(`${name}: ${size} bytes is no power of two from ${least} to ${most}`);
  }
}

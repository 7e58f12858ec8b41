/**
 * MSI-X: the table and the pending bits, behind a BAR, and the messages (PCI 3.0 §6.8).
 *
 * @module
 */

import { BusStatus, type DevicePort, type RegisterBlock, type Width } from "@iova/core";
import type { ConfigSpace } from "./hardware_config.ts";
import type { PciMsixSpec } from "./hardware_spec.ts";
import { MsixCapability, MsixEntry } from "./layout.ts";

const ENTRY_WORDS = MsixEntry.size / 4;
const UPPER = MsixEntry.at.upperAddress / 4;
const DATA = MsixEntry.at.data / 4;
const CONTROL = MsixEntry.at.mask / 4;
const MASKED = MsixEntry.mask.mask;
/** The guest may write these bits of each word of an entry. */
const WRITABLE = [~3, -1, -1, MASKED];

/** The MSI-X unit of one function. */
export class Msix implements RegisterBlock {
  /** Vectors in the table. */
  readonly vectors: number;
  /** Messages sent. */
  sent = 0;
  readonly #entries: Int32Array;
  readonly #pending: Int32Array;
  readonly #tableAt: number;
  readonly #pbaAt: number;
  readonly #inner: RegisterBlock | null;
  readonly #port: DevicePort;
  #enabled = false;
  #functionMask = false;

  /** A unit that sends through `port`; what lies beside table and pending bits is `inner`'s. */
  constructor(spec: Required<PciMsixSpec>, inner: RegisterBlock | null, port: DevicePort) {
    this.vectors = spec.vectors;
    this.#tableAt = spec.tableOffset;
    this.#pbaAt = spec.pbaOffset;
    this.#inner = inner;
    this.#port = port;
    this.#entries = new Int32Array(spec.vectors * ENTRY_WORDS);
    this.#pending = new Int32Array(pbaBytes(spec.vectors) / 4);
    this.reset();
  }

  /** Whether messages are enabled; INTx is not used then. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /**
   * Raises a vector: a message now, or a pending bit while it is masked. False when nothing was sent or noted: MSI-X is
   * off or there is no such vector.
   */
  raise(vector: number): boolean {
    if (!this.#enabled || vector < 0 || vector >= this.vectors) return false;
    if (this.#functionMask || (this.#entries[vector * ENTRY_WORDS + CONTROL] & MASKED) !== 0) {
      this.#pending[vector >> 5] |= 1 << (vector & 31);
      return true;
    }
    this.#send(vector);
    return true;
  }

  /** Whether a masked vector waits. */
  isPending(vector: number): boolean {
    return (this.#pending[vector >> 5] >>> (vector & 31) & 1) === 1;
  }

  /** The guest wrote the capability's control bits. */
  control(enabled: boolean, functionMask: boolean): void {
    this.#enabled = enabled;
    this.#functionMask = functionMask;
    if (enabled && !functionMask) { for (let vector = 0; vector < this.vectors; vector++) this.#deliver(vector); }
  }

  /** Back to power-on: all masked, nothing pending. The capability's control bits are reset with configuration space. */
  reset(): void {
    this.#entries.fill(0);
    for (let vector = 0; vector < this.vectors; vector++) this.#entries[vector * ENTRY_WORDS + CONTROL] = MASKED;
    this.#pending.fill(0);
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    const table = offset - this.#tableAt;
    if (table >= 0 && table + width <= this.#entries.byteLength) return loadBytes(this.#entries, table, width);
    const pba = offset - this.#pbaAt;
    if (pba >= 0 && pba + width <= this.#pending.byteLength) return loadBytes(this.#pending, pba, width);
    return this.#inner === null ? 0 : this.#inner.read(offset, width);
  }

  /** See `RegisterBlock`. Pending bits are read-only. */
  write(offset: number, width: Width, value: number): void {
    const table = offset - this.#tableAt;
    if (table >= 0 && table + width <= this.#entries.byteLength) {
      for (let i = 0; i < width; i++) this.#writeByte(table + i, value >>> (8 * i) & 0xff);
      this.#deliver(Math.floor(table / MsixEntry.size));
      return;
    }
    const pba = offset - this.#pbaAt;
    if (pba >= 0 && pba < this.#pending.byteLength) return;
    this.#inner?.write(offset, width, value);
  }

  #writeByte(at: number, value: number): void {
    const word = at >> 2;
    const shift = (at & 3) * 8;
    const writable = WRITABLE[word % ENTRY_WORDS] & 0xff << shift;
    this.#entries[word] = this.#entries[word] & ~writable | value << shift & writable;
  }

  /** Sends what waited for this vector to be unmasked. */
  #deliver(vector: number): void {
    if (!this.isPending(vector) || !this.#enabled || this.#functionMask) return;
    if ((this.#entries[vector * ENTRY_WORDS + CONTROL] & MASKED) !== 0) return;
    this.#pending[vector >> 5] &= ~(1 << (vector & 31));
    this.#send(vector);
  }

  #send(vector: number): void {
    const entry = vector * ENTRY_WORDS;
    const entries = this.#entries;
    const status = this.#port.write32(entries[entry + UPPER], entries[entry], entries[entry + DATA]);
    if (status === BusStatus.PENDING) this.#port.park(() => void this.raise(vector));
    else if (status === BusStatus.OK) this.sent++;
  }
}

/** Bytes of the pending bits: whole 64-bit words. */
export function pbaBytes(vectors: number): number {
  return Math.ceil(vectors / 64) * 8;
}

/** Fills in where table and pending bits go, and the size of a BAR that holds nothing else. */
export function placeMsix(spec: PciMsixSpec, ownBar: boolean): { spec: Required<PciMsixSpec>; size: number } {
  const { tableOffset = 0 } = spec;
  const end = tableOffset + spec.vectors * MsixEntry.size;
  const half = Math.max(2048, powerOfTwo(end));
  const pbaOffset = spec.pbaOffset ?? (ownBar ? half : Math.ceil(end / 8) * 8);
  return {
    spec: { ...spec, tableOffset, pbaOffset },
    size: powerOfTwo(Math.max(end, pbaOffset + pbaBytes(spec.vectors))),
  };
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast));
}

/** Puts the MSI-X capability's control bits under the guest's hand; returns the capability's body. */
export function msixBody(spec: Required<PciMsixSpec>): Uint8Array {
  const bytes = MsixCapability.encode({
    tableSize: spec.vectors - 1,
    tableBar: spec.bar,
    tableOffset: spec.tableOffset / 8,
    pbaBar: spec.bar,
    pbaOffset: spec.pbaOffset / 8,
  });
  return bytes.subarray(2);
}

/** The bits of {@linkcode msixBody} that the guest may write. */
export function msixWritable(): Uint8Array {
  return MsixCapability.encode({ enable: 1, functionMask: 1 }).subarray(2);
}

/** The control bits as they stand at `at` in configuration space. */
export function msixControl(config: ConfigSpace, at: number): { enabled: boolean; functionMask: boolean } {
  const control = config.view.getUint16(at + MsixCapability.at.enable, true);
  return {
    enabled: (control & MsixCapability.mask.enable) !== 0,
    functionMask: (control & MsixCapability.mask.functionMask) !== 0,
  };
}

function loadBytes(words: Int32Array, at: number, width: Width): number {
  const word = words[at >> 2] >>> ((at & 3) * 8);
  // An access that runs into the next word takes its low bytes from there.
  const spill = (at & 3) + width - 4;
  const value = spill > 0 ? word | words[(at >> 2) + 1] << (width - spill) * 8 : word;
  return width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
}

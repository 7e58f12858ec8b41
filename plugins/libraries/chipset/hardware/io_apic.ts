/**
 * The I/O APIC's registers (82093AA §3): a select register, a window, and a redirection entry for each input. The machine
 * has no local APIC: entries are kept, and what they send is not.
 *
 * @module
 */

import type { RegisterBlock, Width } from "@iova/core";
import { IO_APIC_PINS, IoApicRedirection, IoApicRegister } from "../layout.ts";

const ID = 0x00;
const VERSION = 0x01;
const ARBITRATION = 0x02;
const FIRST_ENTRY = 0x10;
const VERSION_VALUE = (IO_APIC_PINS - 1) << 16 | 0x20;
const ID_BITS = 0x0f00_0000;
/** The bits of an entry's low half that software writes: all but the two that the hardware tells. */
const LOW_WRITABLE = 0x1_ffff & ~(IoApicRedirection.mask.deliveryStatus | IoApicRedirection.mask.remoteIrr);
/** The high half holds the destination; like QEMU's, this one also keeps what is reserved there. */
const HIGH_WRITABLE = -1;

/** See the module's text. */
export class IoApic implements RegisterBlock {
  #select = 0;
  #id = 0;
  readonly #entries = new Int32Array(2 * IO_APIC_PINS);

  /** As at power-on. */
  constructor() {
    this.reset();
  }

  /** Back to power-on: every input masked. */
  reset(): void {
    this.#select = this.#id = 0;
    for (let i = 0; i < this.#entries.length; i++) this.#entries[i] = i % 2 === 0 ? IoApicRedirection.mask.mask : 0;
  }

  /** See `RegisterBlock`. */
  read(offset: number, width: Width): number {
    if (offset === IoApicRegister.SELECT) return this.#select;
    if (offset !== IoApicRegister.WINDOW || width !== 4) return 0;
    const { [this.#select - FIRST_ENTRY]: entry } = this.#entries;
    if (entry !== undefined) return entry >>> 0;
    if (this.#select === ID || this.#select === ARBITRATION) return this.#id >>> 0;
    return this.#select === VERSION ? VERSION_VALUE : 0;
  }

  /** See `RegisterBlock`. */
  write(offset: number, width: Width, value: number): void {
    if (offset === IoApicRegister.SELECT) this.#select = value & 0xff;
    else if (offset === IoApicRegister.WINDOW && width === 4) this.#write(value);
  }

  #write(value: number): void {
    const index = this.#select - FIRST_ENTRY;
    if (this.#select === ID) this.#id = value & ID_BITS;
    if (index < 0 || index >= this.#entries.length) return;
    this.#entries[index] = value & (index % 2 === 0 ? LOW_WRITABLE : HIGH_WRITABLE);
  }
}

/**
 * The pair of 8259A interrupt controllers. The machine has no CPU that would take their interrupt: requests are latched,
 * masked, polled and ended as software asks.
 *
 * @module
 */

import type { Interrupts, IoSpace, RegisterBlock, Width } from "@iova/core";
import { Port } from "../layout.ts";

/** Bits of the command port. */
const Icw1 = { MARK: 0x10, SINGLE: 0x02, ICW4: 0x01 } as const;
const Ocw2 = { EOI: 0x20, SPECIFIC: 0x40, LEVEL: 0x07 } as const;
const Ocw3 = { MARK: 0x08, POLL: 0x04, READ: 0x02, ISR: 0x01 } as const;
/** Inputs whose trigger mode can be chosen: not the timer, the keyboard, the cascade, the clock, the coprocessor. */
const ELCR_MASK = [0xf8, 0xde] as const;
const CASCADE = 2;

/** One of the two. */
export class Pic implements RegisterBlock {
  /** Inputs that are level-triggered (the ELCR register). */
  levelTriggered = 0;
  #irr = 0;
  #isr = 0;
  #imr = 0;
  #lines = 0;
  #base = 0;
  #words = 0;
  #needsIcw4 = false;
  #single = false;
  #readsIsr = false;
  #polls = false;

  /** Interrupt vectors begin here, as software has said; for whoever wants to know. */
  get base(): number {
    return this.#base;
  }

  /** An input changes. */
  input(pin: number, asserted: boolean): void {
    const bit = 1 << pin;
    if (asserted) {
      if ((this.#lines & bit) === 0 || (this.levelTriggered & bit) !== 0) this.#irr |= bit;
      this.#lines |= bit;
    } else {
      this.#lines &= ~bit;
      this.#irr &= ~bit;
    }
  }

  /** Back to power-on. */
  reset(): void {
    this.levelTriggered = 0;
    this.#initialise();
    this.#imr = this.#base = 0;
  }

  /** See `RegisterBlock`. */
  read(offset: number, _width: Width): number {
    if (this.#polls) return this.#poll();
    if (offset === 1) return this.#imr;
    return this.#readsIsr ? this.#isr : this.#irr;
  }

  /** See `RegisterBlock`. */
  write(offset: number, _width: Width, value: number): void {
    if (offset === 1) this.#data(value & 0xff);
    else if ((value & Icw1.MARK) !== 0) this.#icw1(value);
    else if ((value & Ocw3.MARK) !== 0) this.#ocw3(value);
    else this.#ocw2(value);
  }

  #initialise(): void {
    this.#irr = this.#lines & this.levelTriggered;
    this.#isr = this.#words = 0;
    this.#readsIsr = this.#polls = false;
  }

  #icw1(value: number): void {
    this.#initialise();
    this.#imr = 0;
    this.#words = 1;
    this.#needsIcw4 = (value & Icw1.ICW4) !== 0;
    this.#single = (value & Icw1.SINGLE) !== 0;
  }

  /** ICW2 to ICW4 in their order, and the mask when none of them is due. */
  #data(value: number): void {
    if (this.#words === 0) this.#imr = value;
    else if (this.#words === 1) {
      this.#base = value & 0xf8;
      this.#words = this.#single ? (this.#needsIcw4 ? 3 : 0) : 2;
    } else if (this.#words === 2) this.#words = this.#needsIcw4 ? 3 : 0;
    else this.#words = 0;
  }

  #ocw2(value: number): void {
    if ((value & Ocw2.EOI) === 0) return;
    const specific = (value & Ocw2.SPECIFIC) !== 0;
    this.#isr &= ~(specific ? 1 << (value & Ocw2.LEVEL) : this.#isr & -this.#isr);
  }

  #ocw3(value: number): void {
    if ((value & Ocw3.POLL) !== 0) this.#polls = true;
    if ((value & Ocw3.READ) !== 0) this.#readsIsr = (value & Ocw3.ISR) !== 0;
  }

  /** The poll command takes the most urgent request, as an interrupt acknowledge would. */
  #poll(): number {
    this.#polls = false;
    const wanted = this.#irr & ~this.#imr;
    if (wanted === 0) return 0;
    const bit = wanted & -wanted;
    this.#isr |= bit;
    if ((this.levelTriggered & bit) === 0) this.#irr &= ~bit;
    return 0x80 | (31 - Math.clz32(bit));
  }
}

/** Both, wired as a PC has them: lines 0 to 7 to the first, 8 to 15 to the second. */
export class PicPair {
  /** Lines 0 to 7. */
  readonly master: Pic = new Pic();
  /** Lines 8 to 15. */
  readonly slave: Pic = new Pic();

  /** Puts both at their ports and connects them to the machine's lines. */
  constructor(io: IoSpace, interrupts: Interrupts) {
    const pics = [this.master, this.slave];
    io.add(Port.PIC_MASTER, 2, this.master);
    io.add(Port.PIC_SLAVE, 2, this.slave);
    io.add(Port.ELCR, 2, {
      read: (offset, width) =>
        width === 1 ? pics[offset].levelTriggered : pics[0].levelTriggered | pics[1].levelTriggered << 8,
      write(offset, width, value) {
        for (let i = 0; i < Math.min(width, 2 - offset); i++) {
          pics[offset + i].levelTriggered = value >>> (8 * i) & ELCR_MASK[offset + i];
        }
      },
    });
    interrupts.watchers.push((line, asserted) => {
      if (line < 8 && line !== CASCADE) this.master.input(line, asserted);
      else if (line >= 8 && line < 16) this.slave.input(line - 8, asserted);
    });
  }

  /** Both back to power-on. */
  reset(): void {
    this.master.reset();
    this.slave.reset();
  }
}

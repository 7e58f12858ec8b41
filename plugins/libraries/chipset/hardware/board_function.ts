/**
 * A PCI function of the board itself: it has a place and configuration space, and never becomes a bus master.
 *
 * @module
 */

import { Command, ConfigSpace, Header0, HeaderType, type PciNode, placeNumber } from "@iova/pci";

/** Subsystem ids that QEMU gives to whatever has none of its own. */
const QEMU_SUBSYSTEM = { subsystemVendor: 0x1af4, subsystem: 0x1100 } as const;
const HEADER_SIZE = 0x40;
/** Bits of the command register that can be written. */
const WRITABLE = Command.mask.io | Command.mask.memory | Command.mask.busMaster | Command.mask.serr |
  Command.mask.interruptDisable;

/** What {@linkcode BoardFunction} is. */
export interface BoardFunctionSpec {
  /** What messages call it. */
  readonly name: string;
  /** Its place on the root bus: `1f.0`. */
  readonly at: string;
  /** Vendor id. */
  readonly vendor: number;
  /** Device id. */
  readonly device: number;
  /** Absent: 0. */
  readonly revision?: number;
  /** Class, subclass and programming interface. */
  readonly classCode: number;
  /** The status register. Absent: 0. */
  readonly status?: number;
  /** Absent: 0, an ordinary function. */
  readonly headerType?: number;
  /** 1 to 4 for INTA to INTD. Absent: none. */
  readonly interruptPin?: number;
  /** Bytes behind the header that are not zero at power-on, by offset. */
  readonly registers?: Readonly<Record<number, number>>;
}

/** See the module's text. As in QEMU, every byte behind the header keeps what is written there. */
export class BoardFunction implements PciNode {
  readonly name: string;
  readonly place: number;
  readonly config: ConfigSpace = new ConfigSpace();
  readonly multiFunction: boolean;
  #powerOn: Uint8Array;

  /** Lays its configuration space out. */
  constructor({ name, at, registers = {}, ...header }: BoardFunctionSpec) {
    this.name = name;
    this.multiFunction = header.headerType === HeaderType.MULTI_FUNCTION;
    this.place = placeNumber(at)!;
    const { config } = this;
    config.define(0, Header0.encode({ ...QEMU_SUBSYSTEM, ...header }));
    config.allow(Header0.at.command, 2, WRITABLE);
    config.allow(Header0.at.cacheLineSize, 1, 0xff);
    config.allow(Header0.at.interruptLine, 1, 0xff);
    for (let at = HEADER_SIZE; at < config.bytes.length; at += 4) config.allow(at, 4, -1);
    for (const [at, value] of Object.entries(registers)) config.bytes[Number(at)] = value;
    this.#powerOn = config.bytes.slice();
  }

  /** Takes what stands there now for the state at power-on. */
  keep(): void {
    this.#powerOn = this.config.bytes.slice();
  }

  /** Back to power-on. */
  reset(): void {
    const { headerType } = Header0.at;
    // Whether there are more functions is the bus's to say.
    this.#powerOn[headerType] = this.config.bytes[headerType];
    this.config.reset(this.#powerOn);
  }
}

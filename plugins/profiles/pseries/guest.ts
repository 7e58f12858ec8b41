/**
 * The partition's part: configuration cycles by calls to run-time firmware, then bus numbers and addresses.
 *
 * @module
 */

import { type GuestPort, HypercallRegisters, type PhysAddr, type Width } from "@iova/core";
import { type ConfigAccess, pciGuest } from "@iova/pci";
import { BUID, ConfigAddr, H_RTAS, MEMORY_WINDOW, RtasHead, Token, WINDOW_BASE } from "./layout.ts";

const CELL = 4;
const CELLS = 9;

/** Configuration cycles by `ibm,read-pci-config` and `ibm,write-pci-config`. */
class RtasConfig implements ConfigAccess {
  readonly #guest: GuestPort;
  readonly #registers = new HypercallRegisters();
  readonly #buffer: PhysAddr;

  constructor(guest: GuestPort) {
    this.#guest = guest;
    const buffer = guest.heap.alloc(CELLS * CELL, CELL);
    if (buffer === null) throw new RangeError("no memory for a call to run-time firmware");
    this.#buffer = buffer;
  }

  read(requester: number, offset: number, width: Width): number {
    const rets = this.#call("ibm,read-pci-config", [address(requester, offset), BUID.hi, BUID.lo, width], 2);
    return rets.getUint32(0) === 0 ? rets.getUint32(CELL) : -1 >>> 32 - 8 * width;
  }

  write(requester: number, offset: number, width: Width, value: number): void {
    this.#call("ibm,write-pci-config", [address(requester, offset), BUID.hi, BUID.lo, width, value], 1);
  }

  /** Returns a view of the results. */
  #call(name: keyof typeof Token, args: number[], nret: number): DataView {
    const bytes = this.#guest.memory.bytes(this.#buffer, CELLS * CELL);
    bytes.set(RtasHead.encode({ token: Token[name], nargs: args.length, nret }));
    const cells = new DataView(bytes.buffer, bytes.byteOffset + RtasHead.size);
    args.forEach((value, i) => cells.setUint32(i * CELL, value));
    this.#guest.hypercall(H_RTAS, this.#registers.set(0, this.#buffer));
    return new DataView(bytes.buffer, bytes.byteOffset + RtasHead.size + args.length * CELL, nret * CELL);
  }
}

function address(requester: number, offset: number): number {
  const { shift } = ConfigAddr;
  return (offset >> 8 << shift.extended | requester << shift.devfn | offset & 0xff) >>> 0;
}

const known = new WeakSet<GuestPort>();

/** Sets the machine's PCI up; again after a hot-plug or a reset. */
export function runFirmware(guest: GuestPort): void {
  const pci = pciGuest(guest);
  if (!known.has(guest)) pci.config.through(new RtasConfig(guest));
  known.add(guest);
  pci.configure({ memory: { first: MEMORY_WINDOW, end: 2 ** 32 }, memoryOffset: WINDOW_BASE });
  pci.enumerate();
}

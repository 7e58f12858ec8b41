/**
 * Run-time firmware: configuration cycles and the time of day are answered here, windows and error handling by the
 * platform, if it is one that knows them.
 *
 * @module
 */

import { HypercallRegisters, type ProfileServices, toNumber, type Width } from "@iova/core";
import type { PciHost } from "@iova/pci";
import { Cells, cellsAt } from "./hardware_cells.ts";
import { BUID, ConfigAddr, H_PARAMETER, H_RTAS, RTAS_CELLS, RtasHead, RtasStatus, SCRATCH, Token } from "./layout.ts";

type Call = (cells: Cells) => void;
const CELL = 4;
const TOKENS: Readonly<Record<string, number>> = Token;

/** See the module's text. */
export class Rtas {
  readonly #services: ProfileServices;
  readonly #host: PciHost;
  readonly #start: number;
  /** The platform's part. */
  readonly #platform: ((registers: HypercallRegisters) => number) | null;
  readonly #registers = new HypercallRegisters();
  readonly #calls: Readonly<Record<number, Call>> = {
    [Token["get-time-of-day"]]: (cells) => this.#timeOfDay(cells),
    [Token["read-pci-config"]]: (cells) => this.#read(cells, 2, 1),
    [Token["write-pci-config"]]: (cells) => this.#write(cells, 3, 1),
    [Token["ibm,read-pci-config"]]: (cells) => this.#read(cells, 4, 3),
    [Token["ibm,write-pci-config"]]: (cells) => this.#write(cells, 5, 3),
  };

  /** `start` is the time at power-on, in Unix milliseconds. */
  constructor(services: ProfileServices, host: PciHost, start: number) {
    this.#services = services;
    this.#host = host;
    this.#start = start;
    this.#platform = services.hypercallHandler(H_RTAS);
    services.onHypercall(H_RTAS, (registers) => this.enter(registers));
  }

  /** The hypercall: its argument is the address of a buffer. */
  enter(registers: HypercallRegisters): number {
    const { space } = this.#services;
    const address = toNumber(registers.hi[0], registers.lo[0]);
    const head = cellsAt(space, address, RtasHead.size / CELL);
    if (head === null) return H_PARAMETER;
    const [token, nargs, nret] = [0, 1, 2].map((i) => head.getUint32(i * CELL));
    const call = this.#calls[token];
    if (call === undefined) return this.#platform?.(registers) ?? H_PARAMETER;
    if (nargs + nret > RTAS_CELLS) return H_PARAMETER;
    const args = cellsAt(space, address + RtasHead.size, nargs);
    const rets = cellsAt(space, address + RtasHead.size + nargs * CELL, nret);
    if (args === null || rets === null) return H_PARAMETER;
    call(new Cells(args, nargs, rets, nret));
    return 0;
  }

  /** A call by name whose arguments and results lie anywhere. */
  byName(name: string, nargs: number, args: number, nret: number, rets: number): number {
    const token = Object.hasOwn(TOKENS, name) ? TOKENS[name] : undefined;
    if (token === undefined || nargs + nret > RTAS_CELLS) return H_PARAMETER;
    const { space } = this.#services;
    const from = nargs === 0 ? new DataView(new ArrayBuffer(0)) : cellsAt(space, args, nargs);
    const to = nret === 0 ? new DataView(new ArrayBuffer(0)) : cellsAt(space, rets, nret);
    if (from === null || to === null) return H_PARAMETER;
    const call = this.#calls[token];
    if (call === undefined) return this.#byBuffer(token, from, to);
    call(new Cells(from, nargs, to, nret));
    return 0;
  }

  /** The platform wants a buffer: one is put together, and its results are copied out. */
  #byBuffer(token: number, from: DataView, to: DataView): number {
    if (this.#platform === null) return H_PARAMETER;
    const { space } = this.#services;
    const size = RtasHead.size + from.byteLength + to.byteLength;
    const buffer = space.bytes(SCRATCH, size);
    buffer.set(RtasHead.encode({ token, nargs: from.byteLength / CELL, nret: to.byteLength / CELL }));
    buffer.set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength), RtasHead.size);
    // A result that the call does not write stays as it was.
    buffer.set(new Uint8Array(to.buffer, to.byteOffset, to.byteLength), size - to.byteLength);
    const status = this.#platform(this.#registers.set(0, SCRATCH));
    new Uint8Array(to.buffer, to.byteOffset, to.byteLength).set(buffer.subarray(size - to.byteLength));
    return status;
  }

  #timeOfDay(cells: Cells): void {
    if (cells.nargs !== 0 || cells.nret !== 8) return cells.answer(RtasStatus.PARAMETER);
    const { now } = this.#services.scheduler;
    const date = new Date(this.#start + Math.floor(now / 1e6));
    cells.answer(
      RtasStatus.SUCCESS,
      date.getUTCFullYear(),
      date.getUTCMonth() + 1,
      date.getUTCDate(),
      date.getUTCHours(),
      date.getUTCMinutes(),
      date.getUTCSeconds(),
      Math.floor(now % 1e9),
    );
  }

  /** `sizeAt` is the argument that says how many bytes; before it stands the bridge's unit id, if the call names one. */
  #read(cells: Cells, nargs: number, sizeAt: number): void {
    const place = cells.nargs === nargs && cells.nret === 2 ? this.#place(cells, sizeAt) : null;
    if (place === null) return cells.answer(RtasStatus.HARDWARE);
    cells.answer(RtasStatus.SUCCESS, place.config.read(place.offset, place.width));
  }

  #write(cells: Cells, nargs: number, sizeAt: number): void {
    const place = cells.nargs === nargs && cells.nret === 1 ? this.#place(cells, sizeAt) : null;
    if (place === null) return cells.answer(RtasStatus.HARDWARE);
    place.config.write(place.offset, place.width, cells.arg(sizeAt + 1));
    cells.answer(RtasStatus.SUCCESS);
  }

  /** The register that a call means; null when there is none, or the access is not aligned. */
  #place(cells: Cells, sizeAt: number) {
    const addr = cells.arg(0);
    const width = cells.arg(sizeAt);
    const { mask, shift } = ConfigAddr;
    const offset = (addr & mask.extended) >>> shift.extended << 8 | addr & mask.register;
    const node = this.#host.nodeOf((addr & (mask.bus | mask.devfn)) >>> shift.devfn);
    const ours = sizeAt === 1 || (cells.arg(1) === BUID.hi && cells.arg(2) === BUID.lo);
    if (!ours || node === null || ![1, 2, 4].includes(width) || offset % width !== 0) return null;
    if (offset >= node.config.bytes.length) return null;
    return { config: node.config, offset, width: width as Width };
  }
}

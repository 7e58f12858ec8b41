/**
 * One receive queue: frames go into buffers that the driver has offered (virtio 1.4 §5.1.6.4).
 *
 * Buffers are taken when a frame comes, and a frame is written only when all that it needs are there: nothing has to be
 * put back, and the driver sees all buffers of a frame at once. What was taken and is not needed yet keeps its place for
 * the next frame.
 *
 * @module
 */

import { BusStatus, type DevicePort, type PieceVisitor } from "@iova/core";
import type { Frame, FrameSource } from "@iova/net";
import { type Chain, Pop, type VirtioDevice } from "@iova/virtio";
import { writeHeader } from "./device_offloads.ts";
import { NetHeader } from "./layout.ts";

/** How a queue received a frame. */
export const Receipt = {
  /** It is in the driver's buffers. */
  DONE: 0,
  /** There is no room now: the sender keeps the frame. */
  BUSY: 1,
  /** It is lost: too long for a buffer, or a buffer leads nowhere, or the device broke. */
  LOST: 2,
} as const;
/** One of {@linkcode Receipt}'s values. */
export type Receipt = typeof Receipt[keyof typeof Receipt];

/** What negotiation says about headers. */
export interface HeaderShape {
  /** Bytes of a header. */
  size: number;
  /** Bytes of it that are written when frames are not merged. */
  written: number;
  /** A frame may lie in several buffers. */
  merges: boolean;
  /** A frame that is too long leaves its beginning in its buffer. */
  spills: boolean;
}

/** Fills lent pieces of a buffer straight from the sender's memory. */
class Mover implements PieceVisitor {
  source: FrameSource | null = null;
  /** Byte of the frame with which the buffer goes on. */
  from = 0;
  /** The sender's memory could not be reached: the sender knows why. */
  torn = false;

  piece(bytes: Uint8Array, offset: number, length: number, at: number): void {
    if (!this.torn && !this.source!.copy(this.from + at, length, bytes, offset)) this.torn = true;
  }
}

/** See the module's text. */
export class ReceiveQueue {
  readonly #index: number;
  readonly #port: DevicePort;
  readonly #device: () => VirtioDevice;
  readonly #shape: HeaderShape;
  readonly #header = new Uint8Array(NetHeader.size);
  readonly #mover = new Mover();
  /** Records of chains; the first {@linkcode ReceiveQueue.#taken} are in use, in the queue's order. */
  #chains: Chain[] = [];
  #taken = 0;
  #bytes = 0;
  /** Counts resets: a buffer may lie in the device's own registers, and writing it reset the device. */
  #resets = 0;

  /** Queue `index` of `device`. */
  constructor(index: number, port: DevicePort, device: () => VirtioDevice, shape: HeaderShape) {
    this.#index = index;
    this.#port = port;
    this.#device = device;
    this.#shape = shape;
  }

  /** Forgets the buffers: the queue, or the device, was reset. */
  reset(): void {
    this.#resets++;
    this.#taken = 0;
    this.#bytes = 0;
  }

  /** Receives a frame. */
  receive(frame: Frame): Receipt {
    const { size, merges } = this.#shape;
    const needed = size + frame.length;
    const found = this.#gather(merges ? needed : 1);
    if (found !== Pop.CHAIN) return found === Pop.BROKEN ? Receipt.LOST : Receipt.BUSY;
    // Without merging one buffer must do; it stays for the next frame.
    if (this.#bytes < needed) {
      if (this.#shape.spills) this.#fill(frame, 1);
      return Receipt.LOST;
    }
    this.#mover.torn = false;
    const buffers = this.#buffersFor(needed);
    const resets = this.#resets;
    const status = this.#fill(frame, buffers);
    if (this.#resets !== resets) return Receipt.LOST;
    // The buffers stay for the next frame.
    if (this.#mover.torn) return Receipt.BUSY;
    if (status === BusStatus.PENDING) {
      this.#device().wait(this.#index);
      return Receipt.BUSY;
    }
    this.#finish(buffers, status === BusStatus.OK ? needed : 0);
    return status === BusStatus.OK ? Receipt.DONE : Receipt.LOST;
  }

  /** Takes chains until they have `needed` bytes. */
  #gather(needed: number): Pop {
    const device = this.#device();
    while (this.#bytes < needed) {
      if (this.#taken === this.#chains.length) this.#chains.push(device.newChain());
      const chain = this.#chains[this.#taken];
      const found = device.take(this.#index, chain);
      if (found !== Pop.CHAIN) return found;
      const problem = this.#problemOf(chain);
      if (problem !== "") {
        device.needsReset(problem);
        return Pop.BROKEN;
      }
      this.#taken++;
      this.#bytes += chain.writeBytes;
    }
    return Pop.CHAIN;
  }

  #problemOf(chain: Chain): string {
    if (chain.readBytes > 0) return "readable buffer in a receive queue";
    return chain.writeBytes < this.#shape.size ? "receive buffer shorter than a header" : "";
  }

  /** How many of the buffers `needed` bytes take. More may have been taken, for a frame that did not come after all. */
  #buffersFor(needed: number): number {
    let count = 0;
    for (let bytes = 0; bytes < needed; count++) bytes += this.#chains[count].writeBytes;
    return count;
  }

  /** Writes header and frame into `buffers` buffers. Earlier parts stay written when a later one fails. */
  #fill(frame: Frame, buffers: number): BusStatus {
    const { size, written, merges } = this.#shape;
    const port = this.#port;
    const first = this.#chains[0];
    const resets = this.#resets;
    writeHeader(this.#header, frame, buffers);
    let status = first.write(port, 0, this.#header, 0, merges ? size : Math.min(size, written));
    if (this.#resets !== resets) return status;
    const fits = size + frame.length <= first.writeBytes;
    if (fits && status === BusStatus.OK && frame.source === null) {
      return first.write(port, size, frame.whole, 0, frame.length);
    }
    let from = size;
    let at = 0;
    for (let i = 0; i < buffers && at < frame.length && status === BusStatus.OK && this.#resets === resets; i++) {
      const chain = this.#chains[i];
      const part = Math.min(frame.length - at, chain.writeBytes - from);
      if (part > 0) status = this.#move(chain, from, frame, at, part);
      at += part;
      from = 0;
    }
    return status;
  }

  /** Moves `part` bytes of a frame from byte `at` on to byte `to` of a buffer. */
  #move(chain: Chain, to: number, frame: Frame, at: number, part: number): BusStatus {
    if (frame.source === null) return chain.write(this.#port, to, frame.bytes, at, part);
    const mover = this.#mover;
    mover.source = frame.source;
    mover.from = at;
    return chain.visitWrite(this.#port, to, part, mover);
  }

  /** Gives the first `count` buffers back with `total` bytes in them, each filled before the next. */
  #finish(count: number, total: number): void {
    const device = this.#device();
    for (let i = 0; i < count; i++) {
      const chain = this.#chains[i];
      const part = Math.min(total, chain.writeBytes);
      device.finish(this.#index, chain.id, part);
      total -= part;
      this.#bytes -= chain.writeBytes;
    }
    if (count < this.#taken) this.#chains.push(...this.#chains.splice(0, count));
    this.#taken -= count;
  }
}

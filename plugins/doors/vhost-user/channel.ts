/**
 * The back-end's own requests: questions to the guest's IOMMU, and the news that the configuration has changed.
 *
 * @module
 */

import { close } from "@iova/libc";
import type { IotlbTranslator } from "./iotlb.ts";
import { BackendRequest, HeaderFlag, Iotlb, IotlbType, VERSION } from "./layout.ts";
import { Received, Wire } from "./wire.ts";

/** What a channel needs of the loop that it runs in. */
export interface ChannelHost {
  /** See `RingHost.watch`. */
  watch(fd: number, ready: (events: number) => void): number;
  /** See `RingHost.unwatch`. */
  unwatch(fd: number): void;
  /** Messages wait until a socket can take more. */
  blocked(fd: number): void;
  /** Logs what the peer did wrong. */
  log(text: string): void;
}

const NOTHING = new Uint8Array(0);

/** The socket that `SET_BACKEND_REQ_FD` gave. */
export class Channel {
  readonly #wire: Wire;
  readonly #miss = new Uint8Array(Iotlb.size);
  readonly #view = new DataView(this.#miss.buffer);

  /** The channel over `fd`, which is its own from now on, for the questions of `iotlb`. */
  constructor(readonly fd: number, readonly iotlb: IotlbTranslator, readonly host: ChannelHost) {
    this.#wire = new Wire(fd);
  }

  /** Begins to listen for answers. False, and closed, when that cannot be. */
  open(): boolean {
    if (this.host.watch(this.fd, () => this.#receive()) < 0) {
      close(this.fd);
      return false;
    }
    this.iotlb.ask = (hi, lo, access) => this.#ask(hi, lo, access);
    return true;
  }

  /** Whether messages wait. */
  get blocked(): boolean {
    return this.#wire.blocked;
  }

  /** Sends what had to wait. */
  flush(): void {
    if (!this.#wire.flush()) this.host.log(`the back-end's own socket: ${this.#wire.problem}`);
  }

  /** Tells the front-end to read the configuration again. */
  configChanged(): void {
    this.#wire.send(BackendRequest.CONFIG_CHANGE_MSG, VERSION, NOTHING);
    if (this.blocked) this.host.blocked(this.fd);
  }

  /** Ends it. */
  close(): void {
    this.iotlb.ask = () => false;
    this.host.unwatch(this.fd);
    this.#wire.drop();
    close(this.fd);
  }

  #ask(hi: number, lo: number, access: number): boolean {
    this.#view.setInt32(Iotlb.at.iova, lo, true);
    this.#view.setInt32(Iotlb.at.iova + 4, hi, true);
    this.#view.setUint8(Iotlb.at.perm, access);
    this.#view.setUint8(Iotlb.at.type, IotlbType.MISS);
    // The answer comes after the update; it is the only word about a page that is not there.
    const sent = this.#wire.send(BackendRequest.IOTLB_MSG, VERSION | HeaderFlag.NEED_REPLY, this.#miss);
    if (this.blocked) this.host.blocked(this.fd);
    return sent;
  }

  #receive(): void {
    for (;;) {
      const received = this.#wire.receive();
      if (received === Received.NOTHING) return;
      if (received !== Received.MESSAGE) {
        if (this.#wire.problem !== "") this.host.log(`the back-end's own socket: ${this.#wire.problem}`);
        this.host.unwatch(this.fd);
        return;
      }
      const { request, size, view } = this.#wire.message;
      this.#wire.message.closeFds();
      const number = size === 8 ? view.getBigUint64(0, true) : 1n;
      if (request === BackendRequest.IOTLB_MSG) this.iotlb.answer(number === 0n);
    }
  }
}

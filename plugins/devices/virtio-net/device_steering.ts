/**
 * Which pair of queues a received frame goes to: the one on which the driver last transmitted in the same conversation
 * (virtio 1.4 §5.1.6.5.5: automatic receive steering).
 *
 * @module
 */

import { type Frame, Layers, parseLayers } from "@iova/net";

const CONVERSATIONS = 256;

/** The pairs of one device. */
export class Steering {
  /** Pairs that the driver uses. */
  pairs = 1;
  readonly #pairOf = new Uint16Array(CONVERSATIONS);
  readonly #layers = new Layers();

  /** Back to power-on: one pair. */
  reset(): void {
    this.pairs = 1;
    this.#pairOf.fill(0);
  }

  /** A frame left through `pair`. */
  sent(frame: Frame, pair: number): void {
    if (this.pairs > 1) this.#pairOf[this.#conversation(frame)] = pair;
  }

  /** The pair that a frame comes in through. */
  pairFor(frame: Frame): number {
    return this.pairs === 1 ? 0 : this.#pairOf[this.#conversation(frame)] % this.pairs;
  }

  /** The same number for both directions of a conversation. */
  #conversation({ bytes, length }: Frame): number {
    const layers = this.#layers;
    if (!parseLayers(bytes, length, layers)) return 0;
    const { version, l3, l4, payload } = layers;
    let hash = 0;
    const from = version === 4 ? l3 + 12 : l3 + 8;
    const to = version === 4 ? l3 + 20 : l3 + 40;
    for (let i = from; i < to; i++) hash ^= bytes[i];
    if (payload > 0) { for (let i = l4; i < l4 + 4; i++) hash ^= bytes[i] * 31; }
    return hash & (CONVERSATIONS - 1);
  }
}

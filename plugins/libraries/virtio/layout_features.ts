/**
 * Feature bits and the device status (virtio 1.4 §2.1, §2.2, §6).
 *
 * @module
 */

/** Bit numbers of the features that belong to rings and transports (virtio 1.4 §6). */
export const Feature = {
  /** Descriptors may refer to a table of descriptors. */
  INDIRECT_DESC: 28,
  /** `used_event` and `avail_event` say when the other side wants to hear. */
  EVENT_IDX: 29,
  /** The modern interface; a device without it is a legacy device. */
  VERSION_1: 32,
  /** Addresses are bus addresses and go through the platform's translation; clear: they are CPU physical addresses. */
  ACCESS_PLATFORM: 33,
  /** Packed rings. */
  RING_PACKED: 34,
  /** Buffers are used in the order in which they were made available. */
  IN_ORDER: 35,
  /** Barriers as for a real device are needed. */
  ORDER_PLATFORM: 36,
  /** A notification carries data. */
  NOTIFICATION_DATA: 38,
  /** A single queue can be reset. */
  RING_RESET: 40,
} as const;

/** The device status register, as bits (virtio 1.4 §2.1). */
export const Status = {
  /** The driver has noticed the device. */
  ACKNOWLEDGE: 1,
  /** The driver can drive it. */
  DRIVER: 2,
  /** The driver is ready: the device may use the queues. */
  DRIVER_OK: 4,
  /** Negotiation is over. A device that refuses leaves it clear. */
  FEATURES_OK: 8,
  /** Written by the device: it is broken until it is reset. */
  DEVICE_NEEDS_RESET: 64,
  /** The driver has given up. */
  FAILED: 128,
} as const;

/** 32-bit words that a feature set has room for. */
const WORDS = 4;

/** A set of feature bits 0 … 127. */
export class FeatureSet {
  readonly #words = new Uint32Array(WORDS);

  /** The set of `bits`. */
  constructor(bits: Iterable<number> = []) {
    for (const bit of bits) this.#words[bit >>> 5] |= 1 << (bit & 31);
  }

  /** Whether `bit` is in the set. */
  has(bit: number): boolean {
    return (this.#words[bit >>> 5] >>> (bit & 31) & 1) === 1;
  }

  /** Bits 32·`index` … 32·`index` + 31, unsigned; 0 beyond bit 127, as registers read. */
  word(index: number): number {
    return index < WORDS ? this.#words[index] : 0;
  }

  /** Replaces a word; words beyond bit 127 are ignored. */
  setWord(index: number, value: number): void {
    if (index < WORDS) this.#words[index] = value;
  }

  /** The bits that are in both sets. */
  and(other: FeatureSet): FeatureSet {
    const both = new FeatureSet();
    for (let i = 0; i < WORDS; i++) both.setWord(i, this.word(i) & other.word(i));
    return both;
  }

  /** Whether every bit is in `other`. */
  within(other: FeatureSet): boolean {
    return this.#words.every((word, i) => (word & ~other.word(i)) === 0);
  }

  /** The low 64 bits, for reports. */
  get value(): bigint {
    return (BigInt(this.#words[1]) << 32n) | BigInt(this.#words[0]);
  }
}

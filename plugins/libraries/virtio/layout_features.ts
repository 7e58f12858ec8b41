/**
 * Feature bits and the device status (virtio 1.4 §2.1, §2.2, §6).
 *
 * @module
 */

/** Bit numbers of the features that belong to rings and transports (virtio 1.4 §6). */
export const Feature = {
  /** Legacy: an interrupt when the device runs out of buffers, even a suppressed one. */
  NOTIFY_ON_EMPTY: 24,
  /** Legacy: the device makes no assumption about how a request is cut into descriptors. */
  ANY_LAYOUT: 27,
  /** Descriptors may refer to a table of descriptors. */
  INDIRECT_DESC: 28,
  /** `used_event` and `avail_event` say when the other side wants to hear. */
  EVENT_IDX: 29,
  /** Legacy: no feature; a driver that accepts it accepts whatever it reads (QEMU's VIRTIO_F_BAD_FEATURE). */
  BAD_FEATURE: 30,
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
  /** A notification names its queue by a number that the device gives. */
  NOTIF_CONFIG_DATA: 39,
  /** A single queue can be reset. */
  RING_RESET: 40,
} as const;

/** Which ring and transport features a device offers and a driver takes. Absent: the default of `virtioOptions`. */
export interface RingFeatures {
  /** INDIRECT_DESC. Default true. */
  readonly indirect?: boolean;
  /** EVENT_IDX. Default true. */
  readonly eventIndex?: boolean;
  /** ACCESS_PLATFORM. Default true. */
  readonly accessPlatform?: boolean;
  /** RING_PACKED. Default false. */
  readonly packed?: boolean;
  /** IN_ORDER. Default false. */
  readonly inOrder?: boolean;
  /** ORDER_PLATFORM. Default false. */
  readonly orderPlatform?: boolean;
  /** NOTIFICATION_DATA. Default false. */
  readonly notificationData?: boolean;
  /** NOTIF_CONFIG_DATA. Default false. */
  readonly notifConfigData?: boolean;
  /** RING_RESET. Default true. */
  readonly ringReset?: boolean;
}

const RING_FEATURES: readonly (readonly [name: keyof RingFeatures, bit: number, byDefault: boolean])[] = [
  ["indirect", Feature.INDIRECT_DESC, true],
  ["eventIndex", Feature.EVENT_IDX, true],
  ["accessPlatform", Feature.ACCESS_PLATFORM, true],
  ["packed", Feature.RING_PACKED, false],
  ["inOrder", Feature.IN_ORDER, false],
  ["orderPlatform", Feature.ORDER_PLATFORM, false],
  ["notificationData", Feature.NOTIFICATION_DATA, false],
  ["notifConfigData", Feature.NOTIF_CONFIG_DATA, false],
  ["ringReset", Feature.RING_RESET, true],
];

/** The bits of VERSION_1 and of the features that `options` name. */
export function ringFeatures(options: RingFeatures): number[] {
  const named = RING_FEATURES.filter(([name, , byDefault]) => options[name] ?? byDefault);
  return [Feature.VERSION_1, ...named.map(([, bit]) => bit)];
}

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

/**
 * What a virtio network device and its driver agree on (virtio 1.4 §5.1): the header of a frame, configuration,
 * features, queues. Everything is little-endian; a legacy device's is in the guest's order, which is the same here.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Virtio device type of a network device. */
export const NET_DEVICE = 1;
/** Bytes of an Ethernet address. */
export const MAC_SIZE = 6;

/** Feature bits of a network device (§5.1.3). */
export const NetFeature = {
  /** The device completes checksums of transmitted frames. */
  CSUM: 0,
  /** The driver takes frames with partial checksums. */
  GUEST_CSUM: 1,
  /** Offloads of received frames can be switched at run time. */
  CTRL_GUEST_OFFLOADS: 2,
  /** `mtu` is valid. */
  MTU: 3,
  /** `mac` is valid. */
  MAC: 5,
  /** The driver takes TCP over IPv4 that is not cut. */
  GUEST_TSO4: 7,
  /** The driver takes TCP over IPv6 that is not cut. */
  GUEST_TSO6: 8,
  /** The driver takes such TCP with ECN. */
  GUEST_ECN: 9,
  /** The device cuts TCP over IPv4. */
  HOST_TSO4: 11,
  /** The device cuts TCP over IPv6. */
  HOST_TSO6: 12,
  /** The device cuts TCP with ECN. */
  HOST_ECN: 13,
  /** A received frame may lie in several buffers. */
  MRG_RXBUF: 15,
  /** `status` is valid. */
  STATUS: 16,
  /** There is a control queue. */
  CTRL_VQ: 17,
  /** Which frames are received can be said. */
  CTRL_RX: 18,
  /** Which VLANs are received can be said. */
  CTRL_VLAN: 19,
  /** More can be said about which frames are received. */
  CTRL_RX_EXTRA: 20,
  /** The device can ask its driver to announce itself. */
  GUEST_ANNOUNCE: 21,
  /** Several pairs of queues. */
  MQ: 22,
  /** The driver can set the address by command. */
  CTRL_MAC_ADDR: 23,
  /** The driver takes UDP over IPv4 that is not cut. */
  GUEST_USO4: 54,
  /** The driver takes UDP over IPv6 that is not cut. */
  GUEST_USO6: 55,
  /** The device cuts UDP. */
  HOST_USO: 56,
  /** `speed` and `duplex` are valid. */
  SPEED_DUPLEX: 63,
} as const;

/** Bits of a header's `flags` (§5.1.6). */
export const HeaderFlag = { NEEDS_CSUM: 1, DATA_VALID: 2 } as const;

/** Values of a header's `gso_type`; ECN is a bit beside the others. */
export const GsoType = { NONE: 0, TCPV4: 1, UDP: 3, TCPV6: 4, UDP_L4: 5, ECN: 0x80 } as const;

/** Bits of the configuration's `status` (§5.1.4). */
export const NetStatus = { LINK_UP: 1, ANNOUNCE: 2 } as const;

/** Values of the configuration's `duplex`. */
export const Duplex = { HALF: 0, FULL: 1, UNKNOWN: 0xff } as const;

const both = { writtenBy: "sender", readBy: "receiver" } as const;

/** What stands before every frame in a buffer (§5.1.6). A legacy device without MRG_RXBUF has no `num_buffers`. */
export const NetHeader: Struct<
  {
    flags: number;
    gso_type: number;
    hdr_len: number;
    gso_size: number;
    csum_start: number;
    csum_offset: number;
    num_buffers: number;
  }
> = defineStruct({
  name: "virtio_net_hdr",
  source: "virtio 1.4 §5.1.6",
  size: 12,
  endian: "little",
  fields: [
    { name: "flags", at: 0, bytes: 1, ...both, doc: "What is to be done, or has been, about the checksum." },
    { name: "gso_type", at: 1, bytes: 1, ...both, values: GsoType, doc: "How the frame is to be cut." },
    { name: "hdr_len", at: 2, bytes: 2, ...both, doc: "Bytes of all headers: a hint." },
    { name: "gso_size", at: 4, bytes: 2, ...both, doc: "Payload bytes of a segment." },
    { name: "csum_start", at: 6, bytes: 2, ...both, doc: "Where the checksum begins to count." },
    { name: "csum_offset", at: 8, bytes: 2, ...both, doc: "Where it is stored, from there." },
    {
      name: "num_buffers",
      at: 10,
      bytes: 2,
      ...both,
      doc: "Buffers that a received frame lies in; 0 when transmitting.",
    },
  ],
});

/** Bytes of the header without `num_buffers`: that of a legacy device without MRG_RXBUF. */
export const SHORT_HEADER: number = NetHeader.at.num_buffers;

const ro = { writtenBy: "device", readBy: "driver" } as const;

/** The configuration as far as the features of {@linkcode NetFeature} go (§5.1.4). */
export const NetConfig: Struct<
  { mac: bigint; status: number; max_virtqueue_pairs: number; mtu: number; speed: number; duplex: number }
> = defineStruct({
  name: "virtio_net_config",
  source: "virtio 1.4 §5.1.4",
  size: 17,
  endian: "little",
  fields: [
    {
      name: "mac",
      at: 0,
      bytes: 6,
      ...ro,
      doc: "The address; its first byte is the lowest. A legacy driver may write it.",
    },
    { name: "status", at: 6, bytes: 2, ...ro, doc: "With STATUS." },
    { name: "max_virtqueue_pairs", at: 8, bytes: 2, ...ro, doc: "With MQ." },
    { name: "mtu", at: 10, bytes: 2, ...ro, doc: "With MTU: 68 to 65535." },
    { name: "speed", at: 12, bytes: 4, ...ro, doc: "With SPEED_DUPLEX: Mbit/s; all ones: unknown." },
    { name: "duplex", at: 16, bytes: 1, ...ro, values: Duplex, doc: "With SPEED_DUPLEX." },
  ],
});

/** The queue that pair `pair` receives from. */
export function receiveQueue(pair: number): number {
  return 2 * pair;
}

/** The queue that pair `pair` transmits to. */
export function transmitQueue(pair: number): number {
  return 2 * pair + 1;
}

/** The control queue of a device with at most `pairs` pairs; without MQ there is one pair, whatever the device has. */
export function controlQueue(pairs: number): number {
  return 2 * pairs;
}

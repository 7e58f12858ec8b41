/**
 * Commands of the control queue (virtio 1.4 §5.1.6.5): class, command, data, and a byte that the device writes.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** Classes of commands. */
export const ControlClass = { RX: 0, MAC: 1, VLAN: 2, ANNOUNCE: 3, MQ: 4, GUEST_OFFLOADS: 5 } as const;

/** Commands of class RX: data is one byte, 0 or not. */
export const RxCommand = { PROMISC: 0, ALLMULTI: 1, ALLUNI: 2, NOMULTI: 3, NOUNI: 4, NOBCAST: 5 } as const;
/** Commands of class MAC. */
export const MacCommand = { TABLE_SET: 0, ADDR_SET: 1 } as const;
/** Commands of class VLAN: data is {@linkcode VlanData}. */
export const VlanCommand = { ADD: 0, DEL: 1 } as const;
/** Commands of class ANNOUNCE: no data. */
export const AnnounceCommand = { ACK: 0 } as const;
/** Commands of class MQ: data is {@linkcode PairsData}. */
export const MqCommand = { VQ_PAIRS_SET: 0 } as const;
/** Commands of class GUEST_OFFLOADS: data is {@linkcode OffloadsData}. */
export const OffloadsCommand = { SET: 0 } as const;

/** What the device answers. */
export const Ack = { OK: 0, ERR: 1 } as const;
/** What a driver puts there before: no answer. */
export const NO_ACK = 0xff;

const driver = { writtenBy: "driver", readBy: "device" } as const;

/** What a command begins with. */
export const ControlHeader: Struct<{ class: number; command: number }> = defineStruct({
  name: "virtio_net_ctrl_hdr",
  source: "virtio 1.4 §5.1.6.5",
  size: 2,
  endian: "little",
  fields: [
    { name: "class", at: 0, bytes: 1, ...driver, values: ControlClass, doc: "The class." },
    { name: "command", at: 1, bytes: 1, ...driver, doc: "The command within its class." },
  ],
});

/** One byte: on or off. */
export const SwitchData: Struct<{ on: number }> = defineStruct({
  name: "virtio_net_ctrl_rx",
  source: "virtio 1.4 §5.1.6.5.1",
  size: 1,
  endian: "little",
  fields: [{ name: "on", at: 0, bytes: 1, ...driver, doc: "0: off." }],
});

/** How many addresses follow; a table is two of these, for unicast and for multicast. */
export const MacCount: Struct<{ entries: number }> = defineStruct({
  name: "virtio_net_ctrl_mac",
  source: "virtio 1.4 §5.1.6.5.2",
  size: 4,
  endian: "little",
  fields: [{ name: "entries", at: 0, bytes: 4, ...driver, doc: "Addresses of 6 bytes that follow." }],
});

/** A VLAN. */
export const VlanData: Struct<{ id: number }> = defineStruct({
  name: "virtio_net_ctrl_vlan",
  source: "virtio 1.4 §5.1.6.5.3",
  size: 2,
  endian: "little",
  fields: [{ name: "id", at: 0, bytes: 2, ...driver, doc: "0 to 4095." }],
});

/** How many pairs of queues the driver uses. */
export const PairsData: Struct<{ pairs: number }> = defineStruct({
  name: "virtio_net_ctrl_mq_pairs_set",
  source: "virtio 1.4 §5.1.6.5.5",
  size: 2,
  endian: "little",
  fields: [{ name: "pairs", at: 0, bytes: 2, ...driver, doc: "1 to max_virtqueue_pairs." }],
});

/** Which offloads of received frames are on: their feature bits. */
export const OffloadsData: Struct<{ offloads: bigint }> = defineStruct({
  name: "virtio_net_ctrl_guest_offloads",
  source: "virtio 1.4 §5.1.6.5.6",
  size: 8,
  endian: "little",
  fields: [{ name: "offloads", at: 0, bytes: 8, ...driver, doc: "A set of GUEST_… feature bits." }],
});

/**
 * The vhost-user protocol in bytes and numbers (QEMU, docs/interop/vhost-user.rst). Integers are in host byte order,
 * which is little-endian on every machine that Deno runs on.
 *
 * @module
 */

import { defineStruct, type Struct } from "@iova/fields";

/** The protocol's version, in bits 1:0 of a header's flags. */
export const VERSION = 1;
/** Flags of a header. */
export const HeaderFlag = { VERSION_MASK: 3, REPLY: 4, NEED_REPLY: 8 } as const;
/** Flags of every reply, exactly: a peer compares them for equality. */
export const REPLY_FLAGS: number = VERSION | HeaderFlag.REPLY;
/** Most bytes of payload that are taken. */
export const MAX_PAYLOAD = 4096;
/** Most descriptors that come with one message. */
export const MAX_FDS = 8;
/** Most regions in one memory table. */
export const MAX_TABLE_REGIONS = 8;
/** Most bytes of configuration space in one message. */
export const MAX_CONFIG = 256;

/** Requests of the front-end. */
export const Request = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  SEND_RARP: 19,
  NET_SET_MTU: 20,
  SET_BACKEND_REQ_FD: 21,
  IOTLB_MSG: 22,
  SET_VRING_ENDIAN: 23,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  GET_INFLIGHT_FD: 31,
  SET_INFLIGHT_FD: 32,
  RESET_DEVICE: 34,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
  SET_STATUS: 39,
  GET_STATUS: 40,
} as const;

/** Requests of the back-end, on the socket that SET_BACKEND_REQ_FD gave it. */
export const BackendRequest = { IOTLB_MSG: 1, CONFIG_CHANGE_MSG: 2 } as const;

/** Feature bit 30: there are protocol features. No device sees it. */
export const PROTOCOL_FEATURES = 30;
/** Feature bit 26: writes are logged for migration. No device sees it. */
export const LOG_ALL = 26;

/** Bits of the protocol features. */
export const ProtocolFeature = {
  MQ: 0,
  REPLY_ACK: 3,
  MTU: 4,
  BACKEND_REQ: 5,
  CONFIG: 9,
  INFLIGHT_SHMFD: 12,
  RESET_DEVICE: 13,
  CONFIGURE_MEM_SLOTS: 15,
  STATUS: 16,
} as const;

/** What an IOTLB message is. */
export const IotlbType = { MISS: 1, UPDATE: 2, INVALIDATE: 3, ACCESS_FAIL: 4 } as const;

const front = { writtenBy: "front-end", readBy: "back-end" } as const;
const both = { writtenBy: "both", readBy: "both" } as const;

/** What every message begins with. */
export const Header: Struct<{ request: number; flags: number; size: number }> = defineStruct({
  name: "vhost_user_header",
  source: "vhost-user.rst, Message Specification",
  size: 12,
  endian: "little",
  fields: [
    { name: "request", at: 0, bytes: 4, ...both, doc: "What it asks for." },
    {
      name: "flags",
      at: 4,
      bytes: 4,
      ...both,
      flags: { VERSION_1: 1, REPLY: 4, NEED_REPLY: 8 },
      doc: "Version, direction, whether an answer is wanted.",
    },
    { name: "size", at: 8, bytes: 4, ...both, doc: "Bytes of payload." },
  ],
});

/** A number of a ring and a number for it. */
export const VringState: Struct<{ index: number; num: number }> = defineStruct({
  name: "vhost_vring_state",
  source: "vhost-user.rst, A vring state description",
  size: 8,
  endian: "little",
  fields: [
    { name: "index", at: 0, bytes: 4, ...both, doc: "The ring." },
    { name: "num", at: 4, bytes: 4, ...both, doc: "Size, base or whether it is enabled." },
  ],
});

/** Where a ring is. Without a virtual IOMMU these are the front-end's own addresses, with one they are the device's. */
export const VringAddr: Struct<
  { index: number; flags: number; desc: bigint; used: bigint; avail: bigint; log: bigint }
> = defineStruct({
  name: "vhost_vring_addr",
  source: "vhost-user.rst, A vring address description",
  size: 40,
  endian: "little",
  fields: [
    { name: "index", at: 0, bytes: 4, ...front, doc: "The ring." },
    { name: "flags", at: 4, bytes: 4, ...front, flags: { LOG: 1 }, doc: "Whether its writes are logged." },
    { name: "desc", at: 8, bytes: 8, ...front, doc: "Descriptor area." },
    { name: "used", at: 16, bytes: 8, ...front, doc: "Device area." },
    { name: "avail", at: 24, bytes: 8, ...front, doc: "Driver area." },
    { name: "log", at: 32, bytes: 8, ...front, doc: "Where writes are logged." },
  ],
});

/** One piece of the guest's memory, and where its file begins. */
export const MemoryRegion: Struct<{ guest: bigint; size: bigint; user: bigint; offset: bigint }> = defineStruct({
  name: "vhost_memory_region",
  source: "vhost-user.rst, Memory region description",
  size: 32,
  endian: "little",
  fields: [
    { name: "guest", at: 0, bytes: 8, ...front, doc: "Guest physical address." },
    { name: "size", at: 8, bytes: 8, ...front, doc: "Bytes." },
    { name: "user", at: 16, bytes: 8, ...front, doc: "The same byte's address in the front-end." },
    { name: "offset", at: 24, bytes: 8, ...front, doc: "Offset in the file that comes with the message." },
  ],
});
/** Bytes before the regions of a table: how many there are, and padding. */
export const TABLE_HEAD = 8;
/** Bytes before the region of a message about one: padding. */
export const SINGLE_HEAD = 8;

/** A question to, or a statement of, the front-end's IOMMU. */
export const Iotlb: Struct<{ iova: bigint; size: bigint; uaddr: bigint; perm: number; type: number }> = defineStruct({
  name: "vhost_iotlb_msg",
  source: "vhost-user.rst, An IOTLB message",
  size: 32,
  endian: "little",
  fields: [
    { name: "iova", at: 0, bytes: 8, ...both, doc: "Bus address." },
    { name: "size", at: 8, bytes: 8, ...front, doc: "Bytes; an invalidation may reach the end of the address space." },
    { name: "uaddr", at: 16, bytes: 8, ...front, doc: "Update: where they are in the front-end." },
    { name: "perm", at: 24, bytes: 1, ...both, flags: { READ: 1, WRITE: 2 }, doc: "Rights." },
    { name: "type", at: 25, bytes: 1, ...both, values: IotlbType, doc: "What it is." },
    { name: "padding", at: 26, bytes: 6, ...both, doc: "Whatever lay there." },
  ],
});

/** A part of the configuration space; its bytes follow. */
export const ConfigHead: Struct<{ offset: number; size: number; flags: number }> = defineStruct({
  name: "vhost_user_config",
  source: "vhost-user.rst, Virtio device config space",
  size: 12,
  endian: "little",
  fields: [
    { name: "offset", at: 0, bytes: 4, ...both, doc: "First byte." },
    { name: "size", at: 4, bytes: 4, ...both, doc: "Bytes; 0 in an answer: refused." },
    { name: "flags", at: 8, bytes: 4, ...front, flags: { MIGRATION: 1 }, doc: "Who writes." },
  ],
});

/** Memory that outlives a back-end: what it had taken and not finished. */
export const InflightHead: Struct<{ mmap_size: bigint; mmap_offset: bigint; num_queues: number; queue_size: number }> =
  defineStruct({
    name: "vhost_user_inflight",
    source: "vhost-user.rst, Inflight description",
    size: 24,
    endian: "little",
    fields: [
      { name: "mmap_size", at: 0, bytes: 8, ...both, doc: "Bytes to map." },
      { name: "mmap_offset", at: 8, bytes: 8, ...both, doc: "Where they begin in the file." },
      { name: "num_queues", at: 16, bytes: 2, ...both, doc: "Rings." },
      { name: "queue_size", at: 18, bytes: 2, ...both, doc: "Entries of each." },
      { at: 20, bytes: 4, reserved: true },
    ],
  });

/** The word that comes with, or instead of, a ring's descriptor. */
export const FdWord = { INDEX: 0xff, NO_FD: 0x100 } as const;

/** The name of a request, for logs. */
export function requestName(request: number): string {
  return Object.entries(Request).find(([, number]) => number === request)?.[0] ?? `request ${request}`;
}

/**
 * Where the headers of a frame are: Ethernet with VLAN tags, IPv4 or IPv6 with extension headers, TCP or UDP. Nothing in
 * a frame is trusted; a header that is cut off or contradicts itself is as good as none.
 *
 * @module
 */

/** IP protocol numbers that matter here (IANA protocol-numbers). */
export const Protocol = { TCP: 6, UDP: 17 } as const;

/** Ethernet types. */
export const EtherType = { IPV4: 0x0800, IPV6: 0x86dd, VLAN: 0x8100, SERVICE_VLAN: 0x88a8 } as const;

/** Bytes of an Ethernet header without tags. */
export const ETHERNET_HEADER = 14;
/** VLAN tags and extension headers beyond this many are not looked behind. */
const MAX_LINKS = 8;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const IPV6_FRAGMENT = 44;
/** IPv6 extension headers whose length stands in their second byte, in units of 8 bytes (RFC 8200 §4). */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
const MORE_FRAGMENTS_OR_OFFSET = 0x3fff;

/** What {@linkcode parseLayers} found: a record that its user keeps and reuses. */
export class Layers {
  /** 4, 6, or 0 for a frame that is no IP. */
  version: 0 | 4 | 6 = 0;
  /** The outermost VLAN id, or −1. */
  vlan: number = -1;
  /** Where the IP header begins. */
  l3 = 0;
  /** Where what follows it begins. */
  l4 = 0;
  /** The IP protocol of what follows. */
  protocol = 0;
  /** Where the IP packet ends; padding may follow. */
  end = 0;
  /** The packet is no fragment, and all of it is there. */
  whole = false;
  /** Where the payload behind a TCP or UDP header begins; 0 when there is no such header. */
  payload = 0;
}

/** Finds the headers of the `length` bytes in `bytes`. Returns whether there is an IP packet with a sane header. */
export function parseLayers(bytes: Uint8Array, length: number, out: Layers): boolean {
  out.version = 0;
  out.vlan = -1;
  out.payload = 0;
  if (length < ETHERNET_HEADER) return false;
  let at = 12;
  let type = bytes[at] << 8 | bytes[at + 1];
  for (let i = 0; i < MAX_LINKS && (type === EtherType.VLAN || type === EtherType.SERVICE_VLAN); i++) {
    if (length < at + 6) return false;
    if (out.vlan < 0) out.vlan = (bytes[at + 2] << 8 | bytes[at + 3]) & 0xfff;
    at += 4;
    type = bytes[at] << 8 | bytes[at + 1];
  }
  out.l3 = at + 2;
  if (type === EtherType.IPV4) return parseIpv4(bytes, length, out);
  return type === EtherType.IPV6 && parseIpv6(bytes, length, out);
}

function parseIpv4(bytes: Uint8Array, length: number, out: Layers): boolean {
  const { l3 } = out;
  if (length < l3 + IPV4_HEADER || bytes[l3] >>> 4 !== 4) return false;
  const header = (bytes[l3] & 15) * 4;
  const total = bytes[l3 + 2] << 8 | bytes[l3 + 3];
  if (header < IPV4_HEADER || total < header || length < l3 + header) return false;
  out.version = 4;
  out.l4 = l3 + header;
  out.protocol = bytes[l3 + 9];
  out.end = l3 + total;
  out.whole = out.end <= length && ((bytes[l3 + 6] << 8 | bytes[l3 + 7]) & MORE_FRAGMENTS_OR_OFFSET) === 0;
  findPayload(bytes, length, out);
  return true;
}

function parseIpv6(bytes: Uint8Array, length: number, out: Layers): boolean {
  const { l3 } = out;
  if (length < l3 + IPV6_HEADER || bytes[l3] >>> 4 !== 6) return false;
  out.end = l3 + IPV6_HEADER + (bytes[l3 + 4] << 8 | bytes[l3 + 5]);
  let at = l3 + IPV6_HEADER;
  let next = bytes[l3 + 6];
  for (let i = 0; i < MAX_LINKS && EXTENSIONS.has(next); i++) {
    if (length < at + 8) return false;
    next = bytes[at];
    at += 8 + bytes[at + 1] * 8;
  }
  if (at > out.end || at > length) return false;
  out.version = 6;
  out.l4 = at;
  out.protocol = next;
  out.whole = out.end <= length && next !== IPV6_FRAGMENT && !EXTENSIONS.has(next);
  findPayload(bytes, length, out);
  return true;
}

function findPayload(bytes: Uint8Array, length: number, out: Layers): void {
  const { l4, protocol, end } = out;
  if (!out.whole) return;
  const header = protocol === Protocol.UDP
    ? 8
    : protocol === Protocol.TCP && length >= l4 + 20
    ? bytes[l4 + 12] >>> 2 & ~3
    : 0;
  if (header >= 8 && (protocol === Protocol.UDP || header >= 20) && l4 + header <= end) out.payload = l4 + header;
}

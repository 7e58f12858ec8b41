/**
 * The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words, high byte first.
 *
 * @module
 */

import { type Layers, Protocol } from "./headers.ts";

/** From this many bytes on a view of half-words pays for itself. */
const LONG = 512;
/** Half-words whose sum is surely below 2^31. */
const BLOCK = 0x7fff;

/** The ones' complement sum of `length` bytes from `bytes[start]`, added to `sum`; a last odd byte is a high byte. */
export function sum16(bytes: Uint8Array, start: number, length: number, sum = 0): number {
  const whole = length & ~1;
  const aligned = ((bytes.byteOffset + start) & 1) === 0;
  sum += whole >= LONG && aligned ? sumHalves(bytes, start, whole) : sumBytes(bytes, start, whole);
  if (whole !== length) sum += bytes[start + whole] * 256;
  return fold(sum);
}

function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

function sumBytes(bytes: Uint8Array, start: number, length: number): number {
  let even = 0;
  let odd = 0;
  for (let i = start; i < start + length; i += 2) {
    even += bytes[i];
    odd += bytes[i + 1];
  }
  return even * 256 + odd;
}

/** Half-words in the host's order have the same sum with its bytes swapped (RFC 1071 §2 (B)). */
function sumHalves(bytes: Uint8Array, start: number, length: number): number {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset + start, length / 2);
  let total = 0;
  for (let at = 0; at < halves.length; at += BLOCK) {
    const end = Math.min(halves.length, at + BLOCK);
    let sum = 0;
    for (let i = at; i < end; i++) sum += halves[i];
    total += sum;
  }
  const swapped = fold(total);
  return (swapped & 0xff) << 8 | swapped >>> 8;
}

/** The sum over the pseudo-header of TCP or UDP (RFC 9293 §3.1, RFC 8200 §8.1) for `length` bytes from the transport header on. */
export function pseudoSum(bytes: Uint8Array, layers: Layers, length: number): number {
  const addresses = layers.version === 4 ? sum16(bytes, layers.l3 + 12, 8) : sum16(bytes, layers.l3 + 8, 32);
  return sum16(bytes, 0, 0, addresses + layers.protocol + length);
}

/** Writes a 16-bit value, high byte first. */
export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Reads a 16-bit value, high byte first. */
export function get16(bytes: Uint8Array, at: number): number {
  return bytes[at] << 8 | bytes[at + 1];
}

/** Completes a checksum whose field holds the pseudo-header's sum: over `start` … `end`, stored at `at`. */
export function completeChecksum(bytes: Uint8Array, start: number, end: number, at: number): void {
  const sum = sum16(bytes, start, end - start) ^ 0xffff;
  // Zero would mean "no checksum" to UDP; the other zero is the same number.
  put16(bytes, at, sum === 0 ? 0xffff : sum);
}

/** Where the checksum stands in a transport header; −1 for a protocol that has none here. */
export function checksumOffset(protocol: number): number {
  return protocol === Protocol.TCP ? 16 : protocol === Protocol.UDP ? 6 : -1;
}

/** Writes the checksum of an IPv4 header. */
export function writeIpv4Checksum(bytes: Uint8Array, { l3, l4 }: Layers): void {
  put16(bytes, l3 + 10, 0);
  put16(bytes, l3 + 10, sum16(bytes, l3, l4 - l3) ^ 0xffff);
}

/** Writes the whole checksum of a TCP or UDP segment that ends at `end`. */
export function writeTransportChecksum(bytes: Uint8Array, layers: Layers, end: number): void {
  const at = layers.l4 + checksumOffset(layers.protocol);
  put16(bytes, at, pseudoSum(bytes, layers, end - layers.l4));
  completeChecksum(bytes, layers.l4, end, at);
}

/** Writes the pseudo-header's sum where the checksum belongs: what a sender leaves for its device to complete. */
export function writePartialChecksum(bytes: Uint8Array, layers: Layers): void {
  put16(bytes, layers.l4 + checksumOffset(layers.protocol), pseudoSum(bytes, layers, layers.end - layers.l4));
}

/** What a look at a frame's checksums says. */
export type ChecksumVerdict = "good" | "bad" | "none";

/** Checks the IPv4 header's checksum and that of TCP or UDP, as far as the frame has them in full. */
export function verifyChecksums(bytes: Uint8Array, layers: Layers): ChecksumVerdict {
  if (layers.version === 0) return "none";
  if (layers.version === 4 && sum16(bytes, layers.l3, layers.l4 - layers.l3) !== 0xffff) return "bad";
  const offset = layers.whole ? checksumOffset(layers.protocol) : -1;
  const length = layers.end - layers.l4;
  if (offset < 0 || length < offset + 2) return layers.version === 4 ? "good" : "none";
  // UDP over IPv4 may do without.
  if (layers.protocol === Protocol.UDP && get16(bytes, layers.l4 + offset) === 0) {
    return layers.version === 4 ? "good" : "bad";
  }
  return sum16(bytes, layers.l4, length, pseudoSum(bytes, layers, length)) === 0xffff ? "good" : "bad";
}

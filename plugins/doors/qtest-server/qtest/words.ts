/**
 * The words of QEMU's qtest protocol: numbers as `strtoull` reads them with base 0, bytes in hexadecimal and base64.
 *
 * @module
 */

const NUMBER = /^[\t\n\v\f\r ]*([+-]?)(0x[0-9a-f]{1,64}|0[0-7]{0,64}|[1-9][0-9]{0,64})$/i;
const MOST = (1n << 64n) - 1n;

/** A number of 64 bits, unsigned; a negative one wraps. Null when the word is none, or too large. */
export function unsigned(word: string | undefined): bigint | null {
  const match = NUMBER.exec(word ?? "");
  if (match === null) return null;
  const [, sign, digits] = match;
  const value = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (value > MOST) return null;
  return sign === "-" ? BigInt.asUintN(64, -value) : value;
}

/** A number of 64 bits, signed. */
export function signed(word: string | undefined): bigint | null {
  const match = NUMBER.exec(word ?? "");
  const value = match === null ? null : unsigned(match[2]);
  if (value === null) return null;
  const result = match![1] === "-" ? -value : value;
  return BigInt.asIntN(64, result) === result ? result : null;
}

/** `value` in hexadecimal with at least `digits` digits, as the protocol writes values. */
export function hex(value: number | bigint, digits: number): string {
  return "0x" + value.toString(16).padStart(digits, "0");
}

/** Bytes as the protocol writes them. */
export function hexBytes(bytes: Uint8Array): string {
  return "0x" + bytes.toHex();
}

/** `length` bytes from `0x…`: what is missing is zero, and a digit that is none counts as all ones, as in QEMU. */
export function bytesOfHex(text: string, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const given = Math.min(length, (text.length - 2) >> 1);
  for (let i = 0; i < given; i++) bytes[i] = nibble(text, 2 * i + 2) << 4 | nibble(text, 2 * i + 3);
  return bytes;
}

function nibble(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Bytes in base64. */
export function base64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/** Bytes from base64; whatever is no base64 ends it. */
export function bytesOfBase64(text: string): Uint8Array {
  const [clean] = /^[A-Za-z0-9+/]*/.exec(text)!;
  const whole = clean.length % 4 === 1 ? clean.slice(0, -1) : clean;
  return Uint8Array.from(atob(whole), (character) => character.charCodeAt(0));
}

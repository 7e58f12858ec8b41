/**
 * A second reading of the page table chapter, for comparison: plain bigint arithmetic, written from the bit tables alone.
 *
 * @module
 */

/** What a walk should give. `flags` are bits 63:48 of the event without its code. */
export type Expected =
  | { ok: true; address: bigint; shift: number; rights: number }
  | { ok: false; flags: bigint };

const PR = 0x10n;
const RW = 0x20n;
const PE = 0x40n;
const RZ = 0x80n;

const bits = (word: bigint, high: number, low: number) => word >> BigInt(low) & (1n << BigInt(high - low + 1)) - 1n;

/** Walks `mode` levels from `root`; `read` gives the entry at an address. Rights: 1 read, 2 write. */
export function walk(
  read: (address: bigint) => bigint,
  root: bigint,
  mode: number,
  granted: number,
  iova: bigint,
  access: number,
): Expected {
  const rw = (access & 2) !== 0 ? RW : 0n;
  const fault = (flags: bigint): Expected => ({ ok: false, flags: flags | rw });
  if ((granted & access) !== access) return fault(PR | PE);
  const widths = [0, 21, 30, 39, 48, 57, 64];
  if (iova >> BigInt(widths[mode]) !== 0n) return fault(0n);
  let rights = 3;
  let level = mode;
  let table = root;
  for (;;) {
    const low = 12 + 9 * (level - 1);
    const index = level === 6 ? bits(iova, 63, 57) : bits(iova, low + 8, low);
    const entry = read(table + index * 8n);
    if (bits(entry, 0, 0) === 0n) return fault(0n);
    const next = Number(bits(entry, 11, 9));
    const leaf = next === 0 || next === 7;
    if (bits(entry, leaf ? 58 : 60, 52) !== 0n) return fault(PR | RZ);
    let shift = low;
    if (next === 0 && level === 6) return fault(PR);
    if (next === 7) {
      let zero = 12;
      while (zero < 52 && bits(entry, zero, zero) === 1n) zero++;
      shift = zero + 1;
      if (zero === 52 || shift <= low || shift >= low + 9) return fault(PR);
    }
    if (!leaf && next >= level) return fault(PR);
    if (!leaf && next < level - 1 && bits(iova, low - 1, 12 + 9 * next) !== 0n) return fault(0n);
    rights &= Number(bits(entry, 62, 61));
    if ((rights & access) !== access) return fault(PR | PE);
    if (leaf) {
      const mask = (1n << BigInt(shift)) - 1n;
      const address = bits(entry, 51, 12) << 12n & ~mask | iova & mask;
      return { ok: true, address, shift, rights: rights & granted };
    }
    table = bits(entry, 51, 12) << 12n;
    level = next;
  }
}

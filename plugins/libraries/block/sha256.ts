/**
 * SHA-256 piece by piece (FIPS 180-4 §6.2): what `sha256sum` says of an image, without having all of it in memory.
 *
 * @module
 */

const BLOCK = 64;

/** The first 32 bits of the fractional parts of roots of the first primes (FIPS 180-4 §4.2.2, §5.3.3). */
function fractions(count: number, root: (prime: number) => number): Int32Array {
  const words = new Int32Array(count);
  for (let prime = 2, found = 0; found < count; prime++) {
    let divisor = 2;
    while (divisor * divisor <= prime && prime % divisor !== 0) divisor++;
    if (divisor * divisor > prime) words[found++] = (root(prime) % 1) * 2 ** 32;
  }
  return words;
}

const K = fractions(64, Math.cbrt);
const INITIAL = fractions(8, Math.sqrt);

/** One digest in the making. */
export class Sha256 {
  readonly #state = INITIAL.slice();
  readonly #schedule = new Int32Array(64);
  readonly #rest = new Uint8Array(BLOCK);
  readonly #restView = new DataView(this.#rest.buffer);
  #length = 0;

  /** Takes `length` bytes at `offset`; nothing is kept of `bytes`. */
  update(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): this {
    const end = offset + length;
    let filled = this.#length % BLOCK;
    this.#length += length;
    if (filled > 0) {
      while (filled < BLOCK && offset < end) this.#rest[filled++] = bytes[offset++];
      if (filled < BLOCK) return this;
      this.#compress(this.#restView, 0);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (; offset + BLOCK <= end; offset += BLOCK) this.#compress(view, offset);
    for (let i = 0; offset < end; i++) this.#rest[i] = bytes[offset++];
    return this;
  }

  /** Ends the digest: 64 hexadecimal digits. Take nothing more afterwards. */
  hex(): string {
    let filled = this.#length % BLOCK;
    this.#rest[filled++] = 0x80;
    if (filled > BLOCK - 8) {
      this.#rest.fill(0, filled);
      this.#compress(this.#restView, 0);
      filled = 0;
    }
    this.#rest.fill(0, filled);
    this.#restView.setUint32(BLOCK - 8, Math.floor(this.#length / 2 ** 29));
    this.#restView.setUint32(BLOCK - 4, (this.#length * 8) >>> 0);
    this.#compress(this.#restView, 0);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #expand(view: DataView, offset: number): void {
    const w = this.#schedule;
    for (let t = 0; t < 16; t++) w[t] = view.getInt32(offset + 4 * t);
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15];
      const y = w[t - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (w[t - 16] + s0 + w[t - 7] + s1) | 0;
    }
  }

  #compress(view: DataView, offset: number): void {
    this.#expand(view, offset);
    const state = this.#state;
    let [a, b, c, d] = [state[0], state[1], state[2], state[3]];
    let [e, f, g, h] = [state[4], state[5], state[6], state[7]];
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[t] + this.#schedule[t]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/**
 * What the hypervisor itself knows about each reference in use (Xen's active entries). A pin is four 8-bit counters:
 * CPU mappings for writing (7:0) and reading (15:8), device mappings for writing (23:16) and reading (31:24).
 *
 * @module
 */

/** One more of a kind. */
export const Pin = { HOST_WRITE: 1, HOST_READ: 1 << 8, DEVICE_WRITE: 1 << 16, DEVICE_READ: 1 << 24 } as const;
/** The counters of writers. */
export const WRITE_PINS = 0x00ff_00ff;
/** The counters of CPU mappings and of copies. */
export const HOST_PINS = 0x0000_ffff;

/** Entries by reference. `pin[ref]` is 0 when nothing uses it, and then the other columns mean nothing. */
export class ActiveEntries {
  /** Who uses it how: see the module's text. */
  pin: Int32Array = new Int32Array(0);
  /** Who uses it. */
  domid: Uint16Array = new Uint16Array(0);
  /** The machine frame that was found at the first pin. */
  mfn: Float64Array = new Float64Array(0);
  /** First byte of the part that is granted. */
  start: Uint16Array = new Uint16Array(0);
  /** Bytes of it: up to 4096. */
  length: Uint16Array = new Uint16Array(0);
  /** 1: a part of a page, for copies only. */
  isSubPage: Uint8Array = new Uint8Array(0);
  /** For a transitive grant the domain whose reference is pinned as well; 0xffff for none. */
  transDomid: Uint16Array = new Uint16Array(0);
  /** That other reference. */
  transRef: Int32Array = new Int32Array(0);
  /** Whether that other pin is for writing. */
  transWrite: Uint8Array = new Uint8Array(0);

  /** Makes room for `entries` references. */
  reserve(entries: number): void {
    if (entries <= this.pin.length) return;
    const size = Math.max(entries, this.pin.length * 2);
    this.pin = grown(this.pin, new Int32Array(size));
    this.domid = grown(this.domid, new Uint16Array(size));
    this.mfn = grown(this.mfn, new Float64Array(size));
    this.start = grown(this.start, new Uint16Array(size));
    this.length = grown(this.length, new Uint16Array(size));
    this.isSubPage = grown(this.isSubPage, new Uint8Array(size));
    this.transDomid = grown(this.transDomid, new Uint16Array(size));
    this.transRef = grown(this.transRef, new Int32Array(size));
    this.transWrite = grown(this.transWrite, new Uint8Array(size));
  }

  /** Whether one more pin of this kind would run over: a counter stops at 0x80. */
  isFull(ref: number, pin: number): boolean {
    return (this.pin[ref] & (pin << 7)) !== 0;
  }

  /** Whether a reference of `from` or higher is in use. */
  anyPinned(from: number, to: number): boolean {
    for (let ref = from; ref < to; ref++) if (this.pin[ref] !== 0) return true;
    return false;
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

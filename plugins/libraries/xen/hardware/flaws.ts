/**
 * Published mistakes in grant table code that the hypervisor can be told to make again, so that the schedule that an
 * advisory describes shows the hole, and that a guest or a test can be checked against it. Nothing is wrong by default.
 *
 * @module
 */

import { InputError, nearest } from "@iova/core";

/** One bit for each advisory, by its name. What the mistake was: `xenbits.xen.org/xsa`. */
export const Flaw = {
  /** Status frames are freed and stay on the table's list: after a switch back they are used a second time. */
  "XSA-26": 1 << 0,
  /** "Not in use" is told before the flush, and a handle can be freed twice in one batch. */
  "XSA-218": 1 << 1,
  /** Unmapping one half of a handle drops the references of both. */
  "XSA-224": 1 << 2,
  /** A transitive reference is not looked at again after the table was unlocked. */
  "XSA-226": 1 << 3,
  /** Two maps at the same moment can take one handle. */
  "XSA-228": 1 << 4,
  /** The end of a copy looks at CPU mappings only when it clears the status bits. */
  "XSA-230": 1 << 5,
  /** A copy gives up its page before its pin. */
  "XSA-236": 1 << 6,
  /** Freed status frames stay in the guest's physical map. */
  "XSA-255": 1 << 7,
  /** Arm has version 2 tables. */
  "XSA-268": 1 << 8,
  /** A transfer that has to replace a page by a lower one tells the receiver of the old one. */
  "XSA-284": 1 << 9,
  /** A page is transferred although somebody holds a reference to it. */
  "XSA-287": 1 << 10,
  /** An entry that changes all the time is tried again without end (here: 2^20 times). */
  "XSA-295": 1 << 11,
  /** A map whose frame cannot be found ends with status +1. */
  "XSA-316": 1 << 12,
  /** A copy that would have to be tried again ends the batch as if it had succeeded. */
  "XSA-318": 1 << 13,
  /** What devices reach is counted down by every partial unmap. The same as XSA-394. */
  "XSA-380": 1 << 14,
  /** More status frames are listed than there are. */
  "XSA-382": 1 << 15,
  /** While a status frame is put into the physical map it can be freed: nobody holds a reference. */
  "XSA-384": 1 << 16,
  /** As XSA-384; with a reference, so that it is freed once it is there. */
  "XSA-486": 1 << 17,
  /** The error path of a transitive copy keeps the table locked while it wants the other one. */
  "XSA-411": 1 << 18,
  /** A copy from a pinned entry takes the frame that the entry names now. */
  "XSA-500": 1 << 19,
  /** The version changes although an operation has dropped the lock and counts on the layout. */
  "XSA-501": 1 << 20,
} as const;
/** The name of an advisory. */
export type FlawName = keyof typeof Flaw;

/** The names of all of them. */
export const FLAW_NAMES: readonly FlawName[] = Object.keys(Flaw) as FlawName[];

/** The name of a mistake that a guest's frontends made: they look whether a page is in use, and end its grant in a second step. */
export const FRONTEND_FLAW = "XSA-396";

const ALL_NAMES: readonly AnyFlawName[] = [...FLAW_NAMES, FRONTEND_FLAW];
type AnyFlawName = FlawName | typeof FRONTEND_FLAW;

/** Who makes which mistake again. */
export interface ReadFlaws {
  /** The hypervisor's. */
  readonly flaws: FlawName[];
  /** Whether frontends look first and end later ({@linkcode FRONTEND_FLAW}). */
  readonly looksThenEnds: boolean;
}

/**
 * Reads the names in an option: `XSA-218, XSA-224`, or `all`.
 *
 * @throws {InputError} for a name that is none.
 */
export function readFlaws(text: string, where: { readonly file: string; readonly path: string }): ReadFlaws {
  const names = readNames(text, where);
  const flaws = names.filter((name) => name !== FRONTEND_FLAW);
  return { flaws, looksThenEnds: flaws.length < names.length };
}

function readNames(text: string, { file, path }: { readonly file: string; readonly path: string }): AnyFlawName[] {
  if (text.trim() === "all") return [...ALL_NAMES];
  const words = text.split(",").map((word) => word.trim()).filter((word) => word !== "");
  for (const word of words) {
    if (ALL_NAMES.includes(word as AnyFlawName)) continue;
    const near = nearest(word, ALL_NAMES);
    throw new InputError({
      file,
      path: `${path}.with.flaws`,
      found: `"${word}"`,
      expected: "advisories such as XSA-218, or all",
      ...(near !== undefined && { nearest: near }),
    });
  }
  return words as AnyFlawName[];
}

/** The bits of some of them. */
export function flawBits(names: readonly FlawName[]): number {
  return names.reduce((bits, name) => bits | Flaw[name], 0);
}

/**
 * Places on a bus: `device[.function]` in hexadecimal, and what stands there.
 *
 * @module
 */

import { PlaceError } from "@iova/core";

const DEVICES = 32;

/** Device and function as one number, `device << 3 | function`, as requester ids have it. */
export function placeNumber(at: string): number | null {
  const match = /^([01]?[0-9a-f])(?:\.([0-7]))?$/i.exec(at);
  return match === null ? null : parseInt(match[1], 16) << 3 | Number(match[2] ?? 0);
}

/** A place as the manifest writes it. */
export function placeText(place: number): string {
  return `${(place >> 3).toString(16).padStart(2, "0")}.${place & 7}`;
}

/**
 * A place on `bus`: the one asked for, else function 0 of the first device without any.
 *
 * @throws {PlaceError} when the place is badly written, taken, or when none is free.
 */
export function findPlace(
  bus: string,
  at: string | undefined,
  holder: (place: number) => string | null,
): number {
  const free = firstFree(holder);
  if (at === undefined) {
    if (free !== null) return free;
    throw new PlaceError(`${DEVICES} devices on bus ${bus}`, "a bus with a free place");
  }
  const place = placeNumber(at);
  if (place === null) {
    throw new PlaceError(`place "${at}"`, 'device[.function] in hexadecimal, "00.0" to "1f.7"');
  }
  const taken = holder(place);
  if (taken === null) return place;
  const expected = free === null ? "a bus with a free place" : `a free place, such as "${placeText(free)}"`;
  throw new PlaceError(`place "${at}", which ${taken} has`, expected);
}

function firstFree(holder: (place: number) => string | null): number | null {
  for (let device = 0; device < DEVICES; device++) {
    const used = [0, 1, 2, 3, 4, 5, 6, 7].some((fn) => holder(device << 3 | fn) !== null);
    if (!used) return device << 3;
  }
  return null;
}

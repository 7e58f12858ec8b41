/**
 * Where devices stand: on a PCI bus, or in slots.
 *
 * @module
 */

import { InputError, type ResolvedDevice, type ResolvedMachine } from "@iova/core";
import { mmioRequester } from "@iova/virtio";
import type { BoardType } from "../board/board.ts";
import type { Property } from "./recipe.ts";

/** The places of a root bus. */
export interface Places {
  /** Takes the place that a device asks for, or a free one; its requester id. @throws {InputError} when it cannot be had. */
  take(device: ResolvedDevice): number;
  /** The place of a requester id in QEMU's words. */
  properties(requester: number): Record<string, Property>;
}

/** The first device number that no machine type uses for itself. */
const FIRST_FREE = 4;
const LAST_FREE = 0x1e;

/** Places on a PCI bus. */
export class PciPlaces implements Places {
  readonly #file: string;
  readonly #bus: string;
  readonly #taken = new Set<number>();
  readonly #several: ReadonlySet<number>;

  /** The places that the devices of a machine want. */
  constructor({ file, devices }: ResolvedMachine, { rootBus }: BoardType) {
    this.#file = file;
    this.#bus = rootBus;
    const wanted = devices.flatMap(({ at }) => at === undefined ? [] : [parsePlace(at)]).filter((at) => at !== null);
    this.#several = new Set(wanted.filter((place) => (place & 7) !== 0).map((place) => place >> 3));
    for (const place of wanted) this.#taken.add(place);
  }

  take({ at, use: { path } }: ResolvedDevice): number {
    if (at === undefined) return this.#free();
    const place = parsePlace(at);
    if (place !== null && place >> 3 >= FIRST_FREE && place >> 3 <= LAST_FREE) return place;
    const expected = `device[.function] in hexadecimal, "04.0" to "1e.7"`;
    throw new InputError({ file: this.#file, path: `${path}.at`, found: `place "${at}"`, expected });
  }

  properties(requester: number): Record<string, Property> {
    const device = requester >> 3;
    const addr = `${device.toString(16)}.${requester & 7}`;
    return { bus: this.#bus, addr, ...(this.#several.has(device) && { multifunction: true }) };
  }

  #free(): number {
    for (let device = FIRST_FREE; device <= LAST_FREE; device++) {
      if ([0, 1, 2, 3, 4, 5, 6, 7].some((fn) => this.#taken.has(device << 3 | fn))) continue;
      this.#taken.add(device << 3);
      return device << 3;
    }
    const expected = "a machine with a free place on its root bus";
    throw new InputError({ file: this.#file, path: "devices", found: "too many devices", expected });
  }
}

function parsePlace(at: string): number | null {
  const match = /^([01]?[0-9a-f])(?:\.([0-7]))?$/i.exec(at);
  return match === null ? null : parseInt(match[1], 16) << 3 | Number(match[2] ?? 0);
}

/** Slots that QEMU has, and where the first one is. */
const SLOTS = 8;
const SLOT_BASE = 0xfeb0_0000;

/** Slots of virtio devices without PCI. */
export class SlotPlaces implements Places {
  readonly #file: string;
  readonly #bus: string;
  readonly #taken: Set<number>;

  /** @throws {InputError} when the manifest's slots are not where QEMU has them. */
  constructor({ file, bus, devices }: ResolvedMachine, { rootBus }: BoardType) {
    this.#file = file;
    this.#bus = rootBus;
    this.#taken = new Set(devices.flatMap(({ at }) => at === undefined ? [] : [Number(at)]));
    const { base, slots } = bus!.options;
    const refuse = (option: string, found: string, expected: string) => {
      throw new InputError({ file, path: `${bus!.path}.with.${option}`, found, expected });
    };
    if (base !== SLOT_BASE) {
      refuse("base", `0x${base.toString(16)}`, `0x${SLOT_BASE.toString(16)}, where QEMU has its slots`);
    }
    if (slots !== SLOTS) refuse("slots", String(slots), `${SLOTS}, as many as QEMU has`);
  }

  take({ at, use: { path } }: ResolvedDevice): number {
    const free = Array.from({ length: SLOTS }, (_, i) => i).find((slot) => !this.#taken.has(slot));
    const slot = at === undefined ? free : Number(at);
    if (slot !== undefined && slot >= 0 && slot < SLOTS) {
      this.#taken.add(slot);
      return mmioRequester(slot);
    }
    const expected = `a slot, "0" to "${SLOTS - 1}"`;
    throw new InputError({ file: this.#file, path: `${path}.at`, found: at ?? "no free slot", expected });
  }

  properties(requester: number): Record<string, Property> {
    return { bus: `${this.#bus}.${(requester >> 3) - 1}` };
  }
}

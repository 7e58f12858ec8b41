// The search for slots against a plain model of Linux's: a count of free neighbours in every slot, one step at a time.

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { SlotMap, SlotRequest } from "./guest_slots.ts";

/** The algorithm as the fact sheet tells it, without any short cut. */
class Model {
  readonly #free: boolean[];
  readonly #next: number[];
  readonly #areaSlots: number;

  constructor(readonly count: number, readonly areas: number, readonly phase: number) {
    this.#free = new Array(count).fill(true);
    this.#next = new Array(areas).fill(0);
    this.#areaSlots = count / areas;
  }

  #list(slot: number): number {
    let free = 0;
    for (let at = slot; at < Math.min(this.count, (Math.floor(slot / 128) + 1) * 128) && this.#free[at]; at++) free++;
    return free;
  }

  take({ slots, align, alignMask, boundary, area }: SlotRequest): number {
    for (let i = 0; i < this.areas; i++) {
      const chosen = (area + i) % this.areas;
      const base = chosen * this.#areaSlots;
      let index = this.#next[chosen];
      for (let checked = 0; checked < this.#areaSlots; checked++) {
        const slot = base + index;
        const place = this.phase + slot;
        const aligned = (place & alignMask) === align;
        const inside = boundary === 0 || (place % boundary) + slots <= boundary;
        if (aligned && inside && this.#list(slot) >= slots) {
          this.#free.fill(false, slot, slot + slots);
          this.#next[chosen] = index + slots >= this.#areaSlots ? 0 : index + slots;
          return slot;
        }
        index = index + 1 >= this.#areaSlots ? 0 : index + 1;
      }
    }
    return -1;
  }

  give(slot: number, slots: number): void {
    this.#free.fill(true, slot, slot + slots);
  }
}

const SIZES = [1, 1, 1, 2, 2, 3, 5, 8, 16, 31, 64, 127, 128, 129];

function fill(request: SlotRequest, random: Random): void {
  request.slots = SIZES[random.below(SIZES.length)];
  request.alignMask = [0, 0, 0, 1, 1, 3, 31, 127][random.below(8)];
  request.align = random.below(3) === 0 ? random.next() & request.alignMask : 0;
  request.boundary = [0, 0, 0, 32, 128][random.below(5)];
  request.area = random.below(8);
}

function compare(count: number, areas: number, phase: number, seed: number, steps: number): void {
  const random = new Random(seed);
  const map = new SlotMap(count, areas, phase);
  const model = new Model(count, areas, phase);
  const request = new SlotRequest();
  const live: [slot: number, slots: number][] = [];
  let used = 0;
  for (let step = 0; step < steps; step++) {
    const filling = (step >> 8) % 2 === 0;
    if (live.length > 0 && random.below(10) < (filling ? 3 : 7)) {
      const [slot, slots] = live.splice(random.below(live.length), 1)[0];
      map.give(slot, slots);
      model.give(slot, slots);
      used -= slots;
    } else {
      fill(request, random);
      const expected = model.take(request);
      const found = map.take(request);
      if (found !== expected) {
        throw new Error(`seed ${seed}, step ${step}: slot ${found}, not ${expected}, for ${JSON.stringify(request)}`);
      }
      if (found >= 0) live.push([found, request.slots]), used += request.slots;
    }
    assert(map.used === used);
  }
}

Deno.test("100,000 requests find the slots that Linux's search finds, in pools of every shape (seed printed)", () => {
  const seed = 20220628;
  console.log(`seed ${seed}`);
  compare(128, 1, 0, seed, 20_000);
  compare(512, 1, 0x8000, seed + 1, 30_000);
  compare(1024, 4, 0x8000, seed + 2, 30_000);
  // A pool that starts in the middle of a page and of a boundary, and a transient one.
  compare(256, 2, 0x12345, seed + 3, 15_000);
  compare(9, 1, 2, seed + 4, 5000);
});

Deno.test("a slot that is given back is not found before the search has come round", () => {
  const map = new SlotMap(256, 1, 0);
  const request = new SlotRequest();
  request.slots = 1;
  const first = [0, 1, 2].map(() => map.take(request));
  map.give(1, 1);
  const rest = Array.from({ length: 253 }, () => map.take(request));
  assertEquals([first, rest[0], rest[252], map.take(request), map.take(request)], [[0, 1, 2], 3, 255, 1, -1]);
});

Deno.test("an allocation never crosses the end of a set, or of an area", () => {
  const map = new SlotMap(256, 2, 0);
  const request = new SlotRequest();
  request.slots = 100;
  assertEquals([map.take(request), map.take(request), map.take(request)], [0, 128, -1]);
  request.slots = 28;
  request.area = 1;
  assertEquals([map.take(request), map.take(request), map.take(request)], [228, 100, -1]);
});

Deno.test("each CPU begins in its own area, and a full area falls over to the next", () => {
  const map = new SlotMap(512, 4, 0);
  const request = new SlotRequest();
  request.slots = 128;
  request.area = 6;
  assertEquals([1, 2, 3, 4, 5].map(() => map.take(request)), [256, 384, 0, 128, -1]);
});

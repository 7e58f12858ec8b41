import { assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { ReferenceList } from "./guest/free_list.ts";

const none = () => 0;

Deno.test("a fresh table hands out 8, and a run of three 8 to 10", () => {
  assertEquals(new ReferenceList(8, 512, none).take(), 8);
  const list = new ReferenceList(8, 512, none);
  assertEquals([list.takeRun(3), list.take()], [8, 11]);
});

Deno.test("one taken and given back: a run begins behind it, and it is the next single one", () => {
  const list = new ReferenceList(8, 512, none);
  list.give(list.take());
  assertEquals([list.takeRun(3), list.take(), list.take()], [9, 8, 12]);
});

Deno.test("single references come back last in, first out; a run's first reference comes first", () => {
  const list = new ReferenceList(8, 512, none);
  for (let i = 0; i < 10; i++) list.take();
  list.give(12);
  list.give(9);
  assertEquals([list.take(), list.take(), list.take()], [9, 12, 18]);
  list.giveRun(10, 3);
  assertEquals([list.take(), list.take(), list.take()], [10, 11, 12]);
});

Deno.test("when the run at the end is too short, the first gap that is long enough is found", () => {
  const list = new ReferenceList(8, 32, none);
  for (let i = 0; i < 24; i++) list.take();
  for (const ref of [20, 9, 21, 30, 22, 10]) list.give(ref);
  assertEquals([list.takeRun(3), list.takeRun(2), list.takeRun(2), list.free], [20, 9, -1, 1]);
  assertEquals([list.take(), list.take()], [30, -1]);
});

Deno.test("a table that grows makes the run at its end longer", () => {
  let room = 1;
  const list = new ReferenceList(8, 16, () => room-- > 0 ? 16 : 0);
  for (let i = 0; i < 5; i++) list.take();
  assertEquals([list.takeRun(5), list.size, list.free], [13, 32, 14]);
  assertEquals([list.takeRun(15), list.free], [-1, 14]);
});

Deno.test("100000 operations agree with a set: nothing is handed out twice, runs are found when there are any (seed 3)", () => {
  const random = new Random(3);
  let size = 64;
  const list = new ReferenceList(8, 64, (wanted) => {
    const added = Math.ceil(wanted / 32) * 32;
    if (size + added > 256) return 0;
    size += added;
    return added;
  });
  const free = new Set(Array.from({ length: 56 }, (_, i) => 8 + i));
  const taken: [number, number][] = [];
  const hasRun = (count: number) =>
    [...free].some((ref) => Array.from({ length: count }, (_, i) => free.has(ref + i)).every(Boolean));
  for (let step = 0; step < 100_000; step++) {
    if (taken.length > 0 && random.below(100) < 49) {
      const [[ref, count]] = taken.splice(random.below(taken.length), 1);
      if (count === 1) list.give(ref);
      else list.giveRun(ref, count);
      for (let i = 0; i < count; i++) free.add(ref + i);
      continue;
    }
    const count = 1 + random.below(random.below(4) === 0 ? 20 : 2);
    const before = size;
    const could = hasRun(count);
    const ref = count === 1 ? list.take() : list.takeRun(count);
    for (let i = before; i < size; i++) free.add(i);
    if (could && ref < 0) throw new Error(`step ${step}: a run of ${count} was not found`);
    if (ref < 0) continue;
    for (let i = 0; i < count; i++) {
      if (!free.delete(ref + i)) throw new Error(`step ${step}: ${ref + i} was handed out twice`);
    }
    taken.push([ref, count]);
    if (list.free !== free.size) throw new Error(`step ${step}: ${list.free} free, not ${free.size}`);
  }
});

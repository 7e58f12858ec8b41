import { assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { FrameMap } from "./frame_map.ts";
import { Maptrack } from "./maptrack.ts";

Deno.test("handles: 0 to 254, then a new frame's, and 255 stays behind as the sentinel", () => {
  const maptrack = new Maptrack(2);
  const take = () => {
    const handle = maptrack.take();
    if (handle !== 0xffff_ffff) maptrack.flags[handle] = 2;
    return handle;
  };
  const handles = Array.from({ length: 511 }, take);
  assertEquals(handles.slice(0, 255), Array.from({ length: 255 }, (_, i) => i));
  assertEquals(handles.slice(255), Array.from({ length: 256 }, (_, i) => 256 + i));
  assertEquals(take(), 0xffff_ffff);
  maptrack.give(300);
  maptrack.give(7);
  assertEquals([take(), take(), take()], [255, 300, 0xffff_ffff]);
});

Deno.test("a frame map agrees with a plain map, whatever is entered and removed (seed 5)", () => {
  const random = new Random(5);
  const map = new FrameMap();
  const model = new Map<number, number>();
  for (let i = 0; i < 20_000; i++) {
    const key = random.below(300) * (random.below(2) === 0 ? 1 : 2 ** 34);
    if (random.below(3) > 0) {
      map.set(key, i);
      model.set(key, i);
    } else assertEquals(map.delete(key), model.delete(key));
    assertEquals(map.get(key), model.get(key) ?? -1);
  }
  assertEquals(map.size, model.size);
  for (const [key, value] of model) assertEquals(map.get(key), value);
});

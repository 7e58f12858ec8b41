import { assert, assertEquals } from "@std/assert";
import { WallClock } from "./clock.ts";

Deno.test("timers are due by the wall clock, in order, and nobody can spend time", async () => {
  const clock = new WallClock({ poll: () => false });
  const before = clock.now;
  clock.spend(1e12);
  assert(clock.now - before < 1e9);
  const order: number[] = [];
  const start = performance.now();
  await clock.run(
    new Promise<void>((done) => {
      clock.after(6e6, () => (order.push(2), done()));
      clock.after(3e6, () => order.push(1));
    }),
  );
  const took = performance.now() - start;
  assertEquals(order, [1, 2]);
  assert(took >= 6 && took < 1000, `${took} ms`);
});

Deno.test("while it waits it asks the hardware, without waiting as long as there is news", async () => {
  const waits: number[] = [];
  let news = 100;
  const clock: WallClock = new WallClock({
    poll(wait) {
      waits.push(wait);
      if (--news === 0) clock.post(() => end());
      return news > 0;
    },
  });
  let end = () => {};
  await clock.run(new Promise<void>((done) => end = done));
  assertEquals([waits.length, waits.every((wait) => wait === 0)], [100, true]);
});

Deno.test("a rejection comes through", async () => {
  const clock = new WallClock({ poll: () => false });
  const failure = new Error("no");
  assertEquals(await clock.run(Promise.reject(failure)).catch((error) => error), failure);
});

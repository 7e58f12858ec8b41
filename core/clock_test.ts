import { assertEquals, assertNotEquals } from "@std/assert";
import { Random, Scheduler } from "./clock.ts";

Deno.test("timers run by time, and in the order of setting when due together", () => {
  const scheduler = new Scheduler();
  const log: [string, number][] = [];
  const note = (name: string) => () => log.push([name, scheduler.now]);
  scheduler.after(20, note("c"));
  scheduler.after(10, note("a"));
  scheduler.after(10, note("b"));
  scheduler.cancel(scheduler.after(15, note("never")));
  while (scheduler.step());
  assertEquals(log, [["a", 10], ["b", 10], ["c", 20]]);
});

Deno.test("posted work runs before time moves on", () => {
  const scheduler = new Scheduler();
  const log: string[] = [];
  scheduler.after(0, () => log.push("timer"));
  scheduler.post(() => {
    log.push("first");
    scheduler.post(() => log.push("second"));
  });
  while (scheduler.step());
  assertEquals(log, ["first", "second", "timer"]);
});

Deno.test("a thousand timers come out sorted, whatever the order of setting", () => {
  const scheduler = new Scheduler();
  const random = new Random(7);
  const seen: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const due = random.below(500);
    scheduler.after(due, () => seen.push(due));
  }
  while (scheduler.step());
  assertEquals(seen, [...seen].sort((a, b) => a - b));
  assertEquals(seen.length, 1000);
});

Deno.test("more posted work than the ring holds keeps its order", () => {
  const scheduler = new Scheduler();
  const seen: number[] = [];
  for (let i = 0; i < 10; i++) scheduler.post(() => seen.push(i));
  for (let i = 0; i < 5; i++) scheduler.step();
  for (let i = 10; i < 300; i++) scheduler.post(() => seen.push(i));
  scheduler.settle();
  assertEquals(seen, Array.from({ length: 300 }, (_, i) => i));
});

Deno.test("promises resolved by work get their turn before virtual time skips to a timer", async () => {
  const scheduler = new Scheduler();
  const log: string[] = [];
  scheduler.after(1_000_000, () => log.push("watchdog"));
  await scheduler.run((async () => {
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve) => scheduler.post(resolve));
      log.push(`step ${i} at ${scheduler.now}`);
    }
  })());
  assertEquals(log, ["step 0 at 0", "step 1 at 0", "step 2 at 0"]);
});

Deno.test("run waits for the outside world without letting it go unnoticed", async () => {
  const scheduler = new Scheduler();
  const outside = new Promise<string>((resolve) => {
    // What comes from outside is work, and that work is what the promise waits for.
    setTimeout(() => scheduler.post(() => setTimeout(() => resolve("done"), 1)), 1);
  });
  assertEquals(await scheduler.run(outside), "done");
});

Deno.test("run passes a failure on", async () => {
  const scheduler = new Scheduler();
  const failed = await scheduler.run(Promise.reject(new Error("no"))).catch((error) => error.message);
  assertEquals(failed, "no");
});

Deno.test("the same seed gives the same numbers, another seed others", () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 8 }, () => random.next());
  };
  assertEquals(draw(1), draw(1));
  assertNotEquals(draw(1), draw(2));
  assertEquals(draw(0).every((n) => n >= 0 && n < 2 ** 32 && Number.isInteger(n)), true);
});

Deno.test("a machine that is never idle does not put a timer off for ever", () => {
  const scheduler = new Scheduler();
  let firedAt = 0;
  scheduler.after(100, () => firedAt = scheduler.now);
  const busy = () => {
    scheduler.spend(30);
    if (scheduler.now < 1000) scheduler.post(busy);
  };
  scheduler.post(busy);
  scheduler.settle();
  assertEquals(firedAt, 120);
});

Deno.test("settling runs a timer whose time has been spent, and no later one", () => {
  const scheduler = new Scheduler();
  const log: string[] = [];
  scheduler.after(10, () => log.push("overdue"));
  scheduler.cancel(scheduler.after(15, () => log.push("cancelled")));
  scheduler.after(30, () => log.push("later"));
  scheduler.spend(20);
  scheduler.settle();
  assertEquals([log, scheduler.now], [["overdue"], 20]);
});

Deno.test("time goes on to where it is told, and whatever is due by then runs, in order", () => {
  const scheduler = new Scheduler();
  const log: string[] = [];
  const at = (delay: number) => scheduler.after(delay, () => log.push(`${scheduler.now}`));
  at(30);
  at(10);
  scheduler.after(20, () => {
    scheduler.post(() => log.push("posted"));
    at(5);
  });
  assertEquals(scheduler.nextDue, 10);
  scheduler.advance(25);
  assertEquals([log, scheduler.now, scheduler.nextDue], [["10", "posted", "25"], 25, 30]);
  scheduler.advance(5); // never back
  assertEquals(scheduler.now, 25);
  scheduler.advance(100);
  assertEquals([log.at(-1), scheduler.now, scheduler.nextDue], ["30", 100, Infinity]);
});

Deno.test("somebody who waits for work hears of posted work and of timers", async () => {
  const scheduler = new Scheduler();
  for (const give of [() => scheduler.post(() => {}), () => scheduler.after(1, () => {})]) {
    const work = scheduler.work();
    give();
    await work;
  }
});

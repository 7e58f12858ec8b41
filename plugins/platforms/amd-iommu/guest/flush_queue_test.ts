import { assertEquals } from "@std/assert";
import { testWorld } from "@iova/core/testing";
import { FlushQueue } from "./flush_queue.ts";

function world() {
  const { guest, scheduler } = testWorld();
  const log: string[] = [];
  const recycled: number[] = [];
  const queue = new FlushQueue(guest, () => log.push(`flush at ${guest.now}`), (page) => recycled.push(page));
  return { queue, scheduler, log, recycled };
}

Deno.test("C9: 255 unmaps make no flush; the 256th makes one before it is queued", () => {
  const { queue, log, recycled } = world();
  for (let page = 1; page <= 255; page++) queue.add(page);
  assertEquals([log, queue.length], [[], 255]);
  queue.add(256);
  assertEquals([log, queue.length], [["flush at 0"], 1]);
  assertEquals(recycled, Array.from({ length: 255 }, (_, i) => i + 1), "oldest first");
});

Deno.test("C9: ten milliseconds after the first entry the timer flushes", () => {
  const { queue, scheduler, log, recycled } = world();
  scheduler.now = 500;
  queue.add(7);
  scheduler.now = 9_000_000;
  queue.add(8);
  assertEquals(recycled, []);
  while (scheduler.step());
  assertEquals([log, recycled], [["flush at 10000500"], [7, 8]]);
  assertEquals(scheduler.idle, true, "the timer does not run again by itself");
  queue.add(9);
  while (scheduler.step());
  assertEquals(recycled, [7, 8, 9]);
});

Deno.test("stopping flushes what waits and leaves no timer behind", () => {
  const { queue, scheduler, recycled } = world();
  queue.add(7);
  queue.stop();
  assertEquals([recycled, scheduler.idle], [[7], true]);
  const empty = world();
  empty.queue.stop();
  assertEquals(empty.log, []);
});

import { assertEquals } from "@std/assert";
import { Scheduler } from "./clock.ts";
import { Interrupts, MESSAGE_DOORBELL } from "./interrupts.ts";

Deno.test("a message interrupt is delivered after the device's call, once for several raises", () => {
  const scheduler = new Scheduler();
  const interrupts = new Interrupts(scheduler);
  let handled = 0;
  const message = interrupts.allocate(() => handled++);
  assertEquals(message, { address: MESSAGE_DOORBELL, data: 0 });
  interrupts.write(0, 4, message.data);
  interrupts.write(0, 4, message.data);
  assertEquals(handled, 0);
  scheduler.settle();
  assertEquals(handled, 1);
  interrupts.write(0, 4, 99);
  interrupts.write(0, 1, message.data);
  scheduler.settle();
  assertEquals(handled, 1, "unknown messages and writes of the wrong width are dropped");
});

Deno.test("a line is the or of its sources and interrupts while it is asserted", () => {
  const scheduler = new Scheduler();
  const interrupts = new Interrupts(scheduler);
  let handled = 0;
  const remove = interrupts.onLine(5, () => {
    handled++;
    if (handled === 2) interrupts.drive(5, false);
  });
  interrupts.drive(5, true);
  interrupts.drive(5, true);
  interrupts.drive(5, false);
  assertEquals(interrupts.isAsserted(5), true);
  while (scheduler.step());
  assertEquals([handled, interrupts.isAsserted(5)], [2, false]);
  remove();
  interrupts.drive(5, true);
  while (scheduler.step());
  assertEquals(handled, 2);
});

Deno.test("a handler that comes when its line is already asserted runs", () => {
  const scheduler = new Scheduler();
  const interrupts = new Interrupts(scheduler);
  interrupts.drive(3, true);
  let handled = 0;
  interrupts.onLine(3, () => {
    handled++;
    interrupts.drive(3, false);
  });
  scheduler.settle();
  assertEquals(handled, 1);
});

Deno.test("whoever watches lines is told of each change of level at once, and of nothing else", () => {
  const interrupts = new Interrupts(new Scheduler());
  const seen: [number, boolean][] = [];
  interrupts.watchers.push((line, asserted) => void seen.push([line, asserted]));
  interrupts.drive(5, true);
  interrupts.drive(5, true);
  interrupts.drive(5, false);
  interrupts.drive(9, true);
  interrupts.drive(5, false);
  assertEquals(seen, [[5, true], [9, true], [5, false]]);
});

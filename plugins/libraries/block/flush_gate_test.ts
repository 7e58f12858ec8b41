import { assertEquals } from "@std/assert";
import { FlushGate } from "./flush_gate.ts";

Deno.test("an open gate lets a flush pass at once, and tells how it ended", () => {
  const gate = new FlushGate();
  const ends: boolean[] = [];
  for (const works of [true, false]) gate.pass(() => works, (ok) => void ends.push(ok));
  assertEquals(ends, [true, false]);
});

Deno.test("a failure goes to the device, or to somebody who may try again", () => {
  const gate = new FlushGate();
  const ends: boolean[] = [];
  let flushes = 0;
  const pass = () => gate.pass(() => ++flushes > 0, (ok) => void ends.push(ok));
  gate.failures = 1;
  pass();
  assertEquals([ends, flushes], [[false], 0]);
  let again = () => {};
  gate.failures = 1;
  gate.onFailure = (retry) => again = retry;
  pass();
  assertEquals(ends, [false]);
  again();
  assertEquals([ends, flushes], [[false, true], 1]);
});

Deno.test("what waits at a held gate passes in its order", () => {
  const gate = new FlushGate();
  const order: number[] = [];
  gate.held = true;
  for (const n of [1, 2, 3]) gate.pass(() => order.push(n) > 0, () => {});
  assertEquals(order, []);
  gate.release();
  assertEquals(order, [1, 2, 3]);
});

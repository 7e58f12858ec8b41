import { assertEquals } from "@std/assert";
import { PLACE, World } from "../testdata/world.ts";

/** A world whose device has a one-level table with nothing in it. */
function world(q1 = 5n): World {
  const made = new World().start();
  made.dte(0x6000000000700203n, q1);
  return made;
}

const fault = (w: World, times: number) => {
  for (let i = 0; i < times; i++) w.ask(0x1000n);
};

Deno.test("case 22: the entry that finds the log full is lost, and the log stops until it is enabled again", () => {
  const w = world();
  fault(w, 255);
  assertEquals([w.log().length, w.read(0x2020)], [255, 0x1an]);
  fault(w, 1);
  assertEquals([w.log().length, w.read(0x2020)], [255, 0x13n]);
  w.write(0x2010, w.read(0x2018));
  fault(w, 3);
  assertEquals(w.log(), []);
  w.write(0x18, 0x1009n);
  w.write(0x2020, 1n);
  w.write(0x18, 0x100dn);
  fault(w, 2);
  assertEquals([w.log().length, w.read(0x2020)], [2, 0x1an]);
  assertEquals(w.read(0x2018), 0x10n);
});

Deno.test("case 23: SA logs none, SE the first; every read is aborted", () => {
  const none = world(0x0000000400000005n);
  fault(none, 3);
  assertEquals(none.log().length, 0);
  const first = world(0x0000000200000005n);
  fault(first, 3);
  assertEquals(first.log().length, 1);
  first.execute([0x2000000000000028n]);
  fault(first, 2);
  assertEquals(first.log().length, 2);
  assertEquals(first.iommu.counters!().refused, 5);
});

Deno.test("every event sets its status bit, and interrupts when enabled, entry before tail before message", () => {
  const w = world();
  const seen: [bigint, bigint, bigint][] = [];
  w.enableMessages();
  w.space.remove(w.space.registers(PLACE.DOORBELL)!);
  w.space.addRegisters(PLACE.DOORBELL, 0x1000, "doorbell", {
    read: () => 0,
    write: () => void seen.push([w.peek(PLACE.EVENTS), w.read(0x2018), w.read(0x2020)]),
  });
  fault(w, 1);
  assertEquals(seen, [[0x2000000500000028n, 0x10n, 0x1an]]);
  w.write(0x18, 0x1005n);
  w.write(0x2020, 2n);
  assertEquals(w.read(0x2020), 0x18n);
  fault(w, 1);
  assertEquals([seen.length, w.read(0x2020)], [1, 0x1an]);
});

Deno.test("a message capability that is off sends nothing", () => {
  const w = world();
  fault(w, 1);
  assertEquals(w.messages, []);
});

Deno.test("a message programs no registers, not even our own", () => {
  const w = world();
  w.enableMessages();
  // The command tail as the place of the message, with a tail as its data.
  w.space.write(w.configuration + 0x5c, 4, PLACE.MMIO + 0x2008);
  w.space.write(w.configuration + 0x64, 2, 0x10);
  fault(w, 1);
  assertEquals(w.read(0x2008), 0n);
});

Deno.test("a log where no memory is stops and loses the event", () => {
  const w = world();
  w.write(0x18, 0x1009n);
  w.write(0x10, 0x3000000n | 8n << 56n);
  w.write(0x18, 0x100dn);
  assertEquals(w.read(0x2020), 0x18n);
  fault(w, 1);
  assertEquals([w.read(0x2020), w.read(0x2018)], [0x11n, 0n]);
});

Deno.test("software owns the head, hardware the tail; a head beyond the log is ignored", () => {
  const w = world();
  w.write(0x2018, 0x40n);
  w.write(0x2010, 0x1000n);
  assertEquals([w.read(0x2010), w.read(0x2018)], [0n, 0n]);
  w.write(0x2010, 0xff0n);
  assertEquals(w.read(0x2010), 0xff0n);
});

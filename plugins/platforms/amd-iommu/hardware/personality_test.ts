// Rows of QEMU's personality that no comparison of whole scenarios shows: as measured on QEMU 7.2.22.

import { assertEquals } from "@std/assert";
import { BusStatus } from "@iova/core";
import { PLACE, World } from "../testdata/world.ts";
import { PERSONALITIES } from "./personality.ts";

const { OK, COMPLETER_ABORT } = BusStatus;
const READ = 1;
const WRITE = 2;
const PAGE = 0x6000000000201001n;
const READ_ONLY_DEVICE = 0x2000000000700203n;

function both(run: (world: World) => unknown): unknown[] {
  return (["spec", "qemu"] as const).map((personality) => run(new World({ personality }).start()));
}

Deno.test("rights above the leaf are looked at once: after a cached read a write lands", () => {
  const after = (world: World) => {
    world.poke(PLACE.ROOT + 8, PAGE);
    world.dte(READ_ONLY_DEVICE);
    const first = world.ask(0x1000n, WRITE).status;
    return [first, world.ask(0x1000n, READ).status, world.ask(0x1000n, WRITE).status];
  };
  assertEquals(both(after), [[COMPLETER_ABORT, OK, COMPLETER_ABORT], [COMPLETER_ABORT, OK, OK]]);
  const below = (world: World) => {
    world.dte(0x6000000000700403n);
    world.poke(PLACE.ROOT, 0x2000000000701201n);
    world.poke(0x70_1000 + 8, PAGE);
    return [WRITE, READ, WRITE].map((access) => world.ask(0x1000n, access as 1 | 2).status);
  };
  assertEquals(both(below), [[COMPLETER_ABORT, OK, COMPLETER_ABORT], [COMPLETER_ABORT, OK, OK]]);
});

Deno.test("INVALIDATE_IOTLB_PAGES of a page drops the IOMMU's own entry; of more it does not", () => {
  const stale = (sized: bigint) => (world: World) => {
    world.dte(0x6000000000700203n, 0x0000000100000005n);
    world.poke(PLACE.ROOT + 8, PAGE);
    world.where(0x1000n);
    world.poke(PLACE.ROOT + 8, 0x6000000000202001n);
    world.iommu.ats!.attach(PLACE.DEVICE, { invalidate() {}, pageResponse() {} });
    world.execute([0x4000002820000028n, 0x1000n | sized]);
    return world.where(0x1000n);
  };
  assertEquals(both(stale(0n)), [0x20_1000n, 0x20_2000n]);
  assertEquals(both(stale(1n)), [0x20_1000n, 0x20_1000n]);
});

Deno.test("the message window passes a blocked device, for reading too", () => {
  const window = (world: World) => {
    world.dte(3n);
    return [world.ask(0xfee0_0000n, READ).status, world.ask(0xfee0_0000n, WRITE).status];
  };
  assertEquals(both(window), [[COMPLETER_ABORT, OK], [OK, OK]]);
});

Deno.test("COMPLETION_WAIT's interrupt is sent although nothing enables it", () => {
  const sent = (world: World) => {
    world.enableMessages();
    world.execute([0x1000000000000002n]);
    return world.messages.length;
  };
  assertEquals(both(sent), [0, 1]);
});

Deno.test("a tail beyond the ring, which hangs QEMU, stops the ring here", () => {
  const world = new World({ personality: "qemu" }).start();
  world.write(0x2008, 0x2000n);
  let steps = 0;
  while (world.iommu.step!()) steps++;
  assertEquals([steps, world.read(0x2008)], [0, 0x2000n]);
  world.write(0x2008, 0n);
  world.execute([0x1000000000600009n, 0x1122334455667788n]);
  assertEquals(world.peek(0x60_0008), 0x1122334455667788n);
});

Deno.test("a table that names itself, which QEMU follows for ever, ends as not present", () => {
  const world = new World({ personality: "qemu" }).start();
  world.dte(0x6000000000700403n);
  world.poke(PLACE.ROOT, BigInt(PLACE.ROOT) | 0x6000000000000401n);
  assertEquals(world.ask(0x1000n, READ).status, COMPLETER_ABORT);
});

Deno.test("every row differs: one that does not is none", () => {
  const { spec, qemu } = PERSONALITIES;
  for (const row of Object.keys(spec) as (keyof typeof spec)[]) assertEquals(spec[row] === qemu[row], false, row);
});

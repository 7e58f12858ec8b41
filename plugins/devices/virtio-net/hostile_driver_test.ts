import { assert, assertEquals } from "@std/assert";
import { HostileDriver } from "./testdata/hostile.ts";

const CASES = 200_000;
/** Another seed for every day; a failing one is printed and can be set. */
const SEED = Math.floor(Date.now() / 86_400_000);

/** What the device can say against a driver, and what it counts when something goes wrong. */
const BRANCHES = [
  "writable buffer in a transmit queue",
  "transmit buffer shorter than a header",
  "header without a frame",
  "frame header leads nowhere",
  "readable buffer in a receive queue",
  "receive buffer shorter than a header",
  "command shorter than its header",
  "no room for a command's answer",
  "command leads nowhere",
  "a command's answer leads nowhere",
  "head beyond the descriptor table",
  "next beyond its table",
  "descriptor loop",
  "buffer of zero length",
  "readable buffer after a writable one",
  "available index ahead by more than the ring",
  "indirect descriptor without the feature",
  "indirect descriptor in an indirect table",
  "indirect table of a wrong length",
  "indirect table leads nowhere",
  "indirect descriptor that goes on",
  "chain of 2^32 bytes or more",
  "ring address leads nowhere",
  "ring address misaligned",
  "txFrames",
  "txErrors",
  "rxFrames",
  "rxErrors",
  "rxFiltered",
  "rxNoListener",
  "commands",
  "commandsRefused",
  "segments",
  "checksums",
];

function run(hostile: HostileDriver, cases: number): void {
  for (let i = 0; i < cases; i++) {
    try {
      hostile.run();
    } catch (error) {
      throw new Error(`case ${i} of seed ${SEED}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

Deno.test(`${CASES.toLocaleString("en")} cases of a hostile driver: no exception, bounded work, and every branch is reached`, () => {
  const hostile = new HostileDriver(SEED);
  run(hostile, CASES);
  const reached = hostile.branches();
  const shown = BRANCHES.map((branch) => `${String(reached.get(branch) ?? 0).padStart(8)}  ${branch}`);
  console.log([`seed ${SEED}`, ...shown].join("\n"));
  assertEquals(BRANCHES.filter((branch) => !reached.has(branch)), []);
  assert(hostile.world.device.breakdowns > 1000);
});

Deno.test("a device that is like QEMU is as hard to upset", () => {
  console.log(`seed ${SEED}`);
  const hostile = new HostileDriver(SEED, "qemu");
  run(hostile, CASES / 10);
  assert(hostile.world.device.breakdowns > 100);
});

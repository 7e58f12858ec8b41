// Whatever comes from the other process: an error that says so, in bounded time and memory, and never anything else.

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { close, Socket, socketPair, unavailable, write } from "@iova/libc";
import { readDeviceTree } from "../board/device_tree.ts";
import { QtestConnection } from "./connection.ts";
import { QemuError } from "./lines.ts";

const SEED = 20261127;
const ROUNDS = 5000;
const PIECES = [
  "OK",
  "OK ",
  "0x1f",
  "FAIL",
  "FAIL x",
  "ERR ",
  "IRQ raise 3",
  "IRQ lower",
  "IRQ raise 99999999999",
  "\n",
  "\r\n",
];

/** A stream of pieces of the protocol and of noise. */
function stream(random: Random): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let i = random.below(6); i >= 0; i--) {
    const noise = new Uint8Array(random.below(12));
    random.fill(noise);
    parts.push(random.below(4) === 0 ? noise : new TextEncoder().encode(PIECES[random.below(PIECES.length)]));
  }
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test({
  name: `${ROUNDS} streams that are no qtest protocol end in an error or an answer (seed ${SEED})`,
  ignore: unavailable() !== null,
  fn() {
    const random = new Random(SEED);
    const outcomes = { answers: 0, errors: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const pair = socketPair(Socket.NONBLOCK);
      if (typeof pair === "number") throw new Error("no sockets");
      const said = stream(random);
      if (said.length > 0) write(pair[1], said);
      close(pair[1]);
      const qtest = new QtestConnection(pair[0]);
      try {
        for (let i = 0; i < 3; i++) qtest.command("readl 0x0");
        outcomes.answers++;
      } catch (error) {
        assert(error instanceof QemuError, `round ${round}, seed ${SEED}: ${error}`);
        outcomes.errors++;
      } finally {
        qtest.close();
      }
    }
    assertEquals(outcomes.answers + outcomes.errors, ROUNDS);
    assert(outcomes.errors > ROUNDS / 2);
  },
});

Deno.test(`${ROUNDS} device trees with wrong bytes end in an error or a tree (seed ${SEED})`, () => {
  const random = new Random(SEED);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = new Uint8Array(40 + random.below(200));
    random.fill(bytes);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0xd00d_feed);
    view.setUint32(8, random.below(bytes.length));
    view.setUint32(12, random.below(bytes.length));
    for (let at = 40; at + 4 <= bytes.length; at += 4) if (random.below(2) === 0) view.setUint32(at, random.below(10));
    try {
      readDeviceTree(bytes);
    } catch (error) {
      assert(error instanceof QemuError, `round ${round}, seed ${SEED}: ${error}`);
    }
  }
});

import { assertEquals } from "@std/assert";
import { MAX_FRAME } from "./frame.ts";
import { SocketQueue } from "./socket_queue.ts";
import { encodeStream, StreamDecoder } from "./stream_decoder.ts";

/** Every frame that the decoder finds in pieces. */
function decode(pieces: Uint8Array[]): [frames: number[][], broken: boolean] {
  const decoder = new StreamDecoder();
  const frames: number[][] = [];
  for (const piece of pieces) {
    decoder.feed(piece);
    while (decoder.next()) frames.push([...decoder.frame.subarray(0, decoder.length)]);
  }
  return [frames, decoder.broken];
}

Deno.test("a frame is its length, high byte first, and its bytes", () => {
  assertEquals([...encodeStream(Uint8Array.from([7, 8, 9, 10]), 3)], [0, 0, 0, 3, 7, 8, 9]);
});

Deno.test("frames are found however the stream is cut", () => {
  const stream = Uint8Array.from([0, 0, 0, 3, 7, 8, 9, 0, 0, 0, 1, 5, 0, 0, 0, 2, 1]);
  for (let size = 1; size <= stream.length; size++) {
    const pieces = [];
    for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size));
    assertEquals(decode(pieces), [[[7, 8, 9], [5]], false]);
  }
});

Deno.test("a length of nothing, or beyond any frame's, breaks the stream", () => {
  const longest = new Uint8Array(4);
  new DataView(longest.buffer).setUint32(0, MAX_FRAME + 1);
  for (const bytes of [new Uint8Array(4), longest, new Uint8Array(4).fill(255)]) {
    assertEquals(decode([bytes, Uint8Array.from([0, 0, 0, 1, 5])]), [[], true]);
  }
});

Deno.test("a queue that is full says so, and calls when it has room", async () => {
  let release = () => {};
  let drained = 0;
  const queue = new SocketQueue(() => new Promise((done) => release = done), () => drained++);
  const half = new Uint8Array(512 * 1024);
  assertEquals([queue.add(half), queue.add(half), queue.add(new Uint8Array(1)), drained], [true, true, false, 0]);
  release();
  await new Promise((done) => setTimeout(done));
  assertEquals([drained, queue.add(half)], [1, true]);
});

Deno.test("sockets carry frames both ways, and peers that misbehave do no harm", async () => {
  const flags = ["--no-check", "--unstable-net", "--allow-net", "--allow-read", "--allow-write=/tmp"];
  const cases = new URL("testdata/socket_cases.ts", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), { args: ["test", ...flags, cases], env: { NO_COLOR: "1" } });
  const { code, stdout } = await command.output();
  const text = new TextDecoder().decode(stdout);
  assertEquals([code, text.includes("ok | 3 passed | 0 failed")], [0, true], text);
});

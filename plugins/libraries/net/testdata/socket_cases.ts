// Sockets between two back-ends. These run in a process of their own, which may use sockets: see socket_test.ts.

import { assert, assertEquals } from "@std/assert";
import { DgramBackend } from "../backend_dgram.ts";
import { StreamBackend } from "../backend_stream.ts";
import { plainFrame } from "../frame.ts";
import { encodeStream } from "../stream_decoder.ts";
import { TestInterface } from "../testing.ts";

/** Waits until something is so. */
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !what(); i++) await new Promise((wake) => setTimeout(wake, 5));
  assert(what(), "it never came to be");
}

interface Ends {
  paths: [string, string];
  remove(): void;
}

function paths(): Ends {
  const folder = Deno.makeTempDirSync({ dir: "/tmp" });
  return { paths: [`${folder}/a`, `${folder}/b`], remove: () => Deno.removeSync(folder, { recursive: true }) };
}

Deno.test({
  name: "two streams find each other in either order, carry frames both ways, and report the cable",
  async fn() {
    const { paths: [path], remove } = paths();
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    const client = new StreamBackend({ path, listen: false, warn });
    const [left, right] = [new TestInterface(), new TestInterface()];
    client.attach(left);
    assertEquals([client.up, client.send(plainFrame(new Uint8Array(5)))], [false, true]);
    await until(() => warnings.length === 1);
    const server = new StreamBackend({ path, listen: true, warn });
    server.attach(right);
    await until(() => client.up && server.up);
    const long = new Uint8Array(65550).map((_, i) => i);
    assertEquals([client.send(plainFrame(long)), client.send(plainFrame(Uint8Array.from([1])))], [true, true]);
    await until(() => right.frames.length === 2);
    assertEquals([right.frames[0].length, right.frames[0][65549], right.frames[1]], [
      65550,
      65549 & 255,
      Uint8Array.from([1]),
    ]);
    right.room = left.room = 0;
    server.send(plainFrame(Uint8Array.from([2])));
    server.send(plainFrame(Uint8Array.from([3])));
    await new Promise((wake) => setTimeout(wake, 20));
    assertEquals(left.frames, []);
    left.room = 9;
    client.resume();
    await until(() => left.frames.length === 2);
    assertEquals(left.frames.map((frame) => frame[0]), [2, 3]);
    client.close();
    await until(() => !server.up);
    assertEquals([left.links, right.links], [[true], [true, false]]);
    server.close();
    client.close();
    remove();
  },
});

Deno.test({
  name: "a peer that speaks nonsense is hung up on, and the next one is served",
  async fn() {
    const { paths: [path], remove } = paths();
    const warnings: string[] = [];
    const server = new StreamBackend({ path, listen: true, warn: (message) => warnings.push(message) });
    const nic = new TestInterface();
    server.attach(nic);
    const rude = await Deno.connect({ transport: "unix", path });
    await rude.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
    assertEquals(await rude.read(new Uint8Array(1)), null);
    rude.close();
    const polite = await Deno.connect({ transport: "unix", path });
    await polite.write(encodeStream(Uint8Array.from([9]), 1));
    await until(() => nic.frames.length === 1);
    assertEquals([warnings.length, server.counters().broken, server.counters().connections], [1, 1, 2]);
    polite.close();
    server.close();
    remove();
  },
});

Deno.test({
  name: "datagrams are frames; a stranger's are dropped, and so are frames for nobody",
  async fn() {
    const { paths: [a, b], remove } = paths();
    const one = new DgramBackend({ local: a, remote: b });
    const [left, right] = [new TestInterface(), new TestInterface()];
    one.attach(left);
    one.send(plainFrame(Uint8Array.from([1])));
    await until(() => one.counters().dropped === 1);
    const other = new DgramBackend({ local: b, remote: a });
    other.attach(right);
    right.room = 1;
    for (const byte of [2, 3, 4]) one.send(plainFrame(Uint8Array.from([byte])));
    await until(() => right.frames.length === 1);
    right.room = 5;
    other.resume();
    await until(() => right.frames.length === 3);
    assertEquals(right.frames.map((frame) => frame[0]), [2, 3, 4]);
    const stranger = new DgramBackend({ local: `${a}x`, remote: b });
    stranger.send(plainFrame(Uint8Array.from([5])));
    await until(() => other.counters().strangers === 1);
    for (const backend of [one, other, stranger]) backend.close();
    remove();
  },
});

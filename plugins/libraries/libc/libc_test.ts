// Every trap of the foreign function interface has a guard; each guard has a test here.

import { assert, assertEquals, assertRejects } from "@std/assert";
import * as libc from "./mod.ts";

const ignore = libc.unavailable() !== null;
const test = (name: string, fn: () => void | Promise<void>) => Deno.test({ name, ignore, fn });

/** What is left open after `work`: descriptors and mappings. */
async function leaks(work: () => void | Promise<void>): Promise<[number, number]> {
  libc.descriptorCount(8); // Loads the library.
  const fds = libc.descriptorCount();
  const mappings = libc.liveMappings();
  await work();
  // What other tests have left may be closed in between.
  return [Math.max(0, libc.descriptorCount() - fds), Math.max(0, libc.liveMappings() - mappings)];
}

function pair(): readonly [number, number] {
  const made = libc.socketPair(libc.Socket.NONBLOCK);
  if (typeof made === "number") throw new libc.SystemError("socketpair", made);
  return made;
}

function mapped(fd: number, length: number, offset: number): libc.Mapping {
  const made = libc.mapShared(fd, length, offset);
  if (typeof made === "number") throw new libc.SystemError("mmap", made);
  return made;
}

const folders: string[] = [];
addEventListener("unload", () => folders.forEach((folder) => Deno.removeSync(folder, { recursive: true })));

/** A name in a folder of its own, which goes when these tests have ended. */
function temporary(name: string): string {
  const folder = Deno.makeTempDirSync({ prefix: "iova-libc-" });
  folders.push(folder);
  return `${folder}/${name}`;
}

test("a failed call gives its errno as a negative number, and the next success is not spoiled by it", () => {
  assertEquals(libc.read(9999, new Uint8Array(8)), -libc.Errno.EBADF);
  assertEquals(libc.unlink("/nowhere/at/all"), -libc.Errno.ENOENT);
  assertEquals(libc.errnoName(-libc.Errno.ENOENT), "ENOENT");
  const fd = libc.eventfd();
  assertEquals([libc.takeEvent(fd), libc.signalEvent(fd), libc.signalEvent(fd), libc.takeEvent(fd)], [0, 8, 8, 2]);
  libc.close(fd);
});

test("descriptors travel with the first byte of a message, and belong to that message", async () => {
  assertEquals(
    await leaks(() => {
      const [a, b] = pair();
      const from = new libc.MessageSocket(a);
      const to = new libc.MessageSocket(b);
      const event = libc.eventfd();
      from.send(Uint8Array.of(1, 2, 3));
      from.send(Uint8Array.of(4, 5), [event, event]);
      const into = new Uint8Array(8);
      assertEquals([to.receive(into, 0, 3), to.takeDescriptors().length], [3, 0]);
      assertEquals(to.receive(into, 3, 2), 2);
      assertEquals([...into], [1, 2, 3, 4, 5, 0, 0, 0]);
      const fds = to.takeDescriptors();
      assertEquals(fds.length, 2);
      libc.signalEvent(fds[1]);
      assertEquals(libc.takeEvent(event), 1);
      assertEquals(to.receive(into, 0, 8), -libc.Errno.EAGAIN);
      libc.close(a);
      assertEquals(to.receive(into, 0, 8), 0);
      for (const fd of [b, event, ...fds]) libc.close(fd);
    }),
    [0, 0],
  );
});

test("what nobody takes of received descriptors is closed", async () => {
  assertEquals(
    await leaks(() => {
      const [a, b] = pair();
      const many = Array.from({ length: libc.MAX_DESCRIPTORS }, () => a);
      const from = new libc.MessageSocket(a);
      assertEquals(from.send(Uint8Array.of(1), many), 1);
      assertEquals(from.send(Uint8Array.of(1), [...many, a]), -libc.Errno.EINVAL);
      const to = new libc.MessageSocket(b);
      assertEquals(to.receive(new Uint8Array(1), 0, 1), 1);
      to.closeDescriptors();
      libc.close(a);
      libc.close(b);
    }),
    [0, 0],
  );
});

test("two mappings of one file are the same memory", async () => {
  assertEquals(
    await leaks(() => {
      const fd = libc.memoryFile("two", 16384);
      const first = mapped(fd, 16384, 0);
      const second = mapped(fd, 4096, 8192 + 512);
      libc.close(fd);
      new Uint8Array(first.buffer)[8192 + 512 + 7] = 0xa5;
      assertEquals([new Uint8Array(second.buffer)[7], second.sealed], [0xa5, true]);
      assertEquals(libc.addressOf(second.buffer), second.address);
      first.release();
      second.release();
      assertEquals(libc.addressOf(second.buffer), undefined);
    }),
    [0, 0],
  );
});

test("a view that outlives its mapping reads zeroes and reaches nobody, instead of killing the program", () => {
  const fd = libc.memoryFile("kept", 8192);
  const kept = mapped(fd, 8192, 0);
  const other = mapped(fd, 8192, 0);
  libc.close(fd);
  const view = new Uint8Array(kept.buffer);
  view.fill(0x11);
  kept.retain();
  kept.release();
  assertEquals([view[0], kept.live], [0x11, true]);
  kept.release();
  assertEquals([view[0], view[8191], kept.live], [0, 0, false]);
  view[0] = 0x22;
  assertEquals(new Uint8Array(other.buffer)[0], 0x11);
  other.release();
});

test("a file is never mapped beyond its end, and a memory file that can be sealed cannot shrink afterwards", () => {
  const fd = libc.memoryFile("short", 4096, 0);
  assertEquals(libc.mapShared(fd, 8192, 0), -libc.Errno.ENXIO);
  assertEquals(libc.mapShared(fd, 4096, 4096), -libc.Errno.ENXIO);
  assertEquals(libc.mapShared(fd, 2 ** 53, 0), -libc.Errno.EINVAL);
  assertEquals(libc.mapShared(fd, 0, 0), -libc.Errno.EINVAL);
  const mapping = mapped(fd, 4096, 0);
  assertEquals(libc.ftruncate(fd, 0), -libc.Errno.EPERM);
  mapping.release();
  libc.close(fd);
});

test("a file that its owner can shrink says so, or is refused", () => {
  const path = temporary("file");
  Deno.writeFileSync(path, new Uint8Array(4096));
  const fd = libc.open(path, libc.Open.RDWR);
  assertEquals(libc.mapShared(fd, 4096, 0, { sealed: true }), -libc.Errno.EPERM);
  const mapping = mapped(fd, 4096, 0);
  assertEquals(mapping.sealed, false);
  mapping.release();
  libc.close(fd);
});

test("file data goes straight into mapped memory and back", () => {
  const fd = libc.memoryFile("disk", 8192, 0);
  const ram = libc.memoryFile("ram", 8192);
  const mapping = mapped(ram, 8192, 0);
  const bytes = new Uint8Array(mapping.buffer);
  assertEquals(libc.pwrite(fd, new Uint8Array(512).fill(7), 512), 512);
  assertEquals(libc.preadAt(fd, mapping.address + 100, 512, 512), 512);
  assertEquals([bytes[99], bytes[100], bytes[611], bytes[612]], [0, 7, 7, 0]);
  const iovecs = new DataView(new ArrayBuffer(32));
  [mapping.address + 4096, 10, mapping.address, 20].forEach((n, i) => iovecs.setBigUint64(i * 8, BigInt(n), true));
  assertEquals(libc.preadv(fd, new Uint8Array(iovecs.buffer), 2, 512 + 500), 30);
  assertEquals([bytes[4096 + 9], bytes[0], bytes[1], bytes[2]], [7, 7, 7, 0]);
  assertEquals(libc.pwriteAt(fd, mapping.address + 100, 1, 8191), 1);
  assertEquals(libc.fallocate(fd, libc.Fallocate.PUNCH_HOLE | libc.Fallocate.KEEP_SIZE, 512, 512), 0);
  const back = new Uint8Array(8192);
  assertEquals(libc.pread(fd, back, 0), 8192);
  assertEquals([back[600], back[8191]], [0, 7]);
  assertEquals([libc.fileSize(fd), libc.fdatasync(fd), libc.fsync(fd)], [8192, 0, 0]);
  mapping.release();
  libc.close(fd);
  libc.close(ram);
});

test("a socket's file is its owner's alone, a stale one is replaced, a live one and a plain file are not", async () => {
  assertEquals(
    await leaks(() => {
      const path = temporary("socket");
      const first = libc.listenUnix(path);
      assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
      assertEquals(libc.listenUnix(path), -libc.Errno.EADDRINUSE);
      libc.close(first);
      const second = libc.listenUnix(path);
      assert(second >= 0);
      assertEquals(libc.acceptUnix(second), -libc.Errno.EAGAIN);
      const client = libc.connectUnix(path);
      const server = libc.acceptUnix(second);
      libc.write(client, Uint8Array.of(42));
      const got = new Uint8Array(4);
      assertEquals([libc.read(server, got), got[0]], [1, 42]);
      for (const fd of [second, client, server]) libc.close(fd);
      const plain = temporary("plain");
      Deno.writeTextFileSync(plain, "mine");
      assertEquals(libc.listenUnix(plain), -libc.Errno.EEXIST);
      assertEquals(Deno.readTextFileSync(plain), "mine");
      assertEquals(libc.listenUnix("/tmp/" + "x".repeat(120)), -libc.Errno.ENAMETOOLONG);
      assertEquals(libc.connectUnix("/nowhere/socket"), -libc.Errno.ENOENT);
    }),
    [0, 0],
  );
});

test("a set reports what is ready, and a wake-up from the same thread ends a wait without an event", async () => {
  assertEquals(
    await leaks(() => {
      const set = new libc.Poller();
      const events = [libc.eventfd(), libc.eventfd()];
      for (const fd of events) set.add(fd);
      assertEquals(set.wait(0), 0);
      libc.signalEvent(events[1]);
      set.wake();
      assertEquals([set.wait(0), set.fd(0), set.events(0)], [1, events[1], libc.Epoll.IN]);
      set.remove(events[1]);
      assertEquals(set.wait(0), 0);
      assertEquals(set.add(9999), -libc.Errno.EBADF);
      set.close();
      events.forEach(libc.close);
    }),
    [0, 0],
  );
});

test("waiting elsewhere survives the collector and leaves timers and files alone", async () => {
  const set = new libc.Poller();
  const event = libc.eventfd();
  set.add(event);
  const waited = set.waitElsewhere(5000);
  // Enough garbage for the collector to take whatever only the waiting call still uses.
  for (let i = 0; i < 200; i++) new Uint8Array(1 << 20).fill(i);
  await new Promise((done) => setTimeout(done, 1));
  await assertRejects(() => set.waitElsewhere(0), RangeError, "being waited for");
  libc.signalEvent(event);
  assertEquals([await waited, set.fd(0)], [1, event]);
  set.close();
  libc.close(event);
});

test("so many waits that the program would stop are refused", async () => {
  const sets = Array.from({ length: libc.MAX_WAITING + 1 }, () => new libc.Poller());
  const waits = sets.slice(1).map((set) => set.waitElsewhere(5000));
  await assertRejects(() => sets[0].waitElsewhere(5000), RangeError, "at most 16");
  // What needs Deno's own threads still works.
  assert((await Deno.readFile(new URL("mod.ts", import.meta.url))).length > 0);
  for (const set of sets) set.close();
  assertEquals(await Promise.all(waits), waits.map(() => 0));
});

test("a worker that waits in the kernel ends when its wake-up is signalled from outside", async () => {
  const worker = new Worker(new URL("testdata/waiting_worker.ts", import.meta.url), { type: "module" });
  const next = () => new Promise<unknown>((done) => worker.onmessage = ({ data }) => done(data));
  const wakeup = await next() as number;
  const ended = next();
  libc.signalEvent(wakeup);
  assertEquals(await ended, "ended");
  worker.terminate();
});

test("a port that is held cannot be listened on, and nobody listens on it meanwhile", async () => {
  assertEquals(
    await leaks(() => {
      const port = 20000 + Deno.pid % 20000;
      const held = libc.holdLocalPort(port);
      assert(held >= 0, libc.errnoName(held));
      assertEquals(libc.holdLocalPort(port), -libc.Errno.EADDRINUSE);
      libc.close(held);
      libc.close(libc.holdLocalPort(port));
    }),
    [0, 0],
  );
});

test("polling one descriptor gives its events, or 0 after the time", () => {
  const event = libc.eventfd();
  assertEquals(libc.pollOne(event, libc.Poll.IN, 0), 0);
  libc.signalEvent(event);
  assertEquals(libc.pollOne(event, libc.Poll.IN, 1000), libc.Poll.IN);
  libc.close(event);
});

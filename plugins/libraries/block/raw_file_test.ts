import { assertEquals } from "@std/assert";
import { type ImageFile, RawFileBackend } from "./raw_file.ts";
import { discard, writeZeroes } from "./zeroes.ts";

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

/** A file of `content`, open for reading and writing, for as long as `use` takes. */
function withFile(content: Uint8Array, use: (file: Deno.FsFile, path: string) => void): void {
  const path = Deno.makeTempFileSync({ prefix: "iova-image-" });
  try {
    Deno.writeFileSync(path, content);
    use(Deno.openSync(path, { read: true, write: true }), path);
  } finally {
    Deno.removeSync(path);
  }
}

/** Four sectors, of 0x10, 0x11, 0x12 and 0x13. */
function fourSectors(): Uint8Array {
  const content = new Uint8Array(2048);
  for (let i = 0; i < 2048; i++) content[i] = 0x10 + (i >> 9);
  return content;
}

Deno.test("a read puts the file's bytes at the offset and touches nothing around it", () =>
  withFile(fourSectors(), (file) => {
    const backend = new RawFileBackend(file, 2048, false);
    const bytes = filled(2048, 0xee);
    assertEquals(backend.read(1024, bytes, 512, 1024), true);
    assertEquals(
      bytes,
      new Uint8Array([
        ...filled(512, 0xee),
        ...filled(512, 0x12),
        ...filled(512, 0x13),
        ...filled(512, 0xee),
      ]),
    );
    backend.close();
  }));

Deno.test("a write changes its range of the file and nothing else", () =>
  withFile(fourSectors(), (file, path) => {
    const backend = new RawFileBackend(file, 2048, false);
    assertEquals(backend.write(512, filled(1024, 0xaa), 256, 512), true);
    assertEquals(backend.flush(), true);
    assertEquals(
      Deno.readFileSync(path),
      new Uint8Array([...filled(512, 0x10), ...filled(512, 0xaa), ...filled(512, 0x12), ...filled(512, 0x13)]),
    );
    backend.close();
  }));

Deno.test("reads and writes at mixed positions find their own places", () =>
  withFile(fourSectors(), (file) => {
    const backend = new RawFileBackend(file, 2048, false);
    const bytes = new Uint8Array(512);
    for (const sector of [3, 0, 2, 2, 1]) {
      assertEquals(backend.read(sector * 512, bytes, 0, 512), true);
      assertEquals(bytes, filled(512, 0x10 + sector));
      assertEquals(backend.write(0, filled(512, 0x10), 0, 512), true);
    }
    backend.close();
  }));

Deno.test("a file that was truncated behind its back is a host error, and what is left stays readable", () =>
  withFile(fourSectors(), (file, path) => {
    const backend = new RawFileBackend(file, 2048, true);
    Deno.truncateSync(path, 1100);
    const bytes = new Uint8Array(1024);
    assertEquals(backend.read(1024, bytes, 0, 1024), false);
    assertEquals(backend.read(1536, bytes, 0, 512), false);
    assertEquals(backend.read(512, bytes, 0, 512), true);
    assertEquals(bytes.subarray(0, 512), filled(512, 0x11));
    backend.close();
  }));

Deno.test("a file that was closed behind its back is a host error (EBADF)", () =>
  withFile(fourSectors(), (file) => {
    const backend = new RawFileBackend(file, 2048, false);
    file.close();
    assertEquals(backend.read(0, new Uint8Array(512), 0, 512), false);
    assertEquals(backend.write(0, new Uint8Array(512), 0, 512), false);
    assertEquals(backend.flush(), false);
    backend.close();
  }));

Deno.test("a write to a file that is open for reading only is a host error", () =>
  withFile(fourSectors(), (file, path) => {
    file.close();
    const backend = new RawFileBackend(Deno.openSync(path, { read: true }), 2048, false);
    assertEquals(backend.write(0, new Uint8Array(512), 0, 512), false);
    backend.close();
    assertEquals(Deno.readFileSync(path), fourSectors());
  }));

Deno.test("a read-only back-end refuses writes even when the file would take them", () =>
  withFile(fourSectors(), (file, path) => {
    const backend = new RawFileBackend(file, 2048, true);
    assertEquals(backend.write(0, new Uint8Array(512), 0, 512), false);
    assertEquals(backend.flush(), true);
    backend.close();
    assertEquals(Deno.readFileSync(path), fourSectors());
  }));

Deno.test("nothing outside the medium is read or written", () =>
  withFile(fourSectors(), (file, path) => {
    const backend = new RawFileBackend(file, 2048, false);
    const bytes = new Uint8Array(1024);
    for (const position of [-512, 1536, 2048, 2 ** 52]) {
      assertEquals(backend.read(position, bytes, 0, 1024), false);
      assertEquals(backend.write(position, bytes, 0, 1024), false);
    }
    backend.close();
    assertEquals(Deno.readFileSync(path), fourSectors());
  }));

Deno.test("after close, which may be called twice, everything is a host error", () =>
  withFile(fourSectors(), (file) => {
    const backend = new RawFileBackend(file, 2048, false);
    backend.close();
    backend.close();
    assertEquals(backend.read(0, new Uint8Array(512), 0, 512), false);
    assertEquals(backend.write(0, new Uint8Array(512), 0, 512), false);
    assertEquals(backend.flush(), false);
  }));

/** A host that moves at most 100 bytes a call, and fails every call once `full` is set. */
class StubbornFile implements ImageFile {
  full = false;
  synced = 0;
  closed = 0;
  #at = 0;
  constructor(readonly content: Uint8Array) {}
  seekSync(position: number | bigint): number {
    return this.#at = Number(position);
  }
  readSync(into: Uint8Array): number {
    const part = this.content.subarray(this.#at, this.#at + Math.min(100, into.length));
    into.set(part);
    this.#at += part.length;
    return part.length;
  }
  writeSync(from: Uint8Array): number {
    if (this.full) throw new Error("No space left on device (os error 28)");
    const part = from.subarray(0, 100);
    this.content.set(part, this.#at);
    this.#at += part.length;
    return part.length;
  }
  truncateSync(): void {
    if (this.full) throw new Error("File too large (os error 27)");
  }
  syncDataSync(): void {
    if (this.full) throw new Error("Input/output error (os error 5)");
    this.synced++;
  }
  close(): void {
    this.closed++;
  }
}

Deno.test("short reads and short writes are continued until everything has moved", () => {
  const file = new StubbornFile(fourSectors());
  const backend = new RawFileBackend(file, 2048, false);
  const bytes = new Uint8Array(2048);
  assertEquals(backend.read(0, bytes, 0, 2048), true);
  assertEquals(bytes, fourSectors());
  assertEquals(backend.write(512, filled(512, 0xbb), 0, 512), true);
  assertEquals(
    file.content.subarray(500, 1030),
    new Uint8Array([
      ...filled(12, 0x10),
      ...filled(512, 0xbb),
      ...filled(6, 0x12),
    ]),
  );
});

Deno.test("ENOSPC on write and EIO on flush are answers, and the next good write lands in the right place", () => {
  const file = new StubbornFile(fourSectors());
  const backend = new RawFileBackend(file, 2048, false);
  file.full = true;
  assertEquals(backend.write(0, filled(512, 0xcc), 0, 512), false);
  assertEquals(backend.flush(), false);
  file.full = false;
  assertEquals(backend.write(1536, filled(512, 0xdd), 0, 512), true);
  assertEquals(file.content.subarray(1536), filled(512, 0xdd));
  assertEquals(file.content.subarray(0, 512), filled(512, 0x10));
});

Deno.test("close flushes once and closes once", () => {
  const file = new StubbornFile(fourSectors());
  const backend = new RawFileBackend(file, 2048, false);
  backend.close();
  backend.close();
  assertEquals([file.synced, file.closed], [1, 1]);
});

Deno.test("a file grows and shrinks; what is new is zeros, and a host that refuses changes nothing", () => {
  const path = Deno.makeTempFileSync();
  Deno.writeFileSync(path, fourSectors());
  const backend = new RawFileBackend(Deno.openSync(path, { read: true, write: true }), 2048, false);
  assertEquals([backend.resize(1000), backend.resize(0), backend.resize(1024), backend.size], [
    false,
    false,
    true,
    1024,
  ]);
  assertEquals(Deno.statSync(path).size, 1024);
  assertEquals([backend.resize(4096), backend.size], [true, 4096]);
  const bytes = new Uint8Array(512).fill(1);
  assertEquals([backend.read(1024, bytes, 0, 512), bytes], [true, new Uint8Array(512)]);
  backend.close();
  Deno.removeSync(path);
  const full = new StubbornFile(fourSectors());
  full.full = true;
  const stubborn = new RawFileBackend(full, 2048, false);
  assertEquals([stubborn.resize(4096), stubborn.size], [false, 2048]);
  assertEquals(new RawFileBackend(full, 2048, true).resize(4096), false);
});

Deno.test("zeros and discards are written, since nothing punches holes", () => {
  const file = new StubbornFile(fourSectors());
  const backend = new RawFileBackend(file, 2048, false);
  assertEquals([writeZeroes(backend, 512, 512), discard(backend, 1536, 512)], [true, true]);
  assertEquals(file.content.subarray(512, 1024), new Uint8Array(512));
  assertEquals(file.content.subarray(1536), new Uint8Array(512));
  assertEquals(file.content[1024], fourSectors()[1024]);
  assertEquals(writeZeroes(backend, 2048, 512), false);
});

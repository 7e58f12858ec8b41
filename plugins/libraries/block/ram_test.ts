import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { RamBackend } from "./ram.ts";

Deno.test("the pattern's first words are the ones that were worked out by hand", () => {
  const words = new DataView(new RamBackend(512).bytes.buffer);
  // 0x9e3779b1 and twice that, each xored with itself shifted right by 15.
  assertEquals(words.getUint32(0, true), 0x9e3645df);
  assertEquals(words.getUint32(4, true), 0x3c6e8bbf);
});

Deno.test("no two pages of the pattern are the same, and it is the same every time", () => {
  const disk = new RamBackend(1024 * 1024);
  const pages = new Set<string>();
  for (let at = 0; at < disk.size; at += 4096) pages.add(disk.bytes.subarray(at, at + 4096).join());
  assertEquals(pages.size, 256);
  assertEquals(disk.bytes, new RamBackend(1024 * 1024).bytes);
});

Deno.test("content zero is zeros", () => {
  assertEquals(new RamBackend(4096, { content: "zero" }).bytes, new Uint8Array(4096));
});

for (
  const [what, position, offset, length] of [
    ["an aligned page", 8192, 4096, 4096],
    ["aligned pages", 4096, 8192, 8192],
    ["a sector", 512, 1536, 512],
    ["a page at an unaligned offset", 8192, 512, 4096],
    ["a page at an unaligned position", 512, 4096, 4096],
    ["many pages", 0, 4096, 128 * 1024],
  ] as const
) {
  Deno.test(`${what} is read to its place and written back from it`, () => {
    const disk = new RamBackend(256 * 1024);
    const before = disk.bytes.slice();
    const memory = new Uint8Array(256 * 1024).fill(0xee);
    assertEquals(disk.read(position, memory, offset, length), true);
    assertEquals(memory.subarray(offset, offset + length), before.subarray(position, position + length));
    assertEquals(memory[offset - 1] ?? 0xee, 0xee);
    assertEquals(memory[offset + length], 0xee);

    memory.fill(0x77, offset, offset + length);
    assertEquals(disk.write(position, memory, offset, length), true);
    const expected = before.slice();
    expected.fill(0x77, position, position + length);
    assertEquals(disk.bytes, expected);
  });
}

Deno.test("pages are written from the array that is lent now, not from the one before", () => {
  const disk = new RamBackend(8192, { content: "zero" });
  disk.write(0, new Uint8Array(8192).fill(1), 4096, 4096);
  disk.write(4096, new Uint8Array(8192).fill(2), 4096, 4096);
  assertEquals([disk.bytes[0], disk.bytes[4096]], [1, 2]);
});

Deno.test("nothing outside the medium is read or written, and a read-only one takes no writes", () => {
  const disk = new RamBackend(4096, { readOnly: true });
  const before = disk.bytes.slice();
  const memory = new Uint8Array(8192);
  assertEquals(disk.read(512, memory, 0, 4096), false);
  assertEquals(disk.read(-4096, memory, 0, 4096), false);
  assertEquals(disk.write(0, memory, 0, 4096), false);
  assertEquals(memory, new Uint8Array(8192));
  assertEquals(disk.bytes, before);
  assertNotEquals(disk.bytes, new Uint8Array(4096));
});

Deno.test("a medium that is not whole sectors cannot be made", () => {
  assertThrows(() => new RamBackend(1000), RangeError, "1000 bytes are not whole sectors");
  assertThrows(() => new RamBackend(0), RangeError);
});

Deno.test("memory can be zeroed in part and resized; what is new reads as zeros", () => {
  const disk = new RamBackend(8192);
  const last = disk.bytes.slice(7680);
  assertEquals([disk.writeZeroes(512, 1024), disk.writeZeroes(8192, 512)], [true, false]);
  assertEquals([disk.bytes.subarray(512, 1536).every((byte) => byte === 0), disk.bytes[1536] !== 0], [true, true]);
  assertEquals([disk.resize(100), disk.resize(12288), disk.size], [false, true, 12288]);
  assertEquals([disk.bytes.slice(7680, 8192), disk.bytes.slice(8192)], [last, new Uint8Array(4096)]);
  const page = new Uint8Array(4096).fill(9);
  assertEquals([disk.write(8192, page, 0, 4096), disk.read(8192, page, 0, 4096), page[0]], [true, true, 9]);
  assertEquals(new RamBackend(512, { readOnly: true }).resize(1024), false);
});

import { assertEquals, assertThrows } from "@std/assert";
import { AddressSpace, copyBytes, IoSpace, RamRegion } from "./memory.ts";

Deno.test("RAM is the buffer it was made over, own, shared or a part of one", () => {
  for (const buffer of [new ArrayBuffer(8192), new SharedArrayBuffer(8192)]) {
    const space = new AddressSpace();
    space.addRam(new RamRegion(0x1000, buffer, 4096));
    space.write(0x1004, 4, 0x11223344);
    assertEquals([...new Uint8Array(buffer, 4100, 4)], [0x44, 0x33, 0x22, 0x11]);
    assertEquals([space.read(0x1004, 2), space.read(0x1007, 1)], [0x3344, 0x11]);
  }
});

Deno.test("where nothing answers, reads give all ones and writes are dropped", () => {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(4096)));
  space.write(0x5000, 4, 1);
  assertEquals([space.read(0x5000, 1), space.read(0x5000, 2), space.read(0x5000, 4)], [0xff, 0xffff, 0xffff_ffff]);
  assertEquals(space.read(4094, 4), 0xffff_ffff, "an access half outside");
});

Deno.test("regions may touch but not overlap", () => {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(4096)));
  space.addRegisters(4096, 16, "next", { read: () => 1, write: () => {} });
  assertThrows(() => space.addRegisters(4111, 1, "over", { read: () => 0, write: () => {} }), RangeError, "overlaps");
  assertEquals(space.read(4096, 4), 1);
});

Deno.test("bytes outside one region cannot be borrowed", () => {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(4096)));
  assertEquals(space.bytes(4090, 6).length, 6);
  assertThrows(() => space.bytes(4090, 7), RangeError, "no RAM at 0xffa for 7 bytes");
});

Deno.test("a register block is not entered again while it handles an access", () => {
  const space = new AddressSpace();
  const seen: number[] = [];
  space.addRegisters(0, 16, "loop", {
    read: () => space.read(0, 4),
    write: (_offset, _width, value) => {
      seen.push(value);
      space.write(0, 4, value + 1);
    },
  });
  space.write(0, 4, 1);
  assertEquals([seen, space.read(0, 4)], [[1], 0xffff_ffff]);
});

Deno.test("a page view is the page it names, above 2 GiB too", () => {
  const ram = new RamRegion(0, new ArrayBuffer(0x8000_2000));
  ram.bytes[0x8000_1000] = 7;
  assertEquals([ram.page(0x8_0001)[0], ram.page(0x8_0001).length, ram.page(1)[0]], [7, 4096, 0]);
});

Deno.test("I/O ports answer from their block's own offset and not elsewhere", () => {
  const io = new IoSpace();
  const block = { read: (offset: number) => offset, write: () => {} };
  io.add(0xcf8, 8, block);
  assertEquals([io.read(0xcfc, 1), io.read(0xd00, 2)], [4, 0xffff]);
  assertThrows(() => io.add(0xcff, 1, block), RangeError, "taken");
  io.remove(block);
  assertEquals(io.read(0xcfc, 4), 0xffff_ffff);
});

Deno.test("copying is right for every length and overlap", () => {
  for (const length of [0, 1, 63, 64, 65, 4096]) {
    const from = new Uint8Array(5000).map((_, i) => i);
    const to = new Uint8Array(5000);
    copyBytes(to, 3, from, 5, length);
    assertEquals(to.subarray(3, 3 + length), from.subarray(5, 5 + length));
    assertEquals([to[2], to[3 + length]], [0, 0]);
  }
  const same = new Uint8Array(200).map((_, i) => i);
  copyBytes(same, 10, same, 0, 100);
  assertEquals([...same.subarray(10, 110)], Array.from({ length: 100 }, (_, i) => i));
});

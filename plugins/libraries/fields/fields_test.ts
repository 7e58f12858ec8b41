import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { defineStruct, type Struct } from "./mod.ts";
import { checkVectors, fromHex, toHex } from "./testing.ts";
import descVectors from "./vectors/virtq_desc.json" with { type: "json" };
import entryVectors from "./vectors/entry256.json" with { type: "json" };
import tceVectors from "./vectors/tce.json" with { type: "json" };

const Desc = defineStruct({
  name: "virtq_desc",
  source: "virtio 1.2 §2.7.5",
  size: 16,
  endian: "little",
  fields: [
    { name: "addr", at: 0, bytes: 8, writtenBy: "driver", readBy: "device", doc: "Bus address." },
    { name: "len", at: 8, bytes: 4, writtenBy: "driver", readBy: "device", doc: "Bytes." },
    { name: "flags", at: 12, bytes: 2, flags: { NEXT: 1, WRITE: 2, INDIRECT: 4 }, doc: "What it is." },
    { name: "next", at: 14, bytes: 2, doc: "The next one, if NEXT." },
  ],
});

const Entry = defineStruct({
  name: "entry256",
  source: "a 256-bit entry numbered as data sheets number them",
  size: 32,
  endian: "little",
  fields: [
    { name: "valid", bits: [0, 0], doc: "In use." },
    { bits: [8, 1], reserved: true },
    { name: "mode", bits: [11, 9], values: { NONE: 0, FIVE_LEVELS: 5 }, doc: "Levels." },
    { name: "root", bits: [51, 12], doc: "Page frame of the root." },
    { bits: [63, 52], reserved: true },
    { name: "domain", bits: [79, 64], doc: "Domain." },
    { bits: [254, 80], reserved: true },
    { name: "last", bits: [255, 255], doc: "The last bit." },
  ],
});

const Tce = defineStruct({
  name: "tce",
  source: "PAPR TCE",
  size: 8,
  endian: "big",
  fields: [
    { name: "rpn", bits: [63, 12], doc: "Page number." },
    { bits: [11, 2], reserved: true },
    { name: "write", bits: [1, 1], doc: "Writable." },
    { name: "read", bits: [0, 0], doc: "Readable." },
  ],
});

Deno.test("byte fields, bit fields of a 256-bit entry and a big-endian word agree with bytes written by hand", () => {
  checkVectors(Desc, descVectors);
  checkVectors(Entry, entryVectors);
  checkVectors(Tce, tceVectors);
});

Deno.test("offsets, shifts and masks are those of plain 32-bit loads", () => {
  assertEquals(Desc.at, { addr: 0, len: 8, flags: 12, next: 14 });
  assertEquals([Entry.at.mode, Entry.shift.mode, Entry.mask.mode], [0, 9, 0xe00]);
  assertEquals([Entry.at.root, Entry.mask.root, Entry.maskHigh.root], [0, 0xfffff000, 0x000fffff]);
  assertEquals([Entry.at.domain, Entry.shift.domain, Entry.mask.domain], [8, 0, 0xffff]);
  assertEquals([Entry.at.last, Entry.shift.last, Entry.mask.last], [28, 31, 0x80000000]);
  // In a big-endian word of 8 bytes the low half comes second.
  assertEquals([Tce.at.read, Tce.at.rpn, Tce.maskHigh.rpn], [4, 4, 0xffffffff]);
});

Deno.test("values are numbers up to 32 bits and bigints above, in the types as well", () => {
  const values: { addr: bigint; len: number; flags: number; next: number } = Desc.decode(new Uint8Array(16));
  assertEquals(values, { addr: 0n, len: 0, flags: 0, next: 0 });
  const entry: { valid: number; mode: number; root: bigint; domain: number; last: number } = Entry.decode(
    new Uint8Array(32),
  );
  assertEquals(entry.root, 0n);
  const annotated: Struct<{ rpn: bigint; write: number; read: number }> = Tce;
  assertEquals(annotated.size, 8);
  // @ts-expect-error: a 64-bit field takes no number.
  assertEquals(toHex(Desc.encode({ addr: 1 })).slice(0, 2), "01");
});

Deno.test("a value that does not fit, and a field that does not exist, are refused", () => {
  assertThrows(() => Desc.encode({ next: 65536 }), RangeError, "virtq_desc.next: 65536 does not fit 16 bits");
  assertThrows(() => Desc.encode({ len: -1 }), RangeError, "does not fit");
  assertThrows(() => Desc.encode({ len: 1.5 }), RangeError, "does not fit");
  assertThrows(() => Desc.encode({ length: 1 } as never), RangeError, 'no field "length"');
  assertThrows(() => Desc.decode(new Uint8Array(15)), RangeError, "16 bytes, not 15");
});

Deno.test("a table with an overlap, a gap or a field outside is refused", () => {
  const make = (...fields: Parameters<typeof defineStruct>[0]["fields"]) => () =>
    defineStruct({ name: "s", source: "", size: 4, endian: "little", fields });
  const doc = "";
  const low = { name: "low", at: 0, bytes: 2, doc };
  assertThrows(make(low, { name: "x", at: 1, bytes: 3, doc }), RangeError, '"x" overlaps "low"');
  assertThrows(make(low, { name: "x", at: 3, bytes: 1, doc }), RangeError, "bit 0 of byte 2 belongs to no field");
  assertThrows(make(low, { name: "x", at: 2, bytes: 2, bits: [14, 0], doc }), RangeError, "bit 7 of byte 3");
  assertThrows(make({ name: "x", at: 1, bytes: 4, doc }), RangeError, "s.x lies outside");
  assertThrows(make({ name: "x", bits: [32, 0], doc }), RangeError, "lies outside");
  assertThrows(make({ name: "x", bits: [0, 3], doc }), RangeError, "lies outside");
  assertThrows(make(low, { name: "low", at: 2, bytes: 2, doc }), RangeError, 'two fields are called "low"');
});

Deno.test("the printer names values and flags and points at reserved bits that are set", () => {
  assertEquals(
    Desc.format(fromHex("0010000000000000 00020000 0b00 0000")),
    "virtq_desc\n  addr   0x0000000000001000\n  len    0x00000200\n  flags  0x000b NEXT|WRITE|0x8\n  next   0x0000",
  );
  const bytes = new Uint8Array(32);
  bytes[0] = 0b100;
  bytes[1] = 0b1010;
  const text = Entry.format(bytes);
  assertStringIncludes(text, "mode            0x5 FIVE_LEVELS");
  assertStringIncludes(text, "reserved [8:1]  0x02 (reserved bits are set)");
  bytes[1] = 0b0010;
  assertStringIncludes(Entry.format(bytes), "0x1 (no such value)");
});

Deno.test("the documentation table has one row for each field", () => {
  const lines = Desc.table().split("\n");
  assertEquals(lines[0], "**virtq_desc**: 16 bytes, little-endian (virtio 1.2 §2.7.5)");
  assertEquals(lines[4], "| +0..7 | `addr` | driver | device | Bus address. |");
  assertEquals(lines[6], "| +12..13 | `flags` |  |  | What it is. 1: NEXT, 2: WRITE, 4: INDIRECT. |");
  assertEquals(Entry.table().split("\n")[6], "| [11:9] | `mode` |  |  | Levels. 0: NONE, 5: FIVE_LEVELS. |");
});

Deno.test("the check of vectors fails on a wrong byte, a wrong structure and a field that is always zero", () => {
  const wrong = structuredClone(tceVectors);
  wrong.vectors[0].bytes = "0000000012345001";
  assertThrows(() => checkVectors(Tce, wrong), Error, "tce: page 0x12345 readable and writable: encode");
  assertThrows(() => checkVectors(Desc, tceVectors), Error, "another structure");
  const poor = { ...tceVectors, vectors: [tceVectors.vectors[1]] };
  assertThrows(() => checkVectors(Tce, poor), Error, 'no vector has a non-zero "write"');
  const unknown = { ...tceVectors, vectors: [{ name: "x", fields: { rpm: 1 }, bytes: "0000000000000000" }] };
  assertThrows(() => checkVectors(Tce, unknown), Error, "unknown fields");
});

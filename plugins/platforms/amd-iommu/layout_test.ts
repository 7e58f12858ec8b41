import { assertEquals } from "@std/assert";
import { DmaHandle } from "@iova/core";
import type { Struct } from "@iova/fields";
import { checkVectors, type VectorFile } from "@iova/fields/testing";
import * as layout from "./layout.ts";

const structs = Object.values(layout).filter((value) => typeof value === "object" && "encode" in value) as Struct[];

for (const struct of structs) {
  Deno.test(`${struct.name} agrees with the vectors written from the specification`, async () => {
    const url = new URL(`./vectors/${struct.name}.json`, import.meta.url);
    const file: VectorFile = JSON.parse(await Deno.readTextFile(url));
    checkVectors(struct, file);
  });
}

Deno.test("every vector file belongs to a structure", () => {
  const names = structs.map(({ name }) => `${name}.json`);
  const files = [...Deno.readDirSync(new URL("./vectors", import.meta.url))].map(({ name }) => name);
  assertEquals(files.sort(), names.sort());
});

/** The specification's examples: base, size as a power of two, address with the code. */
const CODES: [base: bigint, shift: number, coded: bigint][] = [
  [0x0n, 13, 0x0n],
  [0x2000n, 13, 0x2000n],
  [0x200000n, 16, 0x207000n],
  [0x800000n, 21, 0x8ff000n],
  [0x800000n, 22, 0x9ff000n],
  [0x0n, 24, 0x7ff000n],
  [0x0n, 31, 0x3ffff000n],
  [0x0n, 32, 0x7ffff000n],
  [0x0n, 33, 0xfffff000n],
  [0x400000000n, 34, 0x5fffff000n],
  [0x0n, 63, 0x3ffffffffffff000n],
  [0x0n, 64, 0x7ffffffffffff000n],
];

Deno.test("a size code is put into an address and read back", () => {
  for (const [base, shift, coded] of CODES) {
    const handle = new DmaHandle().set(base);
    layout.putSizeCode(handle, shift);
    assertEquals(handle.value, coded, `2^${shift} bytes at ${base}`);
    const { hi, lo } = handle.set(coded);
    assertEquals(layout.sizeCodeShift(hi, lo), shift);
  }
});

Deno.test("an address of all ones names everything, and bits 11:0 do not count", () => {
  assertEquals(layout.sizeCodeShift(-1, -4096), 64);
  assertEquals(layout.sizeCodeShift(-1, -1), 64);
  assertEquals(layout.sizeCodeShift(0, 0xfff), 13);
});

Deno.test("levels and modes have the widths of the specification", () => {
  assertEquals([1, 2, 3, 4, 5, 6].map(layout.levelShift), [12, 21, 30, 39, 48, 57]);
  assertEquals([1, 2, 3, 4, 5, 6].map(layout.modeWidth), [21, 30, 39, 48, 57, 64]);
});

Deno.test("masks of reserved bits are those of the bit tables", () => {
  const hex = (words: Int32Array) => Array.from(words, (word) => (word >>> 0).toString(16).padStart(8, "0")).reverse();
  assertEquals(hex(layout.reservedMaskOf(layout.Pte)), ["07f00000", "00000000"]);
  assertEquals(hex(layout.reservedMaskOf(layout.Pde)), ["1ff00000", "00000000"]);
  assertEquals(hex(layout.reservedMaskOf(layout.Dte)), [
    "003fffff",
    "ffffffff",
    "08300000",
    "00000000",
    "00000000",
    "00000000",
    "80000000",
    "0000007c",
  ]);
  assertEquals(hex(layout.maskOf(layout.RingBase)), ["0f0fffff", "fffff000"]);
  assertEquals(hex(layout.maskOf(layout.CompletionWait, ["storeAddress"])), [
    "00000000",
    "00000000",
    "000fffff",
    "fffffff8",
  ]);
});

import { assertEquals } from "@std/assert";
import { genericMemoryMap } from "./memory_map.ts";

Deno.test("memory above 3 GiB continues at 4 GiB", () => {
  assertEquals(genericMemoryMap(3 * 1024 ** 3 + 8192).ram, [
    { base: 0, size: 0xc000_0000 },
    { base: 0x1_0000_0000, size: 0x2000 },
  ]);
  assertEquals(genericMemoryMap(3 * 1024 ** 3).ram, [{ base: 0, size: 0xc000_0000 }]);
});

Deno.test("the heap begins above the first MiB where there are more than two, else above the first page", () => {
  assertEquals([genericMemoryMap(2 << 20).heap, genericMemoryMap((2 << 20) + 4096).heap], [0x1000, 0x10_0000]);
});

import { assertEquals } from "@std/assert";
import { DMA_MAPPING_ERROR, dmaBitMask, type DmaParameters, type ScatterEntry } from "@iova/core";
import { concatenate, ScatterLayout } from "./scatter.ts";

/** Lays a list out in a block at `first` and joins it: pages of the block, then address and length of each segment. */
function segments(first: bigint, entries: [number, number][], params: Partial<DmaParameters> = {}) {
  const list: ScatterEntry[] = entries.map(([cpu, length]) => ({ cpu, length }));
  const all = { maxSegmentSize: 65536, segmentBoundaryMask: dmaBitMask(64), minAlignMask: 0, ...params };
  const layout = new ScatterLayout(list, all);
  const count = concatenate(list, layout, first, all);
  for (const { dmaAddress, dmaLength } of list.slice(count)) {
    assertEquals([dmaAddress, dmaLength], [DMA_MAPPING_ERROR, 0], "an entry beyond the count");
  }
  assertEquals(list.map(({ cpu, length }) => [cpu, length]), entries, "the driver's fields are the driver's");
  return { pages: layout.pages, segments: list.slice(0, count).map((entry) => [entry.dmaAddress, entry.dmaLength]) };
}

Deno.test("C10 (a): pages that are apart in memory become one segment", () => {
  assertEquals(segments(0xffff_c000n, [[0x10000, 4096], [0x30000, 4096], [0x50000, 2048]]), {
    pages: 3,
    segments: [[0xffff_c000n, 10240]],
  });
});

Deno.test("C10 (b): an entry that ends with its page is joined by the next", () => {
  assertEquals(segments(0xffff_e000n, [[0x10e00, 512], [0x30000, 4096]]).segments, [[0xffff_ee00n, 4608]]);
});

Deno.test("C10 (c): an entry that ends within its page ends its segment", () => {
  assertEquals(segments(0xffff_e000n, [[0x10000, 100], [0x30000, 4096]]).segments, [
    [0xffff_e000n, 100],
    [0xffff_f000n, 4096],
  ]);
});

Deno.test("C10 (d): a segment is at most 64 KiB long unless the device takes more", () => {
  const pages = Array.from({ length: 17 }, (_, i): [number, number] => [0x10000 + i * 0x2000, 4096]);
  assertEquals(segments(0xfffe_0000n, pages).segments, [[0xfffe_0000n, 65536], [0xffff_0000n, 4096]]);
  assertEquals(segments(0xfffe_0000n, pages, { maxSegmentSize: 1 << 20 }).segments, [[0xfffe_0000n, 69632]]);
});

Deno.test("an entry that starts within its page starts a segment", () => {
  assertEquals(segments(0x10000n, [[0x1000, 4096], [0x3010, 16]]).segments, [[0x10000n, 4096], [0x11010n, 16]]);
});

Deno.test("no segment crosses the device's boundary: the entry before it is padded up to it", () => {
  const result = segments(0x10000n, [[0x1000, 4096], [0x3000, 8192], [0x8000, 16384]], {
    segmentBoundaryMask: 0x3fffn,
  });
  assertEquals(result, { pages: 8, segments: [[0x10000n, 12288], [0x14000n, 16384]] });
});

Deno.test("where the boundary falls between two entries nothing is padded, and they are not joined", () => {
  const result = segments(0x10000n, [[0x1000, 8192], [0x4000, 4096]], { segmentBoundaryMask: 0x1fffn });
  assertEquals(result, { pages: 3, segments: [[0x10000n, 8192], [0x12000n, 4096]] });
});

import { assertEquals, assertThrows } from "@std/assert";
import { Direction, InputError } from "@iova/core";
import type { Struct } from "@iova/fields";
import { checkVectors, fromHex, toHex, type VectorFile } from "@iova/fields/testing";
import * as layout from "./layout.ts";
import { pageSizeMask } from "./options.ts";
import { TceWorld } from "./testdata/world.ts";
import buid from "./vectors/buid.json" with { type: "json" };
import createWindow from "./vectors/create_pe_dma_window.json" with { type: "json" };
import ddwApplicable from "./vectors/ddw_applicable.json" with { type: "json" };
import ddwExtensions from "./vectors/ddw_extensions.json" with { type: "json" };
import dmaWindow from "./vectors/dma_window.json" with { type: "json" };
import getTce from "./vectors/h_get_tce.json" with { type: "json" };
import putTce from "./vectors/h_put_tce.json" with { type: "json" };
import putTceIndirect from "./vectors/h_put_tce_indirect.json" with { type: "json" };
import stuffTce from "./vectors/h_stuff_tce.json" with { type: "json" };
import memoryRange from "./vectors/memory_range.json" with { type: "json" };
import queryWindow from "./vectors/query_pe_dma_window.json" with { type: "json" };
import readState from "./vectors/read_slot_reset_state2.json" with { type: "json" };
import removeWindow from "./vectors/remove_pe_dma_window.json" with { type: "json" };
import resetWindows from "./vectors/reset_pe_dma_windows.json" with { type: "json" };
import rtasHead from "./vectors/rtas_head.json" with { type: "json" };
import setEehOption from "./vectors/set_eeh_option.json" with { type: "json" };
import tce from "./vectors/tce.json" with { type: "json" };

// deno-lint-ignore no-explicit-any
const STRUCTS: [Struct<any>, VectorFile][] = [
  [layout.Tce, tce],
  [layout.HGetTce, getTce],
  [layout.HPutTce, putTce],
  [layout.HStuffTce, stuffTce],
  [layout.HPutTceIndirect, putTceIndirect],
  [layout.RtasHead, rtasHead],
  [layout.QueryWindow, queryWindow],
  [layout.CreateWindow, createWindow],
  [layout.RemoveWindow, removeWindow],
  [layout.ResetWindows, resetWindows],
  [layout.SetEehOption, setEehOption],
  [layout.ReadSlotResetState, readState],
  [layout.DmaWindow, dmaWindow],
  [layout.DdwApplicable, ddwApplicable],
  [layout.DdwExtensions, ddwExtensions],
  [layout.Buid, buid],
  [layout.MemoryRange, memoryRange],
];

for (const [struct, vectors] of STRUCTS) {
  Deno.test(`golden vectors: ${struct.name}`, () => checkVectors(struct, vectors));
}

/** The bytes of the vector whose name begins so. */
function golden({ vectors }: VectorFile, start: string): string {
  return toHex(fromHex(vectors.find(({ name }) => name.startsWith(start))!.bytes));
}

Deno.test("the registers of a guest's calls are those of the golden vectors", () => {
  const world = new TceWorld();
  const { dma } = world.device;
  dma.mapSingle(0x1234_5678, 0x100, Direction.TO_DEVICE);
  dma.mapSingle(0x1000_0000, 0x25_8000, Direction.BIDIRECTIONAL);
  dma.unmapSingle(0x3000_0000n, 0x25_8000, Direction.BIDIRECTIONAL);
  const [put, list, , , stuff] = world.calls.map(({ registers }) => registers.join(""));
  assertEquals(put.slice(0, 48), golden(putTce, "case 1"));
  assertEquals(stuff, golden(stuffTce, "case 3"));
  // Where the list page lies is the guest's affair.
  const expected = golden(putTceIndirect, "case 3");
  assertEquals([list.slice(0, 32), list.slice(48)], [expected.slice(0, 32), expected.slice(48)]);
});

Deno.test("the bytes of firmware's properties are those of the golden vectors", () => {
  const { phb } = new TceWorld({ ddw: true });
  const bytes = Object.fromEntries(phb.firmware().map((table) => [table.name, toHex(table.bytes)]));
  assertEquals(bytes["ibm,dma-window"], golden(dmaWindow, "1 GiB"));
  assertEquals(bytes["ibm,ddw-applicable"], golden(ddwApplicable, "tokens"));
  assertEquals(bytes["ibm,ddw-extensions"], golden(ddwExtensions, "one"));
  assertEquals(bytes["pci/reg"], golden(buid, "the first"));
  assertEquals(new TextDecoder().decode(fromHex(bytes["ibm,hypertas-functions"])), "hcall-tce\0hcall-multi-tce\0");
});

Deno.test("RTAS answers in the caller's buffer, byte for byte", () => {
  const world = new TceWorld({ ddw: true, profile: "qemu-tcg" });
  const check = (file: VectorFile, start: string, results: number) => {
    const expected = fromHex(golden(file, start));
    const buffer = world.world.world.bytes(0x4000, expected.length);
    buffer.set(expected);
    buffer.fill(0xff, expected.length - 4 * results);
    assertEquals(world.hcall(0xf000, 0x4000), 0);
    assertEquals(toHex(buffer), toHex(expected));
  };
  check(queryWindow, "case 12", 5);
  check(createWindow, "case 12", 4);
});

Deno.test("a list in the guest's own byte order names nothing: its control bits are in the wrong byte", () => {
  const world = new TceWorld();
  new DataView(world.world.world.bytes(0x2000, 8).buffer).setBigUint64(0x2000, 0x1234_5003n, true);
  assertEquals(world.hcall(0x13c, 0x8000_0000, 0x1000, 0x2000, 1), 0);
  assertEquals(world.entry(1), "0350341200000000");
  assertEquals(world.translate(0x1000n), null);
});

Deno.test("the mask of page sizes is RTAS's, where 2 MiB came last", () => {
  const where = { file: "machine.json", path: "platform" };
  assertEquals(pageSizeMask("4KiB,64KiB,2MiB,16MiB", where), 0x107);
  assertEquals(pageSizeMask("16GiB, 32MiB", where), 0x088);
  assertEquals([layout.largestPageShift(0x107), layout.largestPageShift(0x183), layout.largestPageShift(0)], [
    24,
    34,
    0,
  ]);
  assertThrows(
    () => pageSizeMask("4KiB,8KiB", where),
    InputError,
    `machine.json: platform.with.pageSizes: found "8KiB", expected sizes out of 4 KiB, 64 KiB, 16 MiB, 32 MiB, 64 MiB, ` +
      `128 MiB, 256 MiB, 16 GiB, 2 MiB`,
  );
});

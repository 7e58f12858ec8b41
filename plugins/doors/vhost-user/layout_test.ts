import { assertEquals } from "@std/assert";
import { checkVectors } from "@iova/fields/testing";
import * as layout from "./layout.ts";
import { areaBytes, PackedEntry, PackedRegion, SplitEntry, SplitRegion } from "./layout_inflight.ts";
import configHead from "./vectors/config_head.json" with { type: "json" };
import header from "./vectors/header.json" with { type: "json" };
import inflightHead from "./vectors/inflight_head.json" with { type: "json" };
import iotlb from "./vectors/iotlb.json" with { type: "json" };
import memoryRegion from "./vectors/memory_region.json" with { type: "json" };
import packedEntry from "./vectors/packed_entry.json" with { type: "json" };
import packedRegion from "./vectors/packed_region.json" with { type: "json" };
import splitEntry from "./vectors/split_entry.json" with { type: "json" };
import splitRegion from "./vectors/split_region.json" with { type: "json" };
import vringAddr from "./vectors/vring_addr.json" with { type: "json" };
import vringState from "./vectors/vring_state.json" with { type: "json" };

Deno.test("the structures of messages agree with bytes written by hand", () => {
  checkVectors(layout.ConfigHead, configHead);
  checkVectors(layout.Header, header);
  checkVectors(layout.InflightHead, inflightHead);
  checkVectors(layout.Iotlb, iotlb);
  checkVectors(layout.MemoryRegion, memoryRegion);
  checkVectors(layout.VringAddr, vringAddr);
  checkVectors(layout.VringState, vringState);
});

Deno.test("the memory that outlives a back-end has the layout that other back-ends give it", () => {
  checkVectors(PackedEntry, packedEntry);
  checkVectors(PackedRegion, packedRegion);
  checkVectors(SplitEntry, splitEntry);
  checkVectors(SplitRegion, splitRegion);
  assertEquals([areaBytes(128, false), areaBytes(128, true), areaBytes(1, false)], [2112, 4160, 64]);
});

Deno.test("a request has its name in logs, and a number when it has none", () => {
  assertEquals([layout.requestName(22), layout.requestName(200)], ["IOTLB_MSG", "request 200"]);
});

import { checkVectors, type VectorFile } from "@iova/fields/testing";
import type { Struct } from "@iova/fields";
import * as layout from "./layout.ts";
import addToPhysmap from "./vectors/add_to_physmap.json" with { type: "json" };
import cacheFlush from "./vectors/cache_flush.json" with { type: "json" };
import copy from "./vectors/copy.json" with { type: "json" };
import getStatusFrames from "./vectors/get_status_frames.json" with { type: "json" };
import getVersion from "./vectors/get_version.json" with { type: "json" };
import entryV1 from "./vectors/grant_entry_v1.json" with { type: "json" };
import fullPage from "./vectors/grant_entry_v2_full_page.json" with { type: "json" };
import subPage from "./vectors/grant_entry_v2_sub_page.json" with { type: "json" };
import transitive from "./vectors/grant_entry_v2_transitive.json" with { type: "json" };
import status from "./vectors/grant_status.json" with { type: "json" };
import mapGrantRef from "./vectors/map_grant_ref.json" with { type: "json" };
import memoryExchange from "./vectors/memory_exchange.json" with { type: "json" };
import p2mEntry from "./vectors/p2m_entry.json" with { type: "json" };
import querySize from "./vectors/query_size.json" with { type: "json" };
import setVersion from "./vectors/set_version.json" with { type: "json" };
import setupTable from "./vectors/setup_table.json" with { type: "json" };
import swapGrantRef from "./vectors/swap_grant_ref.json" with { type: "json" };
import transfer from "./vectors/transfer.json" with { type: "json" };
import unmapAndReplace from "./vectors/unmap_and_replace.json" with { type: "json" };
import unmapGrantRef from "./vectors/unmap_grant_ref.json" with { type: "json" };

function check<V>(struct: Struct<V>, file: VectorFile): void {
  Deno.test(`${struct.name}: bytes and fields agree with the golden vectors`, () => checkVectors(struct, file));
}

check(layout.GrantEntryV1, entryV1);
check(layout.GrantEntryV2FullPage, fullPage);
check(layout.GrantEntryV2SubPage, subPage);
check(layout.GrantEntryV2Transitive, transitive);
check(layout.GrantStatusWord, status);
check(layout.MapGrantRef, mapGrantRef);
check(layout.UnmapGrantRef, unmapGrantRef);
check(layout.SetupTable, setupTable);
check(layout.Transfer, transfer);
check(layout.Copy, copy);
check(layout.QuerySize, querySize);
check(layout.UnmapAndReplace, unmapAndReplace);
check(layout.SetVersion, setVersion);
check(layout.GetStatusFrames, getStatusFrames);
check(layout.GetVersion, getVersion);
check(layout.SwapGrantRef, swapGrantRef);
check(layout.CacheFlush, cacheFlush);
check(layout.AddToPhysmap, addToPhysmap);
check(layout.MemoryExchange, memoryExchange);
check(layout.P2mEntry, p2mEntry);

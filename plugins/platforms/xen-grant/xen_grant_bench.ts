/**
 * What grants cost: whole requests against the direct platform, and maps of a page beside few and many live mappings.
 *
 * @module
 */

import { Access, Direction, dmaBitMask, DmaHandle, loadMachine, type Manifest, RamRegion } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { RandomReads } from "../../../tests/bench/disks.ts";
import { type Case, suite } from "../../../tests/bench/harness.ts";
import xenGrant from "./mod.ts";

const DEPTH = 32;
const PAGE = 0x4000_0000;

/** Random reads of 4 KiB on one disk in memory. */
async function reads(platform: Manifest["platform"]): Promise<(count: number) => Promise<void>> {
  const machine = await loadMachine({
    memory: "64MiB",
    platform,
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "8MiB" } }],
  });
  const disk = new RandomReads(machine, "disk0", DEPTH);
  await disk.run(20_000);
  return (count) => disk.run(count);
}

async function workload(): Promise<Case[]> {
  const direct = "direct, 4 KiB reads at depth 32";
  const cases: Case[] = [{ name: direct, run: await reads("direct") }];
  for (const policy of ["map", "cached", "copy", "persistent"]) {
    cases.push({
      name: `xen-grant ${policy}`,
      run: await reads({ use: "xen-grant", with: { policy } }),
      against: direct,
      ...(policy === "map" && { atMost: 2.5 }),
    });
  }
  cases.push({ name: "xen-pv", run: await reads("xen-pv"), against: direct });
  return cases;
}

/** A device beside `live` mappings of one page. */
function among(live: number) {
  const ram = [[0, 0x200_0000]] as const;
  const { world, device } = testPlatform(xenGrant, { ram, with: { maxGrantFrames: 8192 } });
  world.space.addRam(new RamRegion(PAGE, new ArrayBuffer(4096)));
  const { dma, port } = device();
  dma.setMaskAndCoherent(dmaBitMask(64));
  const out = new DmaHandle();
  for (let i = 0; i < live; i++) {
    if (!dma.mapInto(out, PAGE, 64, Direction.BIDIRECTIONAL)) throw new Error(`mapping ${i} failed`);
  }
  return { dma, port, out };
}

function mapUnmap(live: number, name: string, more: Partial<Case> = {}): Case {
  const { dma, out } = among(live);
  return {
    name,
    run(count) {
      for (let i = 0; i < count; i++) {
        dma.mapInto(out, PAGE, 64, Direction.FROM_DEVICE);
        dma.unmapFrom(out, 64, Direction.FROM_DEVICE);
      }
    },
    ...more,
  };
}

function access(): Case {
  const { dma, port, out } = among(0);
  dma.mapInto(out, PAGE, 4096, Direction.BIDIRECTIONAL);
  const { hi, lo } = out;
  const nothing = { piece() {} };
  return {
    name: "an access: map, translate, unmap",
    run(count) {
      for (let i = 0; i < count; i++) port.visit(hi, lo, 64, Access.READ, nothing);
    },
    heapAtMost: 1,
  };
}

const FEW = "map + unmap among 1000";

await suite("xen-grant", [
  ...await workload(),
  mapUnmap(1000, FEW, { heapAtMost: 1 }),
  mapUnmap(1_000_000, "map + unmap among 1000000", { against: FEW, atMost: 2, heapAtMost: 1 }),
  access(),
]);

import { assertEquals } from "@std/assert";
import { type Direction, DmaAttr, Random } from "@iova/core";
import { HIGH, POOL, pSwi, type SwiOptions } from "./testdata/world.ts";

const AREA = 0x8_0000;
const GUARD = 0x5a;

interface Live {
  handle: bigint;
  size: number;
}

/** A driver that maps properly and gives back, syncs and unmaps as it likes. Buffers lie in the first half of a MiB. */
function misbehave(options: SwiOptions, seed: number, steps: number): void {
  const at = pSwi(options);
  const { dma, tlb, world } = at;
  const random = new Random(seed);
  const live: Live[] = [];
  world.bytes(HIGH + AREA, AREA).fill(GUARD);
  const wild = () =>
    [
      0n,
      0xffff_ffff_ffff_ffffn,
      BigInt(POOL + random.below(0x50_0000)),
      BigInt(random.next()),
      BigInt(HIGH + random.below(AREA)),
      BigInt(random.next()) << 32n,
    ][random.below(6)];
  const somewhere = () => live.length > 0 && random.below(2) === 0 ? live[random.below(live.length)].handle : wild();
  const direction = () => random.below(3) as Direction;
  const size = () => 1 + random.below([16, 2048, 8192, 0x4_0001, 0x8_0000][random.below(5)]);
  for (let step = 0; step < steps; step++) {
    dma.params.minAlignMask = [0, 0, 0x7ff, 0xfff][random.below(4)];
    const what = random.below(8);
    if (what < 3) {
      const length = 1 + random.below([16, 2048, 8192, 0x4_0001][random.below(4)]);
      const handle = dma.mapSingle(HIGH + random.below(AREA - length), length, direction());
      if (dma.mappingError(handle) === 0) live.push({ handle, size: length });
    } else if (what < 5) {
      const handle = somewhere();
      const before = tlb.used;
      dma.unmapSingle(handle, size(), direction(), random.below(2) * DmaAttr.SKIP_CPU_SYNC);
      const index = live.findIndex((one) => one.handle === handle);
      if ((index >= 0) !== tlb.used < before) throw new Error(`seed ${seed}, step ${step}: 0x${handle.toString(16)}`);
      if (index >= 0) live.splice(index, 1);
    } else if (what < 7) {
      const from = somewhere() + BigInt(random.below(3000));
      if (what === 5) dma.syncSingleForCpu(from, size(), direction());
      else dma.syncSingleForDevice(from, size(), direction());
    } else {
      dma.needSync(somewhere());
      world.scheduler.settle();
    }
    if (live.length > 200) {
      for (const one of live.splice(0, 100)) dma.unmapSingle(one.handle, one.size, direction());
    }
  }
  for (const one of live) dma.unmapSingle(one.handle, one.size, direction());
  assertEquals([tlb.used, tlb.transientSlots], [0, 0], `seed ${seed}`);
  assertEquals(
    world.bytes(HIGH + AREA, AREA).every((byte) => byte === GUARD),
    true,
    `seed ${seed}: beyond the buffers`,
  );
}

Deno.test("100,000 steps of a driver that breaks every rule: nothing outside its buffers changes, no slot is lost (seed printed)", () => {
  const seed = 20110310;
  console.log(`seed ${seed}`);
  misbehave({}, seed, 40_000);
  misbehave({ slots: 512, areas: 4 }, seed + 1, 20_000);
  misbehave({ slots: 128, dynamic: true, more: 0x100_0000 }, seed + 2, 20_000);
  misbehave({ regression: "copy-on-every-sync" }, seed + 3, 20_000);
});

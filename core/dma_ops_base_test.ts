import { assertEquals } from "@std/assert";
import type { DmaHandle, PhysAddr } from "./address.ts";
import { HardwareWork } from "./bus.ts";
import { Scheduler } from "./clock.ts";
import { Direction, DmaAttr, dmaBitMask, dmaStats, Errno } from "./dma_ops.ts";
import { BaseDmaOps } from "./dma_ops_base.ts";
import { EventStream } from "./events.ts";
import { SimulatedGuest } from "./guest.ts";
import { Interrupts } from "./interrupts.ts";
import { AddressSpace, IoSpace, RamRegion } from "./memory.ts";
import { HypercallRegisters } from "./ports.ts";

/** Maps pages one to one, but none at or above `end`; logs its unmaps. */
class Picky extends BaseDmaOps {
  readonly unmapped: [size: number, attrs: number][] = [];
  masks: bigint[] = [];
  protected map(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    out.setNumber(cpu);
    return size < 4096;
  }
  protected unmap(_handle: DmaHandle, size: number, _direction: Direction, attrs: number): void {
    this.unmapped.push([size, attrs]);
  }
  protected override acceptsMask(mask: bigint): boolean {
    this.masks.push(mask);
    return mask >= 0xffff_ffffn;
  }
}

function world() {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(1 << 20)));
  const scheduler = new Scheduler();
  const wiring = { io: new IoSpace(), interrupts: new Interrupts(scheduler), hardware: new HardwareWork(scheduler) };
  const guest = new SimulatedGuest({ space, scheduler, ...wiring }, 4096);
  const device = { id: "dev", requester: 8 };
  const stats = dmaStats();
  const events = new EventStream(() => 0);
  return { ops: new Picky({ guest, device, stats, upstream: null, events, warn: () => {} }), guest, stats };
}

Deno.test("a list that fails in the middle is rolled back without syncs, and says so", () => {
  const { ops } = world();
  const list = [{ cpu: 0x1000, length: 100 }, { cpu: 0x2000, length: 200 }, { cpu: 0x3000, length: 9999 }];
  assertEquals(ops.mapSgTable(list, Direction.TO_DEVICE), -Errno.EIO);
  assertEquals(ops.unmapped, [[100, DmaAttr.SKIP_CPU_SYNC], [200, DmaAttr.SKIP_CPU_SYNC]]);
});

Deno.test("the joint setter leaves both masks alone when the streaming mask is refused", () => {
  const { ops } = world();
  assertEquals([ops.setMaskAndCoherent(dmaBitMask(24)), ops.masks.length], [-Errno.EIO, 1]);
  assertEquals([ops.setMaskAndCoherent(dmaBitMask(64)), ops.masks.length], [0, 3]);
});

Deno.test("coherent memory that cannot be mapped goes back to the heap", () => {
  const { ops, guest, stats } = world();
  assertEquals([ops.allocCoherent(4096), guest.heap.used, stats.coherentBytes], [null, 0, 0]);
});

Deno.test("an unknown hypercall says that there is none", () => {
  assertEquals(world().guest.hypercall(0xbeef, new HypercallRegisters()), -2);
});

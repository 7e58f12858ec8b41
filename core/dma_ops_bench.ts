/**
 * What a map and an unmap cost a driver, with 1, 100 and 10,000 mappings live: cost grows with work only. And what a
 * device pays to find its way through a platform that translates.
 *
 * @module
 */

import direct from "@iova/direct";
import strict from "@iova/strict";
import { type Case, suite } from "../tests/bench/harness.ts";
import { Access } from "./bus_translator.ts";
import { DmaHandle } from "./address.ts";
import { Direction, dmaBitMask } from "./dma_ops.ts";
import type { PlatformPlugin } from "./plugin.ts";
import { testPlatform } from "./testing.ts";

const RAM = 96 * 1024 * 1024;
const LIVE = [1, 100, 10_000];
/** A cost that grows with work only stays within this factor. */
const GROWTH = 1.2;
/** Copies of more mappings than caches hold are slower whoever makes them: with 4 KiB and more that is not judged. */
const JUDGED_COPY = 64;
const BUFFERS = 0x1_0000;

/** A device with `live` mappings of `size` bytes. */
function populated(plugin: PlatformPlugin, live: number, size: number, options: Record<string, unknown>) {
  const { dma, port } = testPlatform(plugin, { ram: [[0, RAM]], with: options }).device();
  dma.setMaskAndCoherent(dmaBitMask(64));
  const handles: DmaHandle[] = [];
  for (let i = 0; i < live; i++) {
    const handle = new DmaHandle();
    if (!dma.mapInto(handle, BUFFERS + (i % 64) * 64, size, Direction.FROM_DEVICE)) {
      throw new Error("too little memory");
    }
    handles.push(handle);
  }
  return { dma, port, handles };
}

/** The oldest of `live` mappings goes, a new one comes. */
function turnover(name: string, plugin: PlatformPlugin, size: number, options: Record<string, unknown> = {}): Case[] {
  return LIVE.map((live) => {
    const { dma, handles } = populated(plugin, live, size, options);
    const title = (count: number) => `${name}, ${size} bytes, ${count.toLocaleString("en")} live`;
    let next = 0;
    return {
      name: title(live),
      run(iterations) {
        for (let i = 0; i < iterations; i++) {
          const handle = handles[next];
          next = next + 1 === live ? 0 : next + 1;
          dma.unmapFrom(handle, size, Direction.FROM_DEVICE);
          dma.mapInto(handle, BUFFERS, size, Direction.FROM_DEVICE);
        }
      },
      ...(live > 1 && { against: title(1) }),
      ...(live > 1 && (plugin === direct || size <= JUDGED_COPY) && { atMost: GROWTH }),
    };
  });
}

/** A device reads through its mappings, one after another. */
function accesses(name: string, plugin: PlatformPlugin, options: Record<string, unknown> = {}): Case[] {
  return LIVE.map((live) => {
    const { port, handles } = populated(plugin, live, 64, options);
    const visitor = { piece: () => {} };
    let next = 0;
    return {
      name: `${name}, access, ${live.toLocaleString("en")} live`,
      run(iterations) {
        for (let i = 0; i < iterations; i++) {
          const { hi, lo } = handles[next];
          next = (next + 7919) % live;
          port.visit(hi, lo, 64, Access.WRITE, visitor);
        }
      },
      heapAtMost: 0.5,
    };
  });
}

await suite("DmaOps: one map and one unmap", [
  ...turnover("direct", direct, 4096),
  ...turnover("direct with offset", direct, 4096, { offset: "0x80000000" }),
  ...turnover("strict", strict, 64),
  ...turnover("strict", strict, 4096),
  ...accesses("direct with offset", direct, { offset: "0x80000000" }),
  ...accesses("strict", strict),
]);

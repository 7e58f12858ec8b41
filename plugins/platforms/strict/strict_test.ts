import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Access,
  BusStatus,
  Direction,
  type DmaAddr,
  DmaApiError,
  DmaAttr,
  dmaBitMask,
  DmaHandle,
  Transaction,
  Translation,
} from "@iova/core";
import { testPlatform, type TestPlatformOptions } from "@iova/core/testing";
import strict from "./mod.ts";

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

function world(options: TestPlatformOptions = {}) {
  const made = testPlatform(strict, options);
  const device = made.device();
  device.dma.setMaskAndCoherent(dmaBitMask(64));
  return { ...made, ...device };
}

/** Where the bridge sends the device's read or write of an address. */
function frameOf({ translator, port }: ReturnType<typeof world>, address: DmaAddr, access: Access): number {
  const tx = new Transaction();
  const out = new Translation();
  const { hi, lo } = new DmaHandle().set(address);
  Object.assign(tx, { hi, lo, length: 1, access, requester: port.requester });
  assertEquals(translator!.translate(tx, out), BusStatus.OK);
  return out.hi * 2 ** 32 + (out.lo >>> 0);
}

Deno.test("with 64 address lines the first handle has bit 63 set and is no exact number", () => {
  const { dma } = world();
  assertEquals(dma.mapSingle(0x2_0000, 512, TO_DEVICE), 0x8000_0001_0000_0000n);
  assertEquals(dma.mapSingle(0x2_0000, 512, TO_DEVICE), 0x8000_0001_0000_0400n);
});

Deno.test("no address is handed out twice, to whatever device, and they only go up", () => {
  const { dma, ...at } = world();
  const other = at.device("other", 16);
  other.dma.setMask(dmaBitMask(64));
  let previous = 0n;
  for (let i = 0; i < 2000; i++) {
    const ops = i % 3 === 0 ? other.dma : dma;
    const size = 1 + (i * 397) % 9000;
    const handle = ops.mapSingle(0x2_0000, size, BIDIRECTIONAL);
    assert(handle > previous, `0x${handle.toString(16)}`);
    previous = handle + BigInt(size - 1);
    ops.unmapSingle(handle, size, BIDIRECTIONAL);
  }
  assertEquals(at.world.warnings, []);
});

Deno.test("with 32 address lines handles are low, and stay away from where registers are", () => {
  const { dma } = world();
  dma.setMask(dmaBitMask(32));
  assertEquals(dma.mapSingle(0x2_0000, 4096, TO_DEVICE), 0x1000n);
  const size = 0x10_0000;
  let last = 0n;
  for (let i = 0; i < 4000; i++) {
    const handle = dma.mapSingle(0x2_0000, size, TO_DEVICE);
    if (dma.mappingError(handle) !== 0) break;
    last = handle + BigInt(size - 1);
    dma.unmapSingle(handle, size, TO_DEVICE);
  }
  assert(last > 0xb000_0000n && last < 0xc000_0000n, `0x${last.toString(16)}`);
});

Deno.test("with 33 to 63 address lines handles are above 4 GiB", () => {
  const { dma } = world();
  for (const bits of [33, 44, 63]) {
    dma.setMask(dmaBitMask(bits));
    const handle = dma.mapSingle(0x2_0000, 16, TO_DEVICE);
    assert(handle >= 1n << 32n && handle <= dmaBitMask(bits), `0x${handle.toString(16)}`);
  }
});

Deno.test("addresses that are used up are a failure value that says so, and giving back brings none back", () => {
  const { dma, world: { warnings } } = world();
  assertEquals(dma.setMask(0xffffn), 0);
  let mapped = 0;
  for (let i = 0; i < 20; i++) {
    const handle = dma.mapSingle(0x2_0000, 4096, TO_DEVICE);
    if (dma.mappingError(handle) !== 0) continue;
    mapped++;
    dma.unmapSingle(handle, 4096, TO_DEVICE);
  }
  // 4 KiB each, and a guard between two: every other page from 0x1000 to 0xffff.
  assertEquals(mapped, 8);
  assertEquals(warnings[0], {
    id: "full",
    message: "strict: bus addresses below the device's mask are used up, and none is used twice",
    device: "dev",
  });
});

Deno.test("a buffer of 4 KiB is one piece, one of 1 MiB too, and one of 100 bytes is 64 + 32 + 4", () => {
  const { dma, port } = world();
  for (const [size, pieces] of [[4096, 1], [0x10_0000, 1], [16, 1], [1, 1], [100, 3]]) {
    const handle = dma.mapSingle(0x2_0000, size, TO_DEVICE);
    const before = port.stats.translations;
    assertEquals(port.read(handle, new Uint8Array(size)), BusStatus.OK);
    assertEquals(port.stats.translations - before, pieces, `${size} bytes`);
  }
});

Deno.test("neither side sees what the other writes before a sync or an unmap", () => {
  const { dma, port, world: memory } = world();
  const cpuSees = () => [...memory.bytes(0x2_0000, 4)];
  memory.bytes(0x2_0000, 4).set([1, 2, 3, 4]);
  const handle = dma.mapSingle(0x2_0000, 4, BIDIRECTIONAL);
  port.write(handle, new Uint8Array([9, 9, 9, 9]));
  assertEquals(cpuSees(), [1, 2, 3, 4]);
  memory.bytes(0x2_0000, 4).fill(7);
  const seen = new Uint8Array(4);
  port.read(handle, seen);
  assertEquals([...seen], [9, 9, 9, 9]);
  dma.unmapSingle(handle, 4, BIDIRECTIONAL);
  assertEquals(cpuSees(), [9, 9, 9, 9]);
});

Deno.test("memory that is given back is poisoned", () => {
  for (const [options, byte] of [[{}, 0xdb], [{ poison: 0x6b }, 0x6b]] as const) {
    const at = world({ with: options });
    at.world.bytes(0x2_0000, 64).fill(0x11);
    const handle = at.dma.mapSingle(0x2_0000, 64, TO_DEVICE);
    const frame = frameOf(at, handle, Access.READ);
    assertEquals(at.world.bytes(frame, 64), new Uint8Array(64).fill(0x11));
    at.dma.unmapSingle(handle, 64, TO_DEVICE);
    assertEquals(at.world.bytes(frame, 64), new Uint8Array(64).fill(byte));
  }
});

Deno.test("coherent memory is neither at its physical address nor copied, and is poisoned when it is freed", () => {
  const { dma, world: memory, port, stats } = world();
  const { cpu, handle } = dma.allocCoherent(5000)!;
  assert(handle !== BigInt(cpu));
  memory.bytes(cpu, 1)[0] = 0x42;
  const seen = new Uint8Array(1);
  assertEquals(port.read(handle, seen), BusStatus.OK);
  assertEquals([seen[0], stats.bounces, dma.needSync(handle)], [0x42, 0, false]);
  assertEquals(port.read(handle + 5000n, seen), BusStatus.UNSUPPORTED_REQUEST, "past what was asked for");
  dma.freeCoherent(5000, cpu, handle);
  assertEquals(memory.bytes(cpu, 5000), new Uint8Array(5000).fill(0xdb));
});

Deno.test("what a device does wrong has an id and a name, and is said at most 64 times", () => {
  const at = world();
  const other = at.device("other", 16);
  const handle = at.dma.mapSingle(0x2_0000, 100, TO_DEVICE);
  const log = at.world.record();
  assertEquals(at.port.write(handle + 4n, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  assertEquals(other.port.read(handle, new Uint8Array(4)), BusStatus.COMPLETER_ABORT);
  assertEquals(at.port.read(handle + 100n, new Uint8Array(1)), BusStatus.UNSUPPORTED_REQUEST);
  at.dma.unmapSingle(handle, 100, TO_DEVICE);
  assertEquals(at.port.read(handle + 99n, new Uint8Array(1)), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(at.world.warnings.map(({ id, message }) => [id, message]), [
    ["E2", "strict: WRONG_DIRECTION: write by 00:01.0 at 0x8000000100000004"],
    ["E4", "strict: MAPPING_OF_ANOTHER_DEVICE: read by 00:02.0 at 0x8000000100000000 (mapped for 00:01.0)"],
    [
      "E7",
      "strict: NOT_MAPPED: read by 00:01.0 at 0x8000000100000064 (1 bytes past the last byte of a mapping)",
    ],
    [
      "E1",
      "strict: USE_AFTER_UNMAP: read by 00:01.0 at 0x8000000100000063 (byte 99 of a mapping of 100 bytes that is gone)",
    ],
  ]);
  const records = log.filter(({ type }) => type === "fault-record");
  assertEquals(records.map(({ cause }) => cause), [
    "WRONG_DIRECTION",
    "MAPPING_OF_ANOTHER_DEVICE",
    "NOT_MAPPED",
    "USE_AFTER_UNMAP",
  ]);
  for (let i = 0; i < 200; i++) at.port.read(0x1234n, new Uint8Array(1));
  assertEquals(at.world.warningIds.filter((id) => id === "E7").length, 64);
});

Deno.test("a driver that unmaps wrongly hears what Linux's own debugging would say, and the mapping ends", () => {
  const { dma, world: { warnings }, ...at } = world();
  dma.unmapSingle(dma.mapSingle(0x2_0000, 128, TO_DEVICE), 64, FROM_DEVICE);
  assertEquals(warnings.map(({ id, message }) => [id, message]), [
    [
      "D4",
      "DMA-API: device driver frees DMA memory with different size [device address=0x8000000100000000] " +
      "[map size=128 bytes] [unmap size=64 bytes]",
    ],
    [
      "D8",
      "DMA-API: device driver frees DMA memory with different direction [device address=0x8000000100000000] " +
      "[size=64 bytes] [mapped with to device] [unmapped with from device]",
    ],
  ]);
  dma.unmapSingle(0x8000_0001_0000_0000n, 128, TO_DEVICE);
  dma.unmapSingle(0xffff_ffff_ffff_ffffn, 128, TO_DEVICE);
  const { handle, cpu } = dma.allocCoherent(4096)!;
  dma.unmapSingle(handle, 4096, BIDIRECTIONAL);
  dma.freeCoherent(8192, cpu + 64, handle);
  dma.freeCoherent(4096, cpu, handle);
  assertEquals(at.device("other", 16).dma.mappingError(handle), 0);
  assertEquals(warnings.slice(2).map(({ id }) => id), ["D2", "D3", "D5", "D4", "D6", "D2"]);
});

Deno.test("a handle of another device cannot be unmapped or synced", () => {
  const { dma, world: { warnings }, ...at } = world();
  const other = at.device("other", 16);
  const handle = dma.mapSingle(0x2_0000, 64, TO_DEVICE);
  other.dma.unmapSingle(handle, 64, TO_DEVICE);
  other.dma.syncSingleForDevice(handle, 64, TO_DEVICE);
  assertEquals(warnings.map(({ id, device }) => [id, device]), [["D2", "other"], ["D16", "other"]]);
  assertEquals(at.port.read(handle, new Uint8Array(64)), BusStatus.OK);
});

Deno.test("a sync past the end is clamped and reported, one beside every mapping is reported", () => {
  const at = world();
  const { dma, port, world: { warnings } } = at;
  at.world.bytes(0x2_0000, 200).fill(1);
  const handle = dma.mapSingle(0x2_0000, 100, FROM_DEVICE);
  port.write(handle, new Uint8Array(100).fill(2));
  dma.syncSingleForCpu(handle + 50n, 100, FROM_DEVICE);
  assertEquals([...at.world.bytes(0x2_0000 + 49, 3)], [1, 2, 2]);
  assertEquals([...at.world.bytes(0x2_0000 + 99, 2)], [2, 1]);
  dma.syncSingleForCpu(handle + 100n, 1, FROM_DEVICE);
  dma.syncSingleForCpu(handle, 100, TO_DEVICE);
  assertEquals(warnings.map(({ id }) => id), ["D17", "D16", "D18"]);
});

Deno.test("a CPU that writes to what the device is reading is found out", () => {
  const at = world();
  const map = () => at.dma.mapSingle(0x2_0003, 70, TO_DEVICE);
  const unmap = (handle: DmaAddr) => at.dma.unmapSingle(handle, 70, TO_DEVICE);
  unmap(map());
  for (const offset of [0, 35, 69]) {
    const handle = map();
    at.world.bytes(0x2_0003 + offset, 1)[0] ^= 1;
    unmap(handle);
  }
  assertEquals(at.world.warningIds, ["E3", "E3", "E3"]);
  const lent = map();
  at.dma.syncSingleForCpu(lent, 70, TO_DEVICE);
  at.world.bytes(0x2_0003, 70).fill(9);
  unmap(lent);
  assertEquals(at.world.warnings.length, 3, "what was lent to the CPU may be written");
});

Deno.test("a failure that the driver expects is not reported, and nothing cannot be mapped", () => {
  const { dma, world: { warnings } } = world();
  assertEquals(dma.mappingError(dma.mapSingle(0xdead_0000, 16, TO_DEVICE, DmaAttr.NO_WARN)), -12);
  assertEquals(warnings, []);
  dma.mapSingle(0xdead_0000, 16, TO_DEVICE);
  dma.mapSingle(0x2_0000, 2 ** 31, TO_DEVICE);
  assertEquals(warnings.map(({ id }) => id), ["D12", "too-large"]);
  assertThrows(() => dma.mapSingle(0x2_0000, 0, TO_DEVICE), DmaApiError);
});

Deno.test("neighbours in a scatterlist are not merged", () => {
  const { dma } = world();
  const list = [{ cpu: 0x2_0000, length: 4096 }, { cpu: 0x2_1000, length: 4096 }];
  assertEquals(dma.mapSg(list, TO_DEVICE), 2);
  assertEquals(dma.mergeBoundary(), 0);
});

Deno.test("memory is not used again while a device can still write to it", () => {
  const at = world({ invalidation: { policy: "wait", deadline: 1e6 } });
  const handle = at.dma.mapSingle(0x2_0000, 64, FROM_DEVICE);
  const frame = frameOf(at, handle, Access.WRITE);
  const { hi, lo } = new DmaHandle().set(handle);
  const result = at.port.map([{ hi, lo, length: 64, access: Access.WRITE }]);
  if (!result.ok) throw new Error("no lease");
  at.dma.unmapSingle(handle, 64, FROM_DEVICE);
  const elsewhere = at.dma.mapSingle(0x3_0000, 64, FROM_DEVICE);
  assert(frameOf(at, elsewhere, Access.WRITE) !== frame, "the block is in use again");
  result.lease.release();
  const again = at.dma.mapSingle(0x3_0000, 64, FROM_DEVICE);
  assertEquals(frameOf(at, again, Access.WRITE), frame);
});

Deno.test("mappings that a driver leaves behind are reported when the machine stops, and all other memory is free", () => {
  const { dma, platform, world: { warnings, guest } } = world();
  const { used } = testPlatform(strict).world.guest.heap;
  for (let i = 0; i < 100; i++) dma.unmapSingle(dma.mapSingle(0x2_0000, 9000, TO_DEVICE), 9000, TO_DEVICE);
  platform.stop!();
  assertEquals([guest.heap.used, warnings.length], [used, 0]);
  const leaking = world();
  leaking.dma.mapSingle(0x2_0000, 16, TO_DEVICE);
  leaking.dma.allocCoherent(4096);
  leaking.platform.stop!();
  assertEquals(leaking.world.warnings, [{
    id: "D1",
    message: "DMA-API: device driver has pending DMA allocations while released from device [count=2]",
    device: "dev",
  }]);
});

Deno.test("ten thousand live mappings are all found, ended in any order, and leave nothing", () => {
  const at = world({ ram: [[0, 0x400_0000]] });
  const handles: DmaAddr[] = [];
  for (let i = 0; i < 10_000; i++) {
    at.world.bytes(0x2_0000, 2).set([i & 0xff, i >> 8]);
    handles.push(at.dma.mapSingle(0x2_0000, 2, BIDIRECTIONAL));
  }
  const seen = new Uint8Array(2);
  for (let i = 0; i < 10_000; i += 7) {
    assertEquals(at.port.read(handles[i], seen), BusStatus.OK);
    assertEquals([seen[0], seen[1]], [i & 0xff, i >> 8]);
  }
  for (let i = 0; i < 10_000; i++) at.dma.unmapSingle(handles[(i * 7919) % 10_000], 2, BIDIRECTIONAL);
  assertEquals([at.stats.unmaps, at.world.warnings.length], [10_000, 0]);
  assertEquals(at.translator!.counters!(), {
    commands: 20_000,
    mappingsEntered: 10_000,
    mappingsLive: 0,
    refusedAccesses: 0,
  });
});

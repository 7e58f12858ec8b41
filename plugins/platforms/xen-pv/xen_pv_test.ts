import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Access,
  BusStatus,
  Direction,
  DMA_MAPPING_ERROR,
  DmaAttr,
  dmaBitMask,
  Errno,
  HypercallRegisters,
  InputError,
  Random,
} from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { pvGuestOf } from "./guest.ts";
import { checkVectors } from "@iova/fields/testing";
import { M2P_BASE, StartInfo } from "./layout.ts";
import xenPv from "./mod.ts";
import startInfo from "./vectors/start_info.json" with { type: "json" };

const { TO_DEVICE, FROM_DEVICE, BIDIRECTIONAL } = Direction;

/** The sheet's fixture: frames 0x100 and 0x101 are machine frames 0x9000 and 0x9001, frame 0x102 is 0x5000. */
const PLACE = { "0x100": "0x9000", "0x101": "0x9001", "0x102": "0x5000" };

function pv(options: Record<string, unknown> = { machineBase: "0x5000000", place: PLACE }) {
  const made = testPlatform(xenPv, { with: options, heapStart: 0x20_0000 });
  const device = made.device();
  device.dma.setMaskAndCoherent(dmaBitMask(64));
  const guest = pvGuestOf(made.world.guest, () => {
    throw new Error("the guest has not booted");
  }, 0);
  return { ...made, ...device, guest };
}

Deno.test("case 15: neighbours in the machine are mapped where they are", () => {
  const { dma, stats } = pv();
  assertEquals(dma.mapSingle(0x10_0000, 0x1800, TO_DEVICE), 0x900_0000n);
  assertEquals(dma.mapSingle(0x10_1234, 16, TO_DEVICE), 0x900_1234n);
  assertEquals(dma.mapSingle(0x10_2ff0, 16, TO_DEVICE), 0x500_0ff0n);
  assertEquals([stats.maps, stats.bounces], [3, 0]);
});

Deno.test("case 15: a buffer that straddles strangers is bounced, and the device reads its bytes", () => {
  const { dma, stats, world, port, guest } = pv();
  const bytes = world.bytes(0x10_1800, 0x1000);
  bytes.forEach((_, i) => bytes[i] = i * 13);
  const handle = dma.mapSingle(0x10_1800, 0x1000, TO_DEVICE);
  assertEquals([stats.bounces, stats.bouncedBytes], [1, 0x1000]);
  assertEquals(handle, BigInt(guest.pool!.machineOf(0)));
  const seen = new Uint8Array(0x1000);
  assertEquals(port.read(handle, seen), BusStatus.OK);
  assertEquals(seen, bytes);
  assertEquals(dma.needSync(handle), true);
});

Deno.test("case 15: a raw pseudo-physical address hits machine frame 0x101, which is not the guest's: it is told apart", () => {
  const { port, world } = pv();
  const log = world.record();
  world.bytes(0x10_1800, 4).set([1, 2, 3, 4]);
  assertEquals(port.write(0x10_1800n, new Uint8Array(4)), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(world.bytes(0x10_1800, 4), new Uint8Array([1, 2, 3, 4]));
  const [record] = log.filter(({ type }) => type === "fault-record");
  assertEquals([record.cause, record.detail], [
    "WRONG_ADDRESS_SPACE",
    "as a pseudo-physical address it is machine address 0x9001800",
  ]);
  assertEquals(world.warnings.map(({ message }) => message), [
    "xen-pv: no machine frame at 0x101800; as a pseudo-physical address it is machine address 0x9001800",
  ]);
});

Deno.test("case 15: two frames become an extent: consecutive, zeroed, both tables updated, others untouched", () => {
  const { guest, world } = pv();
  world.bytes(0x10_1000, 0x2000).fill(0xee);
  world.bytes(0x10_3000, 1)[0] = 0xee;
  const before = [guest.frames.machine(0x100), guest.frames.machine(0x103)];
  const mfn = guest.memory.create(0x10_1000, 1, 32);
  assertEquals([guest.frames.machine(0x101), guest.frames.machine(0x102)], [mfn, mfn + 1]);
  assertEquals([guest.frames.local(mfn), guest.frames.local(mfn + 1)], [0x101, 0x102]);
  assertEquals([guest.frames.local(0x9001), guest.frames.local(0x5000)], [-1, -1]);
  assertEquals(world.bytes(0x10_1000, 0x2000), new Uint8Array(0x2000));
  assertEquals([guest.frames.machine(0x100), guest.frames.machine(0x103)], before);
  assertEquals(world.bytes(0x10_3000, 1)[0], 0xee);
  assertEquals(guest.memory.destroy(0x10_1000, 1), true);
  assertEquals(guest.frames.local(mfn), -1);
});

Deno.test("start_info: bytes and fields agree with the golden vectors", () => checkVectors(StartInfo, startInfo));

Deno.test("what the guest is told at boot is bytes in its memory, in front of the list that they name", () => {
  const { world, guest } = pv();
  const told = StartInfo.decode(world.bytes(guest.info.p2m - StartInfo.size, StartInfo.size));
  assertEquals(told, { p2m: BigInt(guest.info.p2m), maxMachineFrame: 0xa100n, p2mPages: 4096, maxOrder: 9 });
});

Deno.test("p2m entries are in guest memory, the m2p array where it is said to be, and both agree", () => {
  const { world, guest } = pv();
  const { p2m } = guest.info;
  const page = world.guest.read(p2m, 4) * 4096;
  assertEquals(
    world.bytes(page + 0x100 * 8, 24),
    new Uint8Array([0, 0x90, 0, 0, 0, 0, 0, 0, 1, 0x90, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0]),
  );
  assertEquals(world.guest.read(M2P_BASE + 0x9001 * 8, 4), 0x101);
  world.guest.write(M2P_BASE + 0x9001 * 8, 4, 0x77);
  assertEquals(world.guest.read(M2P_BASE + 0x9001 * 8, 4), 0x101);
});

Deno.test("a foreign frame that has the number of a local one is not taken for it", () => {
  const { world, guest } = pv();
  const page = world.guest.read(guest.info.p2m, 4) * 4096;
  // Frame 0x100 shows another domain's page now: bit 63 is set, the number is not ours.
  world.guest.write(page + 0x100 * 8, 4, 0x1234);
  world.guest.write(page + 0x100 * 8 + 4, 4, 0x8000_0000);
  assertEquals(guest.frames.machine(0x100), 0x1234);
  assertEquals(guest.frames.local(0x9000), -1, "m2p says 0x100, p2m says something else");
});

Deno.test("coherent memory is one extent, aligned to its size, below the mask, and goes back for single frames", () => {
  const { dma, guest, stats } = pv();
  const { cpu, handle } = dma.allocCoherent(10_246)!;
  assertEquals([Number(handle) % 0x4000, cpu % 0x4000], [0, 0]);
  assertEquals(guest.frames.run(cpu / 4096, 4), Number(handle) / 4096);
  assertEquals(stats.hypercalls, 1);
  dma.freeCoherent(10_246, cpu, handle);
  assertEquals([stats.hypercalls, stats.coherentBytes], [2, 0]);
  assertEquals(guest.frames.run(cpu / 4096, 4), -1);
});

Deno.test("an extent larger than an ordinary domain may have is no coherent memory; dom0 may have more", () => {
  const at = (outer: boolean) => {
    const made = testPlatform(xenPv, { with: { outer, pool: "256KiB" }, ram: [[0, 0x200_0000]] });
    const { dma } = made.device();
    dma.setMaskAndCoherent(dmaBitMask(64));
    return dma;
  };
  assert(at(false).allocCoherent(0x20_0000) !== null);
  assertEquals(at(false).allocCoherent(0x20_0001), null);
  assert(at(true).allocCoherent(0x20_0001) !== null);
});

Deno.test("when no machine memory is left there is no coherent memory, and frames are what they were", () => {
  const made = testPlatform(xenPv, { with: { spare: "256KiB", pool: "256KiB" } });
  const { dma } = made.device();
  const { heap } = made.world.guest;
  const { used } = heap;
  assertEquals(dma.allocCoherent(8192), null);
  assertEquals(heap.used, used);
});

Deno.test("masks: what does not reach the end of the bounce pool is refused; what does bounds direct mappings", () => {
  const { dma, guest } = pv();
  assertEquals(dma.setMask(dmaBitMask(24)), -Errno.EIO);
  const last = BigInt(guest.pool!.lastMachineByte);
  assertEquals(dma.setMask(last - 1n), -Errno.EIO);
  assertEquals(dma.setMask(last), 0);
});

Deno.test("a buffer above the mask is bounced below it", () => {
  const { dma, stats } = pv();
  assertEquals(dma.setMask(0x8ff_ffffn), 0);
  const handle = dma.mapSingle(0x10_0000, 64, TO_DEVICE);
  assert(handle <= 0x8ff_ffffn);
  assertEquals(stats.bounces, 1);
});

Deno.test("copies: at map always, at sync by direction, at unmap from the device's side unless told not to", () => {
  const { dma, stats } = pv();
  const copied = (step: () => void) => {
    const before = stats.bouncedBytes;
    step();
    return stats.bouncedBytes - before;
  };
  const row = (direction: Direction) => {
    let handle = 0n;
    return [
      copied(() => handle = dma.mapSingle(0x10_1f00, 0x200, direction)),
      copied(() => dma.syncSingleForDevice(handle, 0x200, direction)),
      copied(() => dma.syncSingleForCpu(handle + 0x100n, 0x80, direction)),
      copied(() => dma.unmapSingle(handle, 0x200, direction)),
    ];
  };
  assertEquals(row(TO_DEVICE), [0x200, 0x200, 0, 0]);
  assertEquals(row(FROM_DEVICE), [0x200, 0, 0x80, 0x200]);
  assertEquals(row(BIDIRECTIONAL), [0x200, 0x200, 0x80, 0x200]);
  const handle = dma.mapSingle(0x10_1f00, 0x200, FROM_DEVICE);
  assertEquals(copied(() => dma.unmapSingle(handle, 0x200, FROM_DEVICE, DmaAttr.SKIP_CPU_SYNC)), 0);
});

Deno.test("a pool that is full says so, and the buffer is not mapped", () => {
  const { dma, world } = pv({ pool: "256KiB", force: true });
  assertEquals(dma.maxMappingSize(), 0x4_0000);
  const first = dma.mapSingle(0x10_0000, 0x4_0000, TO_DEVICE);
  assert(first !== DMA_MAPPING_ERROR);
  assertEquals(dma.mapSingle(0x10_0000, 1, TO_DEVICE), DMA_MAPPING_ERROR);
  assertEquals(world.warnings.map(({ message }) => message), [
    "swiotlb buffer is full (sz: 1 bytes), total 128 (slots)",
  ]);
  dma.unmapSingle(first, 0x4_0000, TO_DEVICE);
  assert(dma.mapSingle(0x10_0000, 1, TO_DEVICE) !== DMA_MAPPING_ERROR);
});

Deno.test("exchanging frames ends the leases over them", () => {
  const { port, guest } = pv();
  const result = port.map([{ hi: 0, lo: 0x900_1000, length: 64, access: Access.WRITE }]);
  if (!result.ok) throw new Error("no lease");
  assert(guest.memory.create(0x10_1000, 1, 32) >= 0);
  assertEquals(result.lease.live, false);
});

Deno.test("under an outer hypervisor a raw address leads to an unrelated page of dom0, and changes it", () => {
  const { port, world, guest } = pv({ outer: true });
  const victim = guest.frames.local(0x123);
  assert(victim >= 0 && victim !== 0x123, "machine frame 0x123 is somebody else's");
  assertEquals(port.write(0x12_3010n, new Uint8Array([0xba, 0xad])), BusStatus.OK);
  assertEquals(world.bytes(0x12_3010, 2), new Uint8Array(2));
  assertEquals(world.bytes(victim * 4096 + 0x10, 2), new Uint8Array([0xba, 0xad]));
});

Deno.test("the same seed gives the same frames, another order another", () => {
  const first = (options: Record<string, unknown>) => pv(options).guest.frames.machine(0x100);
  assertEquals(first({}), first({}));
  assertEquals(first({ order: "ordered" }), 0x1_0100);
  assertEquals(first({ order: "reverse" }), 0x1_0000 + 0x1100 - 1 - 0x100);
});

Deno.test("a place that is no RAM, or no machine frame, is refused", () => {
  const error = assertThrows(() => pv({ place: { "0x100": "0x9" } }), InputError);
  assertEquals(
    error.message,
    "test: platform.with.place: found frame 0x100 at machine frame 0x9, expected a frame of RAM, and machine frames " +
      "0x10000 to 0x150ff",
  );
  assertThrows(() => pv({ place: { "0x8000": "0x10000" } }), InputError);
  assertThrows(() => pv({ place: { "x": 3 } }), InputError);
  assertThrows(() => pv({ machineBase: "0x1001" }), InputError);
});

Deno.test("100000 hypercalls with random registers and a p2m table of random bytes: the host stands (seed 15)", () => {
  const random = new Random(15);
  const { world, dma, port, guest } = pv({ spare: "8MiB" });
  const scratch = world.guest.heap.require(4096, "scratch", 4096);
  const registers = new HypercallRegisters();
  for (let i = 0; i < 100_000; i++) {
    for (let at = 0; at < 72; at += 4) {
      world.guest.write(scratch + at, 4, random.below(4) === 0 ? random.next() : random.below(32));
    }
    if (random.below(2) === 0) {
      for (const at of [0, 32]) world.guest.write(scratch + at, 4, scratch + 0x100);
      for (const at of [4, 12, 36, 44, 64, 68]) world.guest.write(scratch + at, 4, 0);
      for (const at of [24, 56]) world.guest.write(scratch + at, 4, 0x7ff0);
    }
    for (let k = 0; k < 4; k++) world.guest.write(scratch + 0x100 + 8 * k, 4, 0x1_0000 + random.below(0x1900));
    registers.set(0, random.below(4) > 0 ? 11 : random.below(14)).set(1, scratch).set(2, random.below(4));
    world.guest.hypercall(random.below(4) > 0 ? 12 : 20, registers);
  }
  const page = world.guest.read(guest.info.p2m, 4) * 4096;
  for (let at = 0; at < 4096; at += 4) world.guest.write(page + at, 4, random.next());
  for (let i = 0; i < 1000; i++) {
    const handle = dma.mapSingle(4096 * random.below(512), 1 + random.below(9000), BIDIRECTIONAL);
    if (handle === DMA_MAPPING_ERROR) continue;
    port.read(handle, new Uint8Array(64));
    dma.unmapSingle(handle, 1 + random.below(9000), BIDIRECTIONAL);
  }
});

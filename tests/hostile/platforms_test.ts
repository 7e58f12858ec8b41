// What every platform owes whoever comes along: memory that runs out, tables that run out, a driver that gives back what it
// never had, a device at any address, and random values in every register and hypercall. Everything ends in a value, a
// warning or a fault, in bounded work, and whatever was taken is given back.

import { assert, assertEquals } from "@std/assert";
import {
  BusStatus,
  type CoherentBuffer,
  Direction,
  dmaBitMask,
  HypercallRegisters,
  InputError,
  type PhysAddr,
  type PlatformPlugin,
  Random,
  type ScatterEntry,
  type Width,
} from "@iova/core";
import { type PlatformWorld, type TestDevice, testPlatform } from "@iova/core/testing";
import amdIommu from "../../plugins/platforms/amd-iommu/mod.ts";
import direct from "../../plugins/platforms/direct/mod.ts";
import pseriesTce from "../../plugins/platforms/pseries-tce/mod.ts";
import strict from "../../plugins/platforms/strict/mod.ts";
import swiotlb from "../../plugins/platforms/swiotlb/mod.ts";
import xenGrant from "../../plugins/platforms/xen-grant/mod.ts";
import xenPv from "../../plugins/platforms/xen-pv/mod.ts";

const CASES = 100_000;
const MIB = 2 ** 20;
/** Bytes of a slot of a bounce pool. */
const SLOT = 2048;
/** Memory of a test's own buffers: below the heap. */
const BUFFERS = 0x4_0000;
const BUFFER_BYTES = 0xc_0000;

interface Subject {
  // deno-lint-ignore no-explicit-any
  readonly plugin: PlatformPlugin<any>;
  readonly with?: Record<string, unknown>;
  /** Memory that its own tables take, besides a MiB. Default: none. */
  readonly tables?: number;
  /** Each mapping has bus pages of its own, and what is unmapped and flushed leads nowhere. Default: false. */
  readonly exclusive?: boolean;
  /** Bytes that it keeps for life, which nothing gives back. Default: none. */
  readonly keeps?: number;
}

const SUBJECTS: readonly Subject[] = [
  { plugin: direct },
  { plugin: direct, with: { offset: "0x80000000" } },
  { plugin: strict, with: { entries: 64 } },
  { plugin: swiotlb, with: { pool: "1MiB" }, keeps: MIB },
  { plugin: swiotlb, with: { pool: "1MiB", dynamic: true }, keeps: MIB },
  { plugin: swiotlb, with: { restricted: true, pool: "1MiB" }, keeps: MIB },
  { plugin: pseriesTce, with: { windowSize: "64MiB", eeh: false }, exclusive: true },
  { plugin: pseriesTce, with: { ddw: true, pageSizes: "4KiB", profile: "qemu-tcg" } },
  { plugin: amdIommu, with: { mode: "strict" }, tables: 2 * MIB, exclusive: true },
  { plugin: amdIommu, with: { mode: "lazy", pageTableLevels: 1 }, tables: 2 * MIB, exclusive: true },
  { plugin: amdIommu, with: { personality: "qemu" }, tables: 2 * MIB, exclusive: true },
  { plugin: xenGrant, with: { maxGrantFrames: 1 }, keeps: 4096 + 64, exclusive: true },
  {
    plugin: xenGrant,
    with: { maxGrantFrames: 2, version: 2, policy: "cached", inUse: "defer" },
    keeps: 3 * 4096 + 64,
    exclusive: true,
  },
  { plugin: xenPv, with: { pool: "1MiB", spare: "1MiB" }, keeps: MIB + 3 * 4096 },
];

/** Tests of one kind for every subject, with a seed each. */
function each(what: string, seed: number, body: (subject: Subject, random: Random) => void): void {
  SUBJECTS.forEach((subject, i) => {
    const options = Object.entries(subject.with ?? {}).map(([key, value]) => `${key} ${value}`).join(", ");
    const name = subject.plugin.name + (options === "" ? "" : ` (${options})`);
    Deno.test(`${name}: ${what} (${CASES} cases, seed ${seed + i})`, () => body(subject, new Random(seed + i)));
  });
}

interface Mapping {
  readonly handle: bigint;
  readonly size: number;
  readonly direction: Direction;
}

/** A driver in a machine whose memory somebody else takes away and gives back. */
class Starved {
  readonly #random: Random;
  readonly #at: PlatformWorld;
  readonly #device: TestDevice;
  readonly #live: Mapping[] = [];
  readonly #lists: [list: ScatterEntry[], direction: Direction][] = [];
  readonly #coherent: CoherentBuffer[] = [];
  readonly #taken: PhysAddr[] = [];
  readonly #byte = new Uint8Array(1);
  // Bus pages of everything that is mapped, when nobody shares one; and handles of what was unmapped.
  readonly #pages: Set<bigint> | null;
  readonly #dead: bigint[] = [];
  readonly #keeps: number;
  failures = 0;

  constructor({ plugin, with: options, tables = 0, keeps = 0, exclusive = false }: Subject, random: Random) {
    this.#random = random;
    this.#pages = exclusive ? new Set() : null;
    this.#keeps = keeps;
    const ram = [[0, 3 * MIB + tables]] as const;
    this.#at = testPlatform(plugin, { ram, with: options });
    this.#device = this.#at.device();
    this.#device.dma.setMaskAndCoherent(dmaBitMask(64));
  }

  step(): void {
    const steps = [this.map, this.map, this.unmap, this.unmap, this.mapList, this.unmapList, this.allocate, this.free];
    steps.push(this.touch, this.wander, this.haunt);
    if (this.#random.below(16) === 0) steps.push(this.take, this.take, this.give);
    steps[this.#random.below(steps.length)].call(this);
    if (this.#random.below(64) === 0) this.#at.world.scheduler.step();
  }

  /** Gives everything back and stops the platform: then nothing of the heap is in use. */
  end(): void {
    while (this.#live.length > 0) this.unmap();
    while (this.#lists.length > 0) this.unmapList();
    while (this.#coherent.length > 0) this.free();
    while (this.#taken.length > 0) this.give();
    while (this.#at.world.scheduler.step()) { /* deferred flushes and frees */ }
    this.#at.platform.stop?.();
    const { stats, context } = this.#device;
    assertEquals([stats.maps - stats.unmaps, stats.coherentBytes], [0, 0]);
    // A bounce pool may have grown; it stays.
    const { slots = this.#keeps / SLOT } = this.#at.platform.counters?.() ?? {};
    assertEquals(context.guest.heap.used, slots * SLOT);
    assertEquals(this.#at.world.warningIds.filter((id) => id.startsWith("unmap")), []);
  }

  map(): void {
    if (this.#live.length > 200) return;
    const { dma } = this.#device;
    const size = 1 + this.#random.below(this.#random.below(8) === 0 ? 0x2_0000 : 6000);
    const direction = this.#random.below(3) as Direction;
    const handle = dma.mapSingle(BUFFERS + this.#random.below(BUFFER_BYTES - size), size, direction);
    if (dma.mappingError(handle) !== 0) this.failures++;
    else {
      this.#live.push({ handle, size, direction });
      this.#note(handle, size);
    }
  }

  unmap(): void {
    const gone = this.#pick(this.#live);
    if (gone === undefined) return;
    this.#device.dma.unmapSingle(gone.handle, gone.size, gone.direction);
    this.#gone(gone.handle, gone.size);
  }

  mapList(): void {
    const direction = this.#random.below(3) as Direction;
    const list: ScatterEntry[] = Array.from({ length: 1 + this.#random.below(8) }, () => {
      const length = 1 + this.#random.below(9000);
      return { cpu: BUFFERS + this.#random.below(BUFFER_BYTES - length), length };
    });
    if (this.#lists.length > 8 || this.#device.dma.mapSg(list, direction) === 0) this.failures++;
    else {
      this.#lists.push([list, direction]);
      for (const { dmaAddress, dmaLength } of list) if (dmaLength) this.#note(dmaAddress!, dmaLength);
    }
  }

  unmapList(): void {
    const gone = this.#pick(this.#lists);
    if (gone === undefined) return;
    const segments = gone[0].filter(({ dmaLength }) => dmaLength).map((one) =>
      [one.dmaAddress!, one.dmaLength!] as const
    );
    this.#device.dma.unmapSg(...gone);
    for (const [handle, size] of segments) this.#gone(handle, size);
  }

  allocate(): void {
    const buffer = this.#device.dma.allocCoherent(1 + this.#random.below(0x6000));
    if (buffer === null) this.failures++;
    else {
      this.#coherent.push(buffer);
      this.#note(buffer.handle, buffer.size);
    }
  }

  free(): void {
    const gone = this.#pick(this.#coherent);
    if (gone === undefined) return;
    this.#device.dma.freeCoherent(gone.size, gone.cpu, gone.handle);
    this.#gone(gone.handle, gone.size);
  }

  /** Somebody else takes pages until there are none, or as good as. */
  take(): void {
    const { heap } = this.#device.context.guest;
    const many = this.#random.below(16) === 0 ? 4096 : this.#random.below(48);
    for (let i = 0; i < many; i++) {
      const page = heap.allocPages(1);
      if (page === null) break;
      this.#taken.push(page);
    }
  }

  give(): void {
    const { heap } = this.#device.context.guest;
    const many = this.#random.below(4) === 0
      ? this.#taken.length
      : Math.min(this.#random.below(64), this.#taken.length);
    for (let i = 0; i < many; i++) heap.free(this.#taken.pop()!);
  }

  /** The device reaches what is mapped. */
  touch(): void {
    const { handle, size, direction } = this.#live[this.#random.below(this.#live.length)] ?? {};
    if (handle === undefined) return;
    const at = handle + BigInt(this.#random.below(size));
    const { port } = this.#device;
    const status = direction === Direction.FROM_DEVICE ? port.write(at, this.#byte) : port.read(at, this.#byte);
    assertEquals(status, BusStatus.OK);
  }

  /** The device comes back to what was unmapped, once every flush that was put off has been made. */
  haunt(): void {
    if (this.#pages === null || this.#dead.length === 0) return;
    while (this.#at.world.scheduler.step()) { /* deferred flushes */ }
    const handle = this.#dead[this.#random.below(this.#dead.length)];
    if (this.#pages.has(handle >> 12n)) return;
    assert(
      this.#device.port.read(handle, this.#byte) !== BusStatus.OK,
      `0x${handle.toString(16)} still leads somewhere`,
    );
  }

  #note(handle: bigint, size: number): void {
    if (this.#pages === null) return;
    for (let page = handle >> 12n; page <= handle + BigInt(size - 1) >> 12n; page++) {
      assert(!this.#pages.has(page), `two mappings have page 0x${page.toString(16)}`);
      this.#pages.add(page);
    }
  }

  #gone(handle: bigint, size: number): void {
    if (this.#pages === null) return;
    for (let page = handle >> 12n; page <= handle + BigInt(size - 1) >> 12n; page++) this.#pages.delete(page);
    this.#dead.push(handle);
    if (this.#dead.length > 64) this.#dead.shift();
  }

  /** The device goes anywhere: a status, never more. */
  wander(): void {
    const address = BigInt(this.#random.next()) << 32n | BigInt(this.#random.next());
    const shift = BigInt(this.#random.below(64));
    assert(this.#device.port.read(address >> shift, this.#byte) <= BusStatus.COMPLETER_ABORT);
  }

  #pick<T>(from: T[]): T | undefined {
    return from.length === 0 ? undefined : from.splice(this.#random.below(from.length), 1)[0];
  }
}

each("memory and tables run out all the time, and everything is given back", 3000, (subject, random) => {
  const starved = new Starved(subject, random);
  for (let i = 0; i < CASES; i++) starved.step();
  starved.end();
  assert(starved.failures > 50, `only ${starved.failures} failures`);
});

each("random values in every register, hypercall and bus address", 4000, (subject, random) => {
  const { world, device } = testPlatform(subject.plugin, { ram: [[0, 8 * MIB]], with: subject.with });
  const { dma, port } = device();
  dma.setMaskAndCoherent(dmaBitMask(64));
  const { space, guest } = world;
  const registers = new HypercallRegisters();
  const bytes = new Uint8Array(64);
  const word = () => random.below(3) === 0 ? random.next() : random.below(16) << random.below(28);
  for (let i = 0; i < CASES; i++) {
    const region = space.registerRegions[random.below(space.registerRegions.length)];
    const width = ([1, 2, 4, 4] as const)[random.below(4)] as Width;
    const offset = random.below(2) === 0 ? random.below(region.size) : random.below(Math.min(region.size, 0x80));
    if (random.below(3) === 0) assert(guest.read(region.base + offset, width) <= 0xffff_ffff);
    else guest.write(region.base + offset, width, word());
    if (i % 4 === 0) {
      for (let r = 0; r < 4; r++) registers.set(r, BigInt(word()) << BigInt(random.below(2) * 12));
      assert(Number.isInteger(guest.hypercall([0x1c, 0x20, 0x138, 0x13c, 0xf000, 12, 20][random.below(7)], registers)));
    }
    if (i % 4 === 1) guest.relax();
    if (i % 4 === 2) {
      const address = BigInt(word()) << BigInt(random.below(3) * 16);
      const status = random.below(2) === 0 ? port.read(address, bytes) : port.write(address, bytes.fill(i));
      assert(status <= BusStatus.PENDING);
    }
    if (i % 64 === 3) world.scheduler.settle();
  }
});

Deno.test("a platform that does not find room for its own tables says so in one line", () => {
  for (const { plugin, with: options } of SUBJECTS) {
    try {
      const { device } = testPlatform(plugin, { ram: [[0, MIB + 0x3000]], with: options });
      device();
    } catch (error) {
      const { name, message } = error as Error;
      assert(error instanceof InputError || name === "GuestMemoryError", `${plugin.name}: ${name}: ${message}`);
      assert(!message.includes("\n"));
    }
  }
});

// Scenarios of a virtio block device that uses bus addresses, behind an AMD IOMMU whose tables are written by hand.

import type { Scenario, Side } from "@iova/qtest/testing";
import { type MockDesc, MockDriver, MockRing } from "@iova/virtio/testing";
import { Amd, dte, PR, R, W } from "./amd_iommu.ts";
import { diskManifest } from "./virtio_registers.ts";

/** The 2 MiB that are mapped page by page; everything else is mapped as it is. */
const FINE = 0x60_0000;
const RING = FINE;
const HEADER = FINE + 0x1_0000;
const DATA = FINE + 0x2_0000;
const STATUS = FINE + 0x4_0000;
/** Where pages of data lie that are not where their bus addresses say. */
const ELSEWHERE = FINE + 0x10_0000;
const NOTHING_MS = 1500;
const [VERSION_1, ACCESS_PLATFORM, INDIRECT] = [32, 33, 28];

/** A disk, its driver, and the table of its pages. */
class World {
  readonly #pages: number;
  readonly ring: MockRing;
  readonly driver: MockDriver;

  constructor(readonly side: Side, readonly amd: Amd, features: number[]) {
    const root = amd.table();
    this.#pages = amd.table();
    for (let i = 0; i < 32; i++) amd.quad(root + 8 * i, BigInt(i * 2 ** 21) | PR | R | W);
    amd.quad(root + 8 * (FINE / 2 ** 21), BigInt(this.#pages) | PR | 1n << 9n | R | W);
    for (let i = 0; i < 512; i++) amd.quad(this.#pages + 8 * i, BigInt(FINE + 4096 * i) | PR | R | W);
    amd.device(dte(root, 2));
    this.ring = new MockRing(side.guest.memory, { size: 16, base: RING });
    const { requester } = side.device("disk0");
    this.driver = new MockDriver({
      guest: side.guest,
      requester,
      ring: this.ring,
      features: [VERSION_1, ACCESS_PLATFORM, ...features],
      interrupts: false,
    });
  }

  /** Says what a page means from now on. */
  page(address: number, value: bigint): void {
    this.amd.quad(this.#pages + 8 * ((address - FINE) >> 12), value);
    this.amd.flush();
  }

  request(type: number, sector: number, data: MockDesc[]): MockDesc[] {
    const header = this.side.guest.memory.bytes(HEADER, 16).fill(0);
    header[0] = type;
    header[8] = sector;
    this.side.guest.memory.bytes(STATUS, 1)[0] = 0xff;
    return [{ addr: BigInt(HEADER), len: 16 }, ...data, { addr: BigInt(STATUS), len: 1, flags: 2 }];
  }

  async serve(label: string): Promise<void> {
    const { ring, driver, side } = this;
    const before = ring.usedIdx;
    driver.kick();
    await side.until(() => ring.usedIdx !== before || (driver.status & 0x40) !== 0, NOTHING_MS);
    side.see(`${label}: device status`, driver.status);
    side.see(`${label}: used`, ring.usedIdx === before ? null : ring.used(before % 16));
    side.see(`${label}: status byte`, side.guest.memory.bytes(STATUS, 1)[0]);
  }
}

const IN = 0;
const OUT = 1;
const reading = (length: number): MockDesc[] => [{ addr: BigInt(DATA), len: length, flags: 2 }];
const writing = (length: number): MockDesc[] => [{ addr: BigInt(DATA), len: length }];

type Case = [
  label: string,
  spoil: (world: World) => void,
  request: (world: World) => MockDesc[],
  look?: (world: World) => Uint8Array,
];

const bytes = (address: number, length = 8) => ({ side }: World) => side.guest.memory.bytes(address, length).slice();

const CASES: Case[] = [
  ["everything mapped", () => {}, (w) => w.request(IN, 1, reading(512)), bytes(DATA)],
  [
    "pages that lie elsewhere",
    (w) => [0, 1].forEach((i) => w.page(DATA + 4096 * i, BigInt(ELSEWHERE + 8192 - 4096 * i) | PR | R | W)),
    (w) => w.request(IN, 0, reading(8192)),
    (w) => Uint8Array.from([...bytes(ELSEWHERE + 8192)(w), ...bytes(ELSEWHERE + 4096)(w), ...bytes(DATA)(w)]),
  ],
  ["data not mapped, read", (w) => w.page(DATA, 0n), (w) => w.request(IN, 1, reading(512)), bytes(DATA)],
  ["data not mapped, written", (w) => w.page(DATA, 0n), (w) => w.request(OUT, 3, writing(512))],
  [
    "data for reading only, read",
    (w) => w.page(DATA, BigInt(DATA) | PR | R),
    (w) => w.request(IN, 1, reading(512)),
    bytes(DATA),
  ],
  [
    "data for writing only, written",
    (w) => w.page(DATA, BigInt(DATA) | PR | W),
    (w) => w.request(OUT, 3, writing(512)),
  ],
  [
    "the second page of data not mapped",
    (w) => w.page(DATA + 4096, 0n),
    (w) => w.request(IN, 0, reading(8192)),
    bytes(DATA),
  ],
  ["the header not mapped", (w) => w.page(HEADER, 0n), (w) => w.request(IN, 1, reading(512)), bytes(DATA)],
  ["the status byte not mapped", (w) => w.page(STATUS, 0n), (w) => w.request(IN, 1, reading(512)), bytes(DATA)],
  [
    "the header for writing only",
    (w) => w.page(HEADER, BigInt(HEADER) | PR | W),
    (w) => w.request(IN, 1, reading(512)),
    bytes(DATA),
  ],
  [
    "the ring not mapped when the queue is enabled",
    (w) => w.page(RING, 0n),
    (w) => w.request(IN, 1, reading(512)),
    bytes(DATA),
  ],
];

export const VIRTIO_IOMMU: Scenario[] = (["qemu", "spec"] as const).map((personality) => ({
  name: `virtio-blk behind an AMD IOMMU, personality ${personality}`,
  manifest: () => diskManifest({ personality, vectors: 0 }, "amd-iommu"),
  async run(side) {
    const amd = new Amd(side, "disk0");
    side.device("disk0").enableBusMaster();
    const first = new World(side, amd, []);
    // Something that can be recognised in the first sectors.
    side.see("status", first.driver.start());
    side.guest.memory.bytes(DATA, 8192).forEach((_, i, all) => all[i] = 1 + (i >> 9) + i);
    first.ring.chain(0, first.request(OUT, 0, writing(8192)));
    await first.serve("preparation");
    for (const [label, spoil, request, look] of CASES) {
      const world = new World(side, amd, []);
      for (const at of [DATA, ELSEWHERE]) side.guest.memory.bytes(at, 0x3000).fill(0xcc);
      const descs = request(world);
      spoil(world);
      side.see(`${label}: started`, world.driver.start());
      world.ring.chain(0, descs);
      await world.serve(label);
      if (look) side.see(`${label}: memory`, look(world));
    }
    const world = new World(side, amd, [INDIRECT]);
    world.driver.start();
    const table = DATA + 0x8000;
    world.request(IN, 1, reading(512)).forEach((desc, i) =>
      world.ring.entry(table + 16 * i, { ...desc, flags: (desc.flags ?? 0) | (i < 2 ? 1 : 0), next: i + 1 })
    );
    world.page(table, 0n);
    world.ring.desc(0, { addr: BigInt(table), len: 48, flags: 4 });
    world.ring.offer(0);
    await world.serve("an indirect table not mapped");
    const after = new World(side, amd, []);
    after.driver.start();
    after.ring.chain(0, after.request(IN, 3, reading(512)));
    await after.serve("what the failed writes left on the disk");
    side.see("sector 3", bytes(DATA)(after));
  },
}));

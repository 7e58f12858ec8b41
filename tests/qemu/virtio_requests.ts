// Scenarios of raw requests to a virtio block device: rings written byte by byte, sane and hostile.

import { type MockDesc, MockDriver, MockPackedRing, MockRing } from "@iova/virtio/testing";
import type { Scenario, Side } from "@iova/qtest/testing";
import { diskManifest } from "./virtio_registers.ts";

const RING = 0x20_0000;
const HEADER = 0x30_0000;
const DATA = 0x31_0000;
const STATUS = 0x32_0000;
const TABLE = 0x33_0000;
/** In the hole below the firmware's memory: nothing is there on either machine. */
const NOWHERE = 0x8000_0000n;

const VERSION_1 = 32;
const PACKED = 34;
const INDIRECT = 28;
const EVENT_IDX = 29;

/** Milliseconds after which a request that is not used will not be. */
const NOTHING_MS = 1000;

function both(name: string, run: (disk: Disk) => Promise<void>, options: Record<string, unknown> = {}): Scenario[] {
  return (["qemu", "spec"] as const).map((personality) => ({
    name: `${name}, personality ${personality}`,
    manifest: () => diskManifest({ accessPlatform: false, serial: "SER-0123456789ABCDEF", ...options, personality }),
    async run(side) {
      await run(new Disk(side));
    },
  }));
}

/** One disk and its driver's memory. */
class Disk {
  readonly guest;
  #drivers = 0;

  constructor(readonly side: Side) {
    this.guest = side.guest;
  }

  /** A fresh start: reset, ring of 16, DRIVER_OK. */
  start(features: number[] = [], size = 16): Started {
    const ring = new MockRing(this.guest.memory, { size, base: RING + 0x4000 * this.#drivers++ });
    const { requester } = this.side.device("disk0");
    const driver = new MockDriver({
      guest: this.guest,
      requester,
      ring,
      features: [VERSION_1, ...features],
      interrupts: false,
    });
    driver.start();
    return new Started(this.side, driver, ring);
  }
}

/** A disk that is driven. */
class Started {
  constructor(readonly side: Side, readonly driver: MockDriver<MockRing>, readonly ring: MockRing) {}

  header(type: number, sector: bigint | number): MockDesc {
    const bytes = this.side.guest.memory.bytes(HEADER, 16).fill(0);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setUint32(0, type, true);
    view.setBigUint64(8, BigInt.asUintN(64, BigInt(sector)), true);
    return { addr: BigInt(HEADER), len: 16 };
  }

  data(length: number, fill: number, write: boolean): MockDesc {
    this.side.guest.memory.bytes(DATA, Math.max(length, 1)).fill(fill);
    return { addr: BigInt(DATA), len: length, flags: write ? 2 : 0 };
  }

  status(): MockDesc {
    this.side.guest.memory.bytes(STATUS, 1)[0] = 0xff;
    return { addr: BigInt(STATUS), len: 1, flags: 2 };
  }

  /** Kicks and waits; whether something was used. */
  async served(): Promise<boolean> {
    const before = this.ring.usedIdx;
    this.driver.kick();
    await this.side.until(() => this.ring.usedIdx !== before || isBroken(this.driver.status), NOTHING_MS);
    return this.ring.usedIdx !== before;
  }

  /** Makes a chain, waits for it, notes what came of it. */
  async request(label: string, descs: MockDesc[], more: () => unknown = () => ""): Promise<void> {
    const slot = this.ring.usedIdx % this.ring.size;
    this.ring.chain(0, descs);
    const served = await this.served();
    this.note(label, served ? this.ring.used(slot) : null, more());
  }

  note(label: string, used: readonly number[] | null, more: unknown = ""): void {
    const { side, driver } = this;
    side.see(`${label}: used`, used);
    side.see(`${label}: status byte`, side.guest.memory.bytes(STATUS, 1)[0]);
    side.see(`${label}: device status`, driver.status);
    if (more instanceof Uint8Array) side.see(`${label}: data`, more.slice());
  }

  memory(at: number, length: number): Uint8Array {
    return this.side.guest.memory.bytes(at, length);
  }
}

export const VIRTIO_REQUESTS: Scenario[] = [
  ...both("virtio-blk requests", async (disk) => {
    const made = disk.start();
    const { ring } = made;
    const pattern = made.memory(DATA, 1024);
    await made.request("write 2 sectors at 9", [
      made.header(1, 9),
      { ...made.data(1024, 0, false), ...(pattern.forEach((_, i) => pattern[i] = 7 * i), {}) },
      made.status(),
    ]);
    await made.request(
      "read 1 sector at 10",
      [made.header(0, 10), made.data(512, 0xcc, true), made.status()],
      () => made.memory(DATA, 16),
    );
    await made.request("flush", [made.header(4, 0), made.status()]);
    await made.request("flush by its old number", [made.header(5, 0), made.status()]);
    await made.request(
      "serial number",
      [made.header(8, 0), made.data(20, 0xcc, true), made.status()],
      () => made.memory(DATA, 21),
    );
    await made.request(
      "serial number in 10 bytes",
      [made.header(8, 0), made.data(10, 0xcc, true), made.status()],
      () => made.memory(DATA, 12),
    );
    for (const type of [2, 10, 12, 14, 99, 0x8000_0000]) {
      await made.request(
        `type ${type}`,
        [made.header(type, 0), made.data(512, 0xcc, true), made.status()],
        () => made.memory(DATA, 8),
      );
    }
    await made.request("read nothing", [made.header(0, 0), made.status()]);
    await made.request("write nothing", [made.header(1, 0), made.status()]);
    for (
      const [what, sector, length] of [
        ["at the end", 2047, 512],
        ["beyond the end", 2048, 512],
        ["across the end", 2047, 1024],
        ["at the last sector number", -1, 512],
        ["of 100 bytes", 0, 100],
      ] as const
    ) {
      await made.request(
        `read ${what}`,
        [made.header(0, sector), made.data(length, 0xcc, true), made.status()],
        () => made.memory(DATA, 8),
      );
    }
    await made.request(
      "a header in two pieces",
      [made.header(0, 9), { addr: BigInt(HEADER + 8), len: 8 }, made.data(512, 0xcc, true), made.status()].map((
        desc,
        i,
      ) => i === 0 ? { ...desc, len: 8 } : desc),
      () => made.memory(DATA, 8),
    );
    await made.request(
      "status behind the data in one descriptor",
      [made.header(0, 9), made.data(513, 0xcc, true)],
      () => made.memory(DATA, 513).subarray(508),
    );
    made.side.see("used.idx", ring.usedIdx);
  }),
  ...both("virtio-blk discard and write zeroes", async (disk) => {
    const made = disk.start([13, 14]);
    const segment = (sector: number, count: number, flags: number, at = 0) => {
      const view = new DataView(made.memory(DATA, 64).buffer, made.memory(DATA, 64).byteOffset);
      view.setBigUint64(at, BigInt(sector), true);
      view.setUint32(at + 8, count, true);
      view.setUint32(at + 12, flags, true);
    };
    const cases: [string, number, number, number, number, number][] = [
      ["zeroes", 13, 16, 8, 0, 16],
      ["zeroes with unmap", 13, 16, 8, 1, 16],
      ["discard", 11, 16, 8, 0, 16],
      ["discard with unmap", 11, 16, 8, 1, 16],
      ["zeroes with an unknown flag", 13, 16, 8, 2, 16],
      ["zeroes beyond the end", 13, 2047, 2, 0, 16],
      ["zeroes beyond the end with an unknown flag", 13, 2047, 2, 2, 16],
      ["zeroes of nothing", 13, 0, 0, 0, 16],
      ["two segments", 13, 16, 8, 0, 32],
      ["half a segment", 13, 16, 8, 0, 8],
    ];
    for (const [label, type, sector, count, flags, length] of cases) {
      const data = made.data(length, 0, false);
      segment(sector, count, flags);
      segment(sector, count, flags, 16);
      await made.request(label, [made.header(type, 0), data, made.status()]);
    }
  }),
  ...both("virtio-blk notifications with event indices", async (disk) => {
    const made = disk.start([EVENT_IDX]);
    const { ring, driver, side } = made;
    for (let i = 0; i < 5; i++) {
      ring.usedEvent = i < 2 ? 0 : 3;
      ring.chain(0, [made.header(4, 0), made.status()]);
      await made.served();
      await side.pause(2);
      side.see(`request ${i}`, [ring.usedIdx, ring.availEvent, ring.usedFlags]);
      side.see(`interrupt after request ${i}`, readIsr(side, driver));
    }
  }, { vectors: 0 }),
  ...both("virtio-blk notifications with flags", async (disk) => {
    const made = disk.start([]);
    const { ring, driver, side } = made;
    for (const flags of [0, 1, 0]) {
      ring.availFlags = flags;
      ring.chain(0, [made.header(4, 0), made.status()]);
      await made.served();
      await side.pause(2);
      side.see(`interrupt after request ${ring.usedIdx} with flags ${flags}`, readIsr(side, driver));
      side.see(`used flags after ${ring.usedIdx}`, ring.usedFlags);
    }
  }, { vectors: 0 }),
  ...both("virtio-blk broken chains", async (disk) => {
    type Break = [label: string, spoil: (made: Started) => void, features?: number[]];
    const good = (made: Started) => [made.header(0, 0), made.data(512, 0xcc, true), made.status()];
    const chain = (made: Started, ...descs: MockDesc[]) => made.ring.chain(0, descs);
    const table = (made: Started, length: number, entries: MockDesc[], flags = 4, features = 0) => {
      entries.forEach((entry, i) => made.ring.entry(TABLE + 16 * i, entry));
      made.ring.desc(0, { addr: BigInt(TABLE), len: length, flags: flags | features });
      made.ring.offer(0);
    };
    const linked = (made: Started, last = 2) =>
      good(made).map((desc, i) => ({
        ...desc,
        flags: (desc.flags ?? 0) | (i < last ? 1 : 0),
        next: i < last ? i + 1 : 0,
      }));
    const breaks: Break[] = [
      ["next is itself", (made) => (made.ring.desc(0, { ...good(made)[0], flags: 1, next: 0 }), made.ring.offer(0))],
      ["head beyond the ring", (made) => made.ring.offer(16)],
      [
        "next beyond the ring",
        (made) => (made.ring.desc(0, { ...good(made)[0], flags: 1, next: 99 }), made.ring.offer(0)),
      ],
      ["a descriptor of no length", (made) => chain(made, good(made)[0], { ...good(made)[1], len: 0 }, good(made)[2])],
      ["readable behind writable", (made) => chain(made, good(made)[1], good(made)[0], good(made)[2])],
      ["a header of 8 bytes", (made) => chain(made, { ...good(made)[0], len: 8 }, good(made)[1], good(made)[2])],
      ["nothing to write", (made) => chain(made, good(made)[0], { ...good(made)[1], flags: 0 })],
      ["nothing to read", (made) => chain(made, good(made)[1], good(made)[2])],
      ["available index jumps", (made) => void (made.ring.availIdx = 17)],
      ["an indirect table of 40 bytes", (made) => table(made, 40, linked(made)), [INDIRECT]],
      ["an indirect table of no bytes", (made) => table(made, 0, linked(made)), [INDIRECT]],
      ["an indirect table in a table", (made) => table(made, 48, [{ addr: BigInt(TABLE + 64), len: 48, flags: 4 }]), [
        INDIRECT,
      ]],
      ["an indirect table with a link out", (made) => table(made, 48, [{ ...linked(made)[0], next: 7 }]), [INDIRECT]],
      [
        "an indirect table nowhere",
        (made) => (made.ring.desc(0, { addr: NOWHERE, len: 48, flags: 4 }), made.ring.offer(0)),
        [INDIRECT],
      ],
      ["indirect without the feature", (made) => table(made, 48, linked(made))],
      ["indirect with next", (made) => table(made, 48, linked(made), 4 | 1), [INDIRECT]],
      ["indirect with write", (made) => table(made, 48, linked(made), 4 | 2), [INDIRECT]],
      ["a direct header, then an indirect table", (made) => {
        const [header, data, status] = good(made);
        made.ring.entry(TABLE, { ...data, flags: 3, next: 1 });
        made.ring.entry(TABLE + 16, status);
        made.ring.desc(0, { ...header, flags: 1, next: 1 });
        made.ring.desc(1, { addr: BigInt(TABLE), len: 32, flags: 4 });
        made.ring.offer(0);
      }, [INDIRECT]],
      [
        "more than 4 GiB in all",
        (made) =>
          chain(
            made,
            good(made)[0],
            { ...good(made)[1], len: 0xffff_ffff },
            { ...good(made)[1], len: 0xffff_ffff },
            good(made)[2],
          ),
      ],
      ["a header nowhere", (made) => chain(made, { addr: NOWHERE, len: 16 }, good(made)[1], good(made)[2])],
      ["data nowhere", (made) => chain(made, good(made)[0], { addr: NOWHERE, len: 512, flags: 2 }, good(made)[2])],
      [
        "a status byte nowhere",
        (made) => chain(made, good(made)[0], good(made)[1], { addr: NOWHERE, len: 1, flags: 2 }),
      ],
      ["the same head twice", (made) => (chain(made, ...good(made)), made.ring.offer(0))],
      ["used index overwritten", (made) => (made.ring.usedIdx = 0x55, chain(made, ...good(made)))],
    ];
    for (const [label, spoil, features = []] of breaks) {
      const made = disk.start(features);
      spoil(made);
      const before = made.ring.usedIdx;
      made.driver.kick();
      await made.side.until(() => made.ring.usedIdx !== before || isBroken(made.driver.status), NOTHING_MS);
      await made.side.pause(2);
      made.side.see(`${label}: device status`, made.driver.status);
      made.side.see(`${label}: isr`, readIsr(made.side, made.driver));
      made.side.see(`${label}: used`, [made.ring.usedIdx, made.ring.used(0)]);
      made.side.see(`${label}: status byte and data`, [made.memory(STATUS, 1), made.memory(DATA, 4)]);
    }
  }, { vectors: 0 }),
  ...both("virtio-blk packed ring", async ({ side, guest }) => {
    const ring = new MockPackedRing(guest.memory, { size: 4, base: RING });
    const { requester } = side.device("disk0");
    const driver = new MockDriver({ guest, requester, ring, features: [VERSION_1, PACKED], interrupts: false });
    side.see("status", driver.start());
    const made = new Started(side, driver as never, null as never);
    const go = async (label: string, slot: number) => {
      const before = ring.slot(slot);
      driver.kick();
      await side.until(() => ring.slot(slot) !== before, NOTHING_MS);
      side.see(`${label}: slots`, [0, 1, 2, 3].map((i) => ring.slot(i)));
      side.see(`${label}: device event`, ring.deviceEvent);
      side.see(`${label}: status byte`, guest.memory.bytes(STATUS, 1)[0]);
    };
    ring.chain(7, [made.header(0, 0), made.data(512, 0xcc, true), made.status()]);
    await go("three slots", 0);
    ring.chain(9, [made.header(0, 1), made.data(512, 0xcc, true), made.status()]);
    await go("across the end", 3);
    ring.chain(1, [made.header(4, 0), made.status()]);
    await go("flush", 2);
  }, { packed: true }),
];

/** DEVICE_NEEDS_RESET: nothing will come of what was asked. */
function isBroken(status: number): boolean {
  return (status & 0x40) !== 0;
}

/** Reads the interrupt status, which clears it. */
function readIsr(side: Side, driver: { readonly transport: unknown }): number {
  const fn = side.device("disk0");
  const bar = [...fn.bars.values()].find(({ kind, size }) => kind === "memory" && size === 0x4000)!;
  return driver.transport === null ? -1 : side.guest.read(bar.address + 0x1000, 1);
}

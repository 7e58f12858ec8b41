// Scenarios on the AMD IOMMU below every driver: tables, commands and registers byte by byte, and an edu device as probe.

import type { Manifest, PhysAddr } from "@iova/core";
import type { Scenario, Side } from "@iova/qtest/testing";

const MANIFEST: Manifest = {
  memory: "64MiB",
  platform: "amd-iommu",
  devices: [{ id: "probe", use: "edu", at: "04.0", with: { dmaMask: "0xffffffffffffffff", dmaDelay: "1us" } }],
};

const DEVICE_ID = 0x20;
const DEVICE_TABLE = 0x40_0000;
const COMMANDS = 0x41_0000;
const EVENTS = 0x42_0000;
const TABLES = 0x50_0000;
/** Pages that transfers reach, each filled with its own number. */
const PAGES = 0x80_0000;
/** Where a stored completion arrives. */
const STORE = 0x43_0000;
/** Memory between 32 and 48 MiB, for large pages. */
const LARGE = 0x200_0000;

const Reg = {
  DEV_TAB: 0,
  COMMANDS: 8,
  EVENTS: 0x10,
  CONTROL: 0x18,
  EXCL_BASE: 0x20,
  EXCL_LIMIT: 0x28,
  EFR: 0x30,
  HEAD: 0x2000,
  TAIL: 0x2008,
  EVENT_HEAD: 0x2010,
  EVENT_TAIL: 0x2018,
  STATUS: 0x2020,
} as const;
const CONTROL_ON = 0x1005;

const V = 1n;
const TV = 2n;
export const PR = 1n;
export const R = 1n << 61n;
export const W = 1n << 62n;
const mode = (levels: number) => BigInt(levels) << 9n;

/** The IOMMU, driven by hand. */
export class Amd {
  readonly base: PhysAddr;
  readonly deviceId: number;
  readonly #edu: PhysAddr = 0;
  #tail = 0;
  #tables = TABLES;

  /** `id` is the device whose table entry {@linkcode Amd.device} writes; `probe` is an edu. */
  constructor(readonly side: Side, id = "probe") {
    this.deviceId = side.machine.device(id).port.requester;
    const region = side.machine.space.registerRegions.find(({ name }) =>
      /IOMMU/.test(name) && !/configuration/.test(name)
    );
    this.base = side.name === "qemu" ? 0xfed8_0000 : region!.base;
    if (id === "probe") {
      const fn = side.device("probe");
      fn.enableBusMaster();
      this.#edu = fn.bar(0).address;
    }
    this.write64(Reg.DEV_TAB, BigInt(DEVICE_TABLE));
    this.write64(Reg.COMMANDS, BigInt(COMMANDS) | 8n << 56n);
    this.write64(Reg.EVENTS, BigInt(EVENTS) | 8n << 56n);
    this.write64(Reg.CONTROL, BigInt(CONTROL_ON));
    for (let page = 0; page < 16; page++) side.guest.memory.bytes(PAGES + 4096 * page, 4096).fill(page);
  }

  read64(register: number): bigint {
    const { guest } = this.side;
    return BigInt(guest.read(this.base + register + 4, 4)) << 32n | BigInt(guest.read(this.base + register, 4));
  }

  write64(register: number, value: bigint): void {
    const { guest } = this.side;
    guest.write(this.base + register, 4, Number(value & 0xffff_ffffn));
    guest.write(this.base + register + 4, 4, Number(value >> 32n));
  }

  /** Memory as quadwords. */
  quad(address: PhysAddr, value?: bigint): bigint {
    const bytes = this.side.guest.memory.bytes(address, 8);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
    if (value !== undefined) view.setBigUint64(0, value, true);
    return view.getBigUint64(0, true);
  }

  /** A page table without entries. */
  table(): PhysAddr {
    const at = this.#tables;
    this.#tables += 4096;
    this.side.guest.memory.bytes(at, 4096).fill(0);
    return at;
  }

  /** Writes the probe's device table entry and drops what was cached. */
  device(low: bigint, domain = 5n): void {
    this.quad(DEVICE_TABLE + 32 * this.deviceId, low);
    this.quad(DEVICE_TABLE + 32 * this.deviceId + 8, domain);
    this.command(0x2000_0000, this.deviceId);
    this.flush(Number(domain));
  }

  /** INVALIDATE_IOMMU_PAGES of everything in a domain. */
  flush(domain = 5): void {
    this.command(0x3000_0000 | domain, 0, 3, 0x7fff_ffff, -4096);
  }

  /** Queues a command of four words (second word first when two are given) and hands it over. */
  command(second: number, first = 0, flags = 0, addressHigh = 0, addressLow = 0): void {
    const at = COMMANDS + this.#tail;
    const bytes = this.side.guest.memory.bytes(at, 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
    view.setUint32(0, first >>> 0, true);
    view.setUint32(4, second >>> 0, true);
    view.setUint32(8, (addressLow | flags) >>> 0, true);
    view.setUint32(12, addressHigh >>> 0, true);
    this.#tail = (this.#tail + 16) % 0x1000;
    this.side.guest.write(this.base + Reg.TAIL, 4, this.#tail);
  }

  /** Lets queued commands be executed. */
  async done(): Promise<boolean> {
    return await this.side.until(() => this.side.guest.read(this.base + Reg.HEAD, 4) === this.#tail, 50);
  }

  /** Moves 8 bytes between the probe's buffer and a bus address. */
  async transfer(address: bigint, toDevice: boolean): Promise<void> {
    const { guest } = this.side;
    const [bus, own] = toDevice ? [0x80, 0x88] : [0x88, 0x80];
    guest.write(this.#edu + bus, 4, Number(address & 0xffff_ffffn));
    // A write of four bytes to the upper half does nothing on QEMU: addresses here end below 4 GiB, or wide() is used.
    guest.write(this.#edu + own, 4, 0x4_0000);
    guest.write(this.#edu + 0x90, 4, 8);
    guest.write(this.#edu + 0x98, 4, toDevice ? 1 : 3);
    await this.side.until(() => (guest.read(this.#edu + 0x98, 4) & 1) === 0);
  }

  /** What a write by the device to `address` does to the page that `page` numbers: landed, or blocked. */
  async writes(address: bigint, page: PhysAddr): Promise<string> {
    const bytes = this.side.guest.memory.bytes(page, 8).fill(0xee);
    await this.done();
    await this.transfer(address, false);
    const landed = bytes.some((byte) => byte !== 0xee);
    bytes.fill(0xee);
    return landed ? "landed" : "blocked";
  }

  /** The event log's new entries, and what becomes of the status. */
  events(): Uint8Array[] {
    const { guest } = this.side;
    const tail = guest.read(this.base + Reg.EVENT_TAIL, 4);
    const head = guest.read(this.base + Reg.EVENT_HEAD, 4);
    const found: Uint8Array[] = [];
    for (let at = head; at !== tail && found.length < 8; at = (at + 16) % 0x1000) {
      found.push(guest.memory.bytes(EVENTS + at, 16).slice());
    }
    guest.write(this.base + Reg.EVENT_HEAD, 4, tail);
    return found;
  }
}

/** A chain of page directories for `address`, from `levels` down to 1; the last table, and the root. */
function walk(
  amd: Amd,
  levels: number,
  address: bigint,
  rights = R | W,
): { root: PhysAddr; last: PhysAddr; index: number } {
  const root = amd.table();
  let at = root;
  for (let level = levels; level > 1; level--) {
    const next = amd.table();
    amd.quad(
      at + 8 * Number(address >> BigInt(12 + 9 * (level - 1)) & 511n),
      BigInt(next) | PR | BigInt(level - 1) << 9n | rights,
    );
    at = next;
  }
  return { root, last: at, index: Number(address >> 12n & 511n) };
}

export const dte = (root: PhysAddr, levels: number, rights = R | W) => V | TV | mode(levels) | BigInt(root) | rights;

export const AMD_IOMMU: Scenario[] = [
  {
    name: "amd-iommu registers",
    manifest: MANIFEST,
    run(side) {
      const amd = new Amd(side);
      amd.write64(Reg.CONTROL, 0n);
      for (
        const [name, register] of [
          ["EFR", Reg.EFR],
          ["status after power-on", Reg.STATUS],
          ["command head", Reg.HEAD],
          ["event tail", Reg.EVENT_TAIL],
        ] as const
      ) {
        side.see(name, amd.read64(register));
      }
      for (
        const [name, register] of [
          ["device table base", Reg.DEV_TAB],
          ["command base", Reg.COMMANDS],
          ["event base", Reg.EVENTS],
          ["exclusion base", Reg.EXCL_BASE],
          ["exclusion limit", Reg.EXCL_LIMIT],
          ["command head", Reg.HEAD],
          ["command tail", Reg.TAIL],
          ["event head", Reg.EVENT_HEAD],
        ] as const
      ) {
        amd.write64(register, 0xffff_ffff_ffff_fff0n);
        side.see(`${name} after ones`, amd.read64(register));
        amd.write64(register, 0n);
        side.see(`${name} after zeroes`, amd.read64(register));
      }
      amd.write64(Reg.CONTROL, 0xffff_ffff_ffff_0ffan);
      side.see("control after ones, all but the enables", amd.read64(Reg.CONTROL));
      amd.write64(Reg.CONTROL, 0n);
      side.see("control after zeroes", amd.read64(Reg.CONTROL));
    },
  },
  {
    name: "amd-iommu page sizes",
    manifest: MANIFEST,
    async run(side) {
      const amd = new Amd(side);
      const cases: [
        string,
        number,
        bigint,
        (root: ReturnType<typeof walk>) => [entry: PhysAddr, value: bigint][],
        bigint,
        PhysAddr,
      ][] = [
        [
          "4 KiB in one level",
          1,
          0x3000n,
          ({ last, index }) => [[last + 8 * index, BigInt(PAGES + 0x3000) | PR | R | W]],
          0x3008n,
          PAGES + 0x3008,
        ],
        [
          "4 KiB in two levels",
          2,
          0x40_3000n,
          ({ last, index }) => [[last + 8 * index, BigInt(PAGES + 0x4000) | PR | R | W]],
          0x40_3010n,
          PAGES + 0x4010,
        ],
        [
          "4 KiB in three levels",
          3,
          0x8040_3000n,
          ({ last, index }) => [[last + 8 * index, BigInt(PAGES + 0x5000) | PR | R | W]],
          0x8040_3018n,
          PAGES + 0x5018,
        ],
        [
          "4 KiB in four levels",
          4,
          0x40_3000n,
          ({ last, index }) => [[last + 8 * index, BigInt(PAGES + 0x6000) | PR | R | W]],
          0x40_3000n,
          PAGES + 0x6000,
        ],
        [
          "4 KiB in six levels",
          6,
          0x40_3000n,
          ({ last, index }) => [[last + 8 * index, BigInt(PAGES + 0x7000) | PR | R | W]],
          0x40_3000n,
          PAGES + 0x7000,
        ],
        [
          "2 MiB as a leaf of the second level",
          2,
          0x20_0000n,
          ({ root }) => [[root + 8, BigInt(LARGE) | PR | R | W]],
          0x2a_bc00n,
          LARGE + 0xa_bc00,
        ],
        [
          "1 GiB as a leaf of the third level",
          3,
          0x4000_0000n,
          ({ root }) => [[root + 8, PR | R | W]],
          0x4080_3020n,
          PAGES + 0x3020,
        ],
        [
          "64 KiB by its size code",
          1,
          0x1_0000n,
          ({ last }) =>
            Array.from({ length: 16 }, (_, i) => [last + 8 * (16 + i), BigInt(LARGE | 0x7000) | PR | 7n << 9n | R | W]),
          0x1_a000n,
          LARGE + 0xa000,
        ],
        [
          "4 MiB by its size code",
          2,
          0x40_0000n,
          ({ root }) => [2, 3].map((i) => [root + 8 * i, BigInt(LARGE | 0x1f_f000) | PR | 7n << 9n | R | W]),
          0x65_4320n,
          LARGE + 0x25_4320,
        ],
      ];
      for (const [label, levels, mapped, entries, address, lands] of cases) {
        const tables = walk(amd, levels, mapped);
        for (const [at, value] of entries(tables)) amd.quad(at, value);
        amd.device(dte(tables.root, levels));
        side.see(label, await amd.writes(address, lands));
        side.see(`${label}: events`, amd.events());
      }
    },
  },
  {
    name: "amd-iommu rights and faults",
    manifest: MANIFEST,
    async run(side) {
      const amd = new Amd(side);
      const page = PAGES + 0x1000;
      const map = (levels: number, value: bigint, rights = R | W) => {
        const tables = walk(amd, levels, 0x1000n, rights);
        amd.quad(tables.last + 8 * tables.index, value);
        return tables.root;
      };
      const whole = BigInt(page) | PR | R | W;
      const cases: [string, () => bigint, bigint?][] = [
        ["V = 0", () => 0n, BigInt(page)],
        ["TV = 0 without rights", () => V, BigInt(page)],
        ["TV = 0 with rights", () => V | R | W, BigInt(page)],
        ["mode 0 with rights", () => V | TV | R | W, BigInt(page)],
        ["mode 0, reading only", () => V | TV | R, BigInt(page)],
        ["mode 7", () => V | TV | mode(7) | R | W | BigInt(amd.table())],
        ["an entry for reading only", () => dte(map(1, BigInt(page) | PR | R), 1)],
        ["an entry for writing only", () => dte(map(1, BigInt(page) | PR | W), 1)],
        ["a device for reading only", () => dte(map(1, whole), 1, R)],
        ["a directory for reading only", () => dte(map(2, whole, R), 2)],
        ["an entry that is all zeroes", () => dte(map(1, 0n), 1)],
        ["an entry with rights and PR = 0", () => dte(map(1, BigInt(page) | R | W), 1)],
        ["a directory that is all zeroes", () => dte(amd.table(), 2)],
        ["a reserved bit in an entry (52)", () => dte(map(1, whole | 1n << 52n), 1)],
        ["an ignored bit in an entry (1)", () => dte(map(1, whole | 1n << 1n), 1)],
        ["an address beyond one level", () => dte(map(1, whole), 1), 0x20_1000n],
        ["a table that names its own level", () => {
          // Not itself: QEMU 7.2 then walks for ever.
          const [root, next] = [amd.table(), amd.table()];
          amd.quad(root, BigInt(next) | PR | 2n << 9n | R | W);
          amd.quad(next, BigInt(page) | PR | R | W);
          return dte(root, 2);
        }],
        ["a skipped level", () => {
          const [root, last] = [amd.table(), amd.table()];
          amd.quad(root, BigInt(last) | PR | 1n << 9n | R | W);
          amd.quad(last + 8, whole);
          return dte(root, 3);
        }],
        ["a skipped level whose bits are set", () => {
          const [root, last] = [amd.table(), amd.table()];
          amd.quad(root, BigInt(last) | PR | 1n << 9n | R | W);
          amd.quad(last + 8, whole);
          return dte(root, 3);
        }, 0x20_1000n],
        ["a table where there is no memory", () => dte(0x7000_0000, 1)],
        ["a page where there is no memory", () => dte(map(1, 0x7000_0000n | PR | R | W), 1)],
      ];
      for (const [label, entry, address = 0x1000n] of cases) {
        amd.device(entry());
        side.see(label, await amd.writes(address, page));
        side.see(`${label}: events`, amd.events());
      }
      side.see("status", amd.read64(Reg.STATUS));
    },
  },
  {
    name: "amd-iommu cached translations",
    manifest: MANIFEST,
    async run(side) {
      const amd = new Amd(side);
      const [first, second, other] = [PAGES + 0x1000, PAGES + 0x2000, PAGES + 0x8000];
      const fresh = async () => {
        const { root, last } = walk(amd, 1, 0n);
        amd.quad(last + 8, BigInt(first) | PR | R | W);
        amd.quad(last + 16, BigInt(second) | PR | R | W);
        amd.device(dte(root, 1));
        await amd.writes(0x1000n, first);
        await amd.writes(0x2000n, second);
        amd.quad(last + 8, BigInt(other) | PR | R | W);
        amd.quad(last + 16, 0n);
        return root;
      };
      const cases: [string, () => void][] = [
        ["without an invalidation", () => {}],
        ["after INVALIDATE_IOMMU_PAGES of the first page", () => amd.command(0x3000_0005, 0, 0, 0, 0x1000)],
        ["after INVALIDATE_IOMMU_PAGES of another domain", () => amd.flush(6)],
        ["after INVALIDATE_IOMMU_PAGES of everything", () => amd.flush(5)],
        ["after INVALIDATE_DEVTAB_ENTRY", () => amd.command(0x2000_0000, DEVICE_ID)],
      ];
      for (const [label, invalidate] of cases) {
        await fresh();
        invalidate();
        side.see(`${label}: the first page goes where it went`, await amd.writes(0x1000n, first));
        side.see(`${label}: the second page`, await amd.writes(0x2000n, second));
        side.see(`${label}: events`, amd.events());
      }
    },
  },
  {
    name: "amd-iommu commands",
    manifest: MANIFEST,
    async run(side) {
      const amd = new Amd(side);
      const note = async (label: string) => {
        side.see(`${label}: all executed`, await amd.done());
        side.see(`${label}: head`, side.guest.read(amd.base + Reg.HEAD, 4));
        side.see(`${label}: status`, side.guest.read(amd.base + Reg.STATUS, 4));
      };
      // COMPLETION_WAIT: the store bit and the address in the first two words, the data in the last two.
      amd.command(0x1000_0000, STORE | 1, 0, 0x1234_5678, 0x0abc_def0);
      await note("COMPLETION_WAIT with a store");
      side.see("what it stored", amd.quad(STORE));
      amd.command(0x1000_0000, 2);
      await note("COMPLETION_WAIT with an interrupt that is not enabled");
      side.guest.write(amd.base + Reg.STATUS, 4, 4);
      side.see("status after ComWaitInt is acknowledged", side.guest.read(amd.base + Reg.STATUS, 4));
      for (let i = 0; i < 256; i++) amd.command(0x1000_0000);
      await note("once round the ring");
      amd.command(0x9000_0000);
      amd.command(0x1000_0000, STORE | 1, 0, 0, 1);
      await note("an opcode that there is not, then COMPLETION_WAIT");
      side.see("whether the wait was executed", amd.quad(STORE));
      side.see("events", amd.events());
    },
  },
];

// Scenarios on the legacy interface of a virtio block device: the registers of virtio 0.9 behind an I/O BAR, and a ring by
// its page frame number.

import type { Scenario, Side } from "@iova/qtest/testing";
import { MockRing } from "@iova/virtio/testing";
import { diskManifest } from "./virtio_registers.ts";

const RING = 0x20_0000;
const HEADER = 0x30_0000;
const DATA = 0x31_0000;
const STATUS = 0x32_0000;

const each = (name: string, run: (disk: LegacyDisk) => Promise<void> | void): Scenario[] =>
  (["legacy", "transitional"] as const).flatMap((transport) =>
    (["qemu", "spec"] as const).map((personality) => ({
      name: `virtio-blk ${transport}, ${name}, personality ${personality}`,
      manifest: () => diskManifest({ transport, accessPlatform: false, personality }),
      async run(side: Side) {
        await run(new LegacyDisk(side));
      },
    }))
  );

/** A disk behind I/O ports. */
class LegacyDisk {
  readonly fn;
  readonly port: number;

  constructor(readonly side: Side) {
    this.fn = side.device("disk0");
    this.port = this.fn.bar(0).address;
  }

  in(at: number, width: 1 | 2 | 4): number {
    return this.side.guest.ioRead(this.port + at, width);
  }

  out(at: number, width: 1 | 2 | 4, value: number): void {
    this.side.guest.ioWrite(this.port + at, width, value);
  }

  /** Enables MSI-X, or disables it, in the capability. */
  messages(on: boolean): void {
    this.fn.configWrite(this.fn.findCapability(0x11) + 2, 2, on ? 0x8000 : 0);
  }

  see(label: string, ...outcome: (number | boolean)[]): void {
    this.side.see(label, outcome.map(Number));
  }
}

export const VIRTIO_LEGACY: Scenario[] = [
  ...each("configuration space", ({ fn, side }) => {
    for (const at of [0x00, 0x08, 0x2c, 0x34, 0x3d]) {
      side.see(`config ${at.toString(16)}`, fn.configRead(at, at === 0x3d || at === 0x34 ? 1 : 4));
    }
    for (let at = fn.configRead(0x34, 1), i = 0; at !== 0 && i < 16; at = fn.configRead(at + 1, 1), i++) {
      side.see(`capability ${i}`, [at, fn.configBytes(at, 12)]);
    }
    side.see("BARs", [...fn.bars.values()].map(({ index, kind, size, width }) => [index, kind, size, width]));
  }),
  ...each("registers after reset", (disk) => {
    for (
      const [at, width] of [[0, 4], [4, 4], [8, 4], [0x0c, 2], [0x0e, 2], [0x10, 2], [0x12, 1], [0x13, 1]] as const
    ) {
      disk.see(`register ${at.toString(16)}`, disk.in(at, width));
    }
    for (let at = 0; at < 57; at += 1) disk.see(`configuration ${at}`, disk.in(0x14 + at, 1));
    for (const [at, width] of [[0, 4], [8, 2], [56, 4], [60, 4]] as const) {
      disk.see(`configuration ${at} in ${width}`, disk.in(0x14 + at, width));
    }
    for (const [at, width] of [[1, 1], [2, 2], [0x0c, 4], [0x0d, 1], [0x10, 4], [0x12, 2], [0x11, 1]] as const) {
      disk.see(`across ${at.toString(16)} in ${width}`, disk.in(at, width));
    }
  }),
  ...each("negotiation", (disk) => {
    disk.out(0x12, 1, 1);
    disk.out(0x12, 1, 3);
    for (const features of [0x244, 0xffff_ffff, 0x4000_0000, 0x3000_0244, 0x0100_0000, 0]) {
      disk.out(4, 4, features);
      disk.see(`features ${features.toString(16)}`, disk.in(4, 4));
    }
    for (const status of [7, 3, 0x0f, 0x47, 0x83, 0x13]) {
      disk.out(0x12, 1, status);
      disk.see(`status ${status.toString(16)}`, disk.in(0x12, 1));
    }
    disk.out(0x12, 1, 0);
    disk.see("after a reset", disk.in(0x12, 1), disk.in(4, 4), disk.in(8, 4), disk.in(0x0e, 2));
  }),
  ...each("queue registers", (disk) => {
    disk.out(0x12, 1, 3);
    for (const queue of [0, 1, 7, 0]) {
      disk.out(0x0e, 2, queue);
      disk.see(`queue ${queue} of ${disk.in(0x0e, 2)}`.slice(0, 8) + ` is`, disk.in(0x0e, 2));
      disk.see(`queue ${queue}: size and page`, disk.in(0x0c, 2), disk.in(8, 4));
      if (queue === 7) break;
    }
    disk.out(0x0e, 2, 0);
    for (const page of [0x200, 0x300, 0xf_ffff]) {
      disk.out(8, 4, page);
      disk.see(`page ${page.toString(16)}`, disk.in(8, 4));
    }
    disk.out(8, 4, 0);
    disk.see("page 0: page, status", disk.in(8, 4), disk.in(0x12, 1));
  }),
  ...each("vectors", (disk) => {
    disk.messages(true);
    disk.see("vectors after reset", disk.in(0x14, 2), disk.in(0x16, 2));
    disk.see("the configuration moves", disk.in(0x18, 4), disk.in(0x1c, 4));
    for (const vector of [0, 1, 2, 5, 0xfffe, 0xffff]) {
      disk.out(0x14, 2, vector);
      disk.out(0x16, 2, vector);
      disk.see(`vector ${vector}`, disk.in(0x14, 2), disk.in(0x16, 2));
    }
    disk.messages(false);
    disk.see("and moves back", disk.in(0x14, 4));
  }),
  ...each("bus mastering", (disk) => {
    disk.fn.disableBusMaster();
    for (const status of [1, 3, 7]) {
      disk.out(0x12, 1, status);
      disk.see(`command after status ${status}`, disk.fn.configRead(4, 2) & 4);
    }
  }),
  ...each("requests", async (disk) => {
    const { side: { guest, until } } = disk;
    const ring = new MockRing(guest.memory, { size: 256, base: RING });
    disk.fn.enableBusMaster();
    disk.out(0x12, 1, 3);
    disk.out(4, 4, 0x200);
    disk.out(0x0e, 2, 0);
    disk.out(8, 4, RING >> 12);
    const request = async (type: number, sector: number, length: number, writable: boolean) => {
      guest.memory.bytes(HEADER, 16).fill(0);
      guest.write(HEADER, 4, type);
      guest.write(HEADER + 8, 4, sector);
      guest.write(STATUS, 1, 0xff);
      const before = ring.usedIdx;
      ring.chain(0, [
        { addr: BigInt(HEADER), len: 16 },
        ...(length > 0 ? [{ addr: BigInt(DATA), len: length, flags: writable ? 2 : 0 }] : []),
        { addr: BigInt(STATUS), len: 1, flags: 2 },
      ]);
      disk.out(0x10, 2, 0);
      const used = await until(() => ring.usedIdx !== before, 1000);
      return [Number(used), guest.read(STATUS, 1), ...ring.used(before % 256)];
    };
    disk.see("a flush before DRIVER_OK", ...await request(4, 0, 0, true));
    disk.see("interrupt status, read twice", disk.in(0x13, 1), disk.in(0x13, 1));
    disk.out(0x12, 1, 7);
    guest.memory.bytes(DATA, 1024).fill(0xa5);
    disk.see("a write of two sectors", ...await request(1, 3, 1024, false));
    guest.memory.bytes(DATA, 1024).fill(0);
    disk.see(
      "a read of two sectors",
      ...await request(0, 3, 1024, true),
      guest.read(DATA, 4),
      guest.read(DATA + 1020, 4),
    );
    disk.see("interrupt status", disk.in(0x13, 1));
    disk.see("a serial number", ...await request(8, 0, 20, true));
    disk.see("an unknown type", ...await request(99, 0, 512, true));
    disk.see("beyond the end", ...await request(0, 2048, 512, true));
    ring.availFlags = 1;
    disk.in(0x13, 1);
    disk.see("a flush without an interrupt", ...await request(4, 0, 0, true), disk.in(0x13, 1));
    ring.offer(300);
    disk.out(0x10, 2, 0);
    await disk.side.pause(50);
    disk.see("a head beyond the ring: status, interrupt status", disk.in(0x12, 1), disk.in(0x13, 1));
    disk.out(0x12, 1, 0);
    disk.see("after a reset", disk.in(0x12, 1), disk.in(8, 4));
  }),
];

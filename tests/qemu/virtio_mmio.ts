// Scenarios on a virtio block device without PCI: microvm's slots, of both versions.

import type { Scenario, Side } from "@iova/qtest/testing";
import { diskManifest } from "./virtio_registers.ts";

const BASE = 0xfeb0_0000;
const SLOT = 0x200;

/** Registers of slot 0. */
class Slot {
  constructor(readonly side: Side) {}

  read(at: number, width: 1 | 2 | 4 = 4): number {
    return this.side.guest.read(BASE + at, width);
  }

  write(at: number, value: number, width: 1 | 2 | 4 = 4): void {
    this.side.guest.write(BASE + at, width, value);
  }
}

const each = (name: string, run: (slot: Slot, legacy: boolean) => void): Scenario[] =>
  (["modern", "legacy"] as const).flatMap((transport) =>
    (["qemu", "spec"] as const).map((personality) => ({
      name: `virtio-mmio ${name}, ${transport}, personality ${personality}`,
      manifest: () => {
        const { devices, ...machine } = diskManifest({ transport, accessPlatform: false, personality });
        const [{ at: _, ...disk }] = devices!;
        return { ...machine, bus: { use: "virtio-mmio", with: { personality } }, devices: [disk] };
      },
      run: (side: Side) => run(new Slot(side), transport === "legacy"),
    }))
  );

export const VIRTIO_MMIO: Scenario[] = [
  ...each("registers after reset", (slot) => {
    const { side } = slot;
    for (let at = 0; at < 0x100; at += 4) {
      // Shared memory came after QEMU 7.2's interface.
      if (at < 0xac || at > 0xbc) side.see(`register ${at.toString(16)}`, slot.read(at));
    }
    for (const word of [0, 1, 2]) {
      slot.write(0x14, word);
      side.see(`features ${word}`, slot.read(0x10));
    }
    side.see("configuration", Uint8Array.from({ length: 60 }, (_, i) => slot.read(0x100 + i, 1)));
    for (const [at, width] of [[0x100, 4], [0x114, 4], [0x110, 2], [0x138, 4], [0x1fc, 4]] as const) {
      side.see(`configuration ${at.toString(16)} in ${width}`, slot.read(at, width));
    }
    for (const [at, width] of [[0, 1], [0, 2], [2, 2], [4, 1], [1, 1], [0x34, 2]] as const) {
      side.see(`register ${at.toString(16)} in ${width}`, slot.read(at, width));
    }
    for (const at of [0, 4, 8, 0xc, 0x10, 0x34, 0x70]) side.see(`empty slot ${at.toString(16)}`, slot.read(SLOT + at));
  }),
  ...each("status and features", (slot) => {
    const { side } = slot;
    for (const value of [1, 3, 0x0b, 0x83, 0x0f, 0x4f, 0]) {
      slot.write(0x70, value);
      side.see(`status ${value.toString(16)}`, slot.read(0x70));
    }
    for (
      const [what, low, high] of [["nothing", 0, 0], ["VERSION_1", 0, 1], [
        "what was not offered",
        0x8000_0001,
        1,
      ]] as const
    ) {
      slot.write(0x70, 0);
      slot.write(0x70, 3);
      slot.write(0x24, 0);
      slot.write(0x20, low >>> 0);
      slot.write(0x24, 1);
      slot.write(0x20, high);
      slot.write(0x70, 0x0b);
      side.see(`status after ${what}`, slot.read(0x70));
    }
  }),
  ...each("queues", (slot, legacy) => {
    const { side } = slot;
    slot.write(0x70, 0);
    slot.write(0x70, 3);
    for (const queue of [0, 1, 2, 0x400]) {
      slot.write(0x30, queue);
      side.see(`queue ${queue}: most, ready, page`, [
        slot.read(0x34),
        legacy ? 0 : slot.read(0x44),
        legacy ? slot.read(0x40) : 0,
      ]);
    }
    slot.write(0x30, 0);
    for (const size of [3, 512, 2048, 0, 64]) {
      slot.write(0x38, size);
      side.see(`most after size ${size}`, slot.read(0x34));
    }
    if (legacy) {
      slot.write(0x28, 4096);
      slot.write(0x3c, 4096);
      slot.write(0x40, 0x300);
      side.see("page", slot.read(0x40));
      slot.write(0x40, 0);
      side.see("page 0, and what it does to the status", [slot.read(0x40), slot.read(0x70)]);
    } else {
      slot.write(0x80, 0x30_0000);
      slot.write(0x90, 0x30_4000);
      slot.write(0xa0, 0x30_8000);
      slot.write(0x44, 1);
      side.see("ready", slot.read(0x44));
      slot.write(0x44, 0);
      side.see("not ready", slot.read(0x44));
    }
    slot.write(0x70, 0);
    side.see("interrupt status", slot.read(0x60));
  }),
];

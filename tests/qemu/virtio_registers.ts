// Scenarios on the registers of a virtio block device: nothing is driven, everything is read and written as a bus sees it.

import type { Manifest } from "@iova/core";
import type { Scenario, Side } from "@iova/qtest/testing";

const folder = Deno.makeTempDirSync({ prefix: "iova-blk-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** A fresh disk of 1 MiB of zeros: what QEMU's memory has, and ours has not. */
function image(): string {
  const path = Deno.makeTempFileSync({ dir: folder });
  Deno.truncateSync(path, 2 ** 20);
  return path;
}

export function diskManifest(options: Record<string, unknown>, platform: Manifest["platform"] = "direct"): Manifest {
  return {
    memory: "64MiB",
    platform,
    devices: [{
      id: "disk0",
      use: "virtio-blk",
      at: "04.0",
      with: { image: image(), queueSize: 256, ...options },
    }],
  };
}

/** Physical addresses of the regions, and the device. */
export function regions(side: Side) {
  const fn = side.device("disk0");
  const bar = [...fn.bars.values()].find(({ kind, size }) => kind === "memory" && size === 0x4000)!;
  return {
    fn,
    common: bar.address,
    isr: bar.address + 0x1000,
    config: bar.address + 0x2000,
    notify: bar.address + 0x3000,
  };
}

const both = (name: string, options: Record<string, unknown>, run: Scenario["run"]): Scenario[] =>
  (["qemu", "spec"] as const).map((personality) => ({
    name: `${name}, personality ${personality}`,
    manifest: () => diskManifest({ ...options, personality }),
    run,
  }));

export const VIRTIO_REGISTERS: Scenario[] = [
  ...both("virtio-blk configuration space", {}, (side) => {
    const { fn } = regions(side);
    for (const at of [0x00, 0x08, 0x2c, 0x34, 0x3d]) {
      side.see(`config ${at.toString(16)}`, fn.configRead(at, at === 0x3d || at === 0x34 ? 1 : 4));
    }
    for (let at = fn.configRead(0x34, 1), i = 0; at !== 0 && i < 16; at = fn.configRead(at + 1, 1), i++) {
      const id = fn.configRead(at, 1);
      side.see(`capability ${i}`, [
        at,
        id,
        id === 9 ? fn.configBytes(at + 2, fn.configRead(at + 2, 1) === 20 ? 18 : 14) : fn.configBytes(at + 2, 10),
      ]);
    }
    side.see(
      "BARs",
      [...fn.bars.values()].map((
        { index, kind, size, width, prefetchable },
      ) => [index, kind, size, width, prefetchable]),
    );
  }),
  ...both("virtio-blk registers after reset", {}, (side) => {
    const { common, isr, config } = regions(side);
    const { guest } = side;
    for (const word of [0, 1, 2, 3, 0xffff_ffff]) {
      guest.write(common, 4, word);
      side.see(`device_feature word ${word}`, guest.read(common + 4, 4));
      side.see(`device_feature_select reads ${word}`, guest.read(common, 4));
    }
    for (
      const [name, at, width] of [
        ["driver_feature_select", 8, 4],
        ["driver_feature", 12, 4],
        ["config_msix_vector", 16, 2],
        ["num_queues", 18, 2],
        ["device_status", 20, 1],
        ["config_generation", 21, 1],
        ["queue_select", 22, 2],
        ["queue_size", 24, 2],
        ["queue_msix_vector", 26, 2],
        ["queue_enable", 28, 2],
        ["queue_notify_off", 30, 2],
        ["queue_desc_lo", 32, 4],
        ["queue_desc_hi", 36, 4],
        ["queue_device_hi", 52, 4],
      ] as const
    ) {
      side.see(name, guest.read(common + at, width));
    }
    for (const queue of [1, 2, 0x400, 0xffff]) {
      guest.write(common + 22, 2, queue);
      side.see(`queue ${queue}`, [24, 28, 30].map((at) => guest.read(common + at, 2)));
    }
    guest.write(common + 22, 2, 0);
    side.see("isr", guest.read(isr, 1));
    side.see("configuration bytes", Uint8Array.from({ length: 60 }, (_, i) => guest.read(config + i, 1)));
    for (
      const [at, width] of [[0, 4], [4, 4], [12, 4], [16, 2], [20, 4], [56, 4], [56, 2], [57, 1], [60, 4], [
        0x100,
        4,
      ]] as const
    ) {
      side.see(`configuration ${at} in ${width}`, guest.read(config + at, width));
    }
  }),
  ...both("virtio-blk accesses of another width", {}, (side) => {
    const { common, isr } = regions(side);
    const { guest } = side;
    for (
      const [at, width] of [
        [0, 1],
        [1, 1],
        [2, 2],
        [4, 2],
        [6, 2],
        [16, 4],
        [18, 1],
        [19, 1],
        [20, 2],
        [20, 4],
        [22, 1],
        [24, 4],
        [24, 1],
        [25, 1],
        [30, 4],
        [32, 2],
        [33, 1],
        [56, 4],
        [64, 4],
        [0x200, 4],
      ] as const
    ) {
      side.see(`read ${at} in ${width}`, guest.read(common + at, width));
    }
    guest.write(common + 8, 2, 0x1234);
    side.see("driver_feature_select after 2 bytes", guest.read(common + 8, 4));
    guest.write(common + 8, 4, 0);
    guest.write(common + 22, 1, 1);
    side.see("queue_select after 1 byte", guest.read(common + 22, 2));
    guest.write(common + 22, 2, 0);
    guest.write(common + 24, 4, 0x0001_0008);
    side.see("queue_size and vector after 4 bytes", [guest.read(common + 24, 2), guest.read(common + 26, 2)]);
    side.see("isr in 4", guest.read(isr, 4));
    side.see("isr at 1", guest.read(isr + 1, 1));
  }),
  ...both("virtio-blk status", {}, (side) => {
    const { common } = regions(side);
    const { guest } = side;
    const status = () => guest.read(common + 20, 1);
    const write = (value: number) => guest.write(common + 20, 1, value);
    const accept = (low: number, high: number) => {
      guest.write(common + 8, 4, 0);
      guest.write(common + 12, 4, low);
      guest.write(common + 8, 4, 1);
      guest.write(common + 12, 4, high);
    };
    for (
      const [what, low, high] of [
        ["nothing", 0, 0],
        ["VERSION_1 alone", 0, 1],
        ["both", 0, 3],
        ["ACCESS_PLATFORM alone", 0, 2],
        ["what was not offered", 0x8000_0001, 3],
        ["unknown high bits", 0, 0x8000_0003],
      ] as const
    ) {
      write(0);
      side.see(`after reset, before ${what}`, status());
      write(1);
      write(3);
      accept(low >>> 0, high >>> 0);
      write(0x0b);
      side.see(`status when the driver accepts ${what}`, status());
      guest.write(common + 8, 4, 0);
      side.see(`driver features after ${what}`, [
        guest.read(common + 12, 4),
        (guest.write(common + 8, 4, 1), guest.read(common + 12, 4)),
      ]);
    }
    write(0);
    for (const value of [0x01, 0x03, 0x83, 0x80, 0x0f, 0x4f, 0x10, 0x20]) {
      write(value);
      side.see(`status ${value.toString(16)} reads`, status());
    }
    write(0);
    write(4);
    side.see("DRIVER_OK alone", status());
    write(0);
    side.see("after reset", status());
  }),
  ...both("virtio-blk queue registers", {}, (side) => {
    const { common } = regions(side);
    const { guest } = side;
    const at = (offset: number) => common + offset;
    guest.write(at(20), 1, 1);
    guest.write(at(20), 1, 3);
    for (const size of [3, 512, 1024, 2048, 4096, 0xffff, 0, 1, 128, 256]) {
      guest.write(at(24), 2, size);
      side.see(`queue_size ${size}`, guest.read(at(24), 2));
    }
    for (const vector of [0, 1, 2, 5, 0xfffe, 0xffff]) {
      guest.write(at(26), 2, vector);
      side.see(`queue_msix_vector ${vector}`, guest.read(at(26), 2));
      guest.write(at(16), 2, vector);
      side.see(`config_msix_vector ${vector}`, guest.read(at(16), 2));
    }
    for (const [name, offset] of [["desc", 32], ["driver", 40], ["device", 48]] as const) {
      guest.write(at(offset), 4, 0x1234_5678);
      guest.write(at(offset + 4), 4, 0x9abc_def0);
      side.see(`queue_${name}`, [guest.read(at(offset), 4), guest.read(at(offset + 4), 4)]);
      guest.write(at(offset + 4), 4, 0);
    }
    for (const value of [0, 1, 0, 2]) {
      guest.write(at(28), 2, value);
      side.see(
        `queue_enable ${value} after what was before`.replace("after what was before", `(${++writes})`),
        guest.read(at(28), 2),
      );
    }
    guest.write(at(22), 2, 9);
    guest.write(at(24), 2, 8);
    guest.write(at(28), 2, 1);
    side.see("an absent queue stays absent", [guest.read(at(24), 2), guest.read(at(28), 2)]);
    guest.write(at(22), 2, 0);
    guest.write(at(20), 1, 0);
    side.see(
      "queue after reset",
      [24, 26, 28, 30].map((offset) => guest.read(at(offset), 2)).concat([guest.read(at(32), 4)]),
    );
    writes = 0;
  }),
];
let writes = 0;

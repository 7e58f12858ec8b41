// Scenarios on the PIIX3's IDE controller: its ports, tables of regions and what comes of them. Names of cases are those of
// `plugins/devices/ide/conformance_test.ts`.

import type { Width } from "@iova/core";
import { fromHex } from "@iova/fields/testing";
import type { Scenario, Side } from "@iova/qtest/testing";

const SECTORS = 4096;
const BAR = 0xc000;
/** Milliseconds for what happens at once, and for a transfer. */
const DONE_MS = 8;
const ENDED_MS = 500;
/** An address where neither machine has memory. */
const NOWHERE = "00000080";

const folder = Deno.makeTempDirSync({ prefix: "iova-ide-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

/** A fresh disk: sector n begins with n, and byte i of it is 7n + i. */
function image(): string {
  const path = Deno.makeTempFileSync({ dir: folder });
  const bytes = new Uint8Array(SECTORS * 512);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < SECTORS; n++) {
    for (let i = 4; i < 512; i++) bytes[512 * n + i] = 7 * n + i;
    view.setUint32(512 * n, n, true);
  }
  Deno.writeFileSync(path, bytes);
  return path;
}

/** The primary channel, driven by its ports. */
class Channel {
  readonly #guest;

  constructor(readonly side: Side) {
    this.#guest = side.guest;
    const fn = side.device("disk0");
    fn.configWrite(0x20, 4, BAR);
    for (const at of [0x40, 0x42]) fn.configWrite(at, 2, 0x8000);
    fn.configWrite(0x04, 2, 5);
  }

  get fn() {
    return this.side.device("disk0");
  }

  o(port: number, ...values: number[]): void {
    for (const value of values) this.#guest.ioWrite(port, 1, value);
  }

  ol(port: number, value: number): void {
    this.#guest.ioWrite(port, 4, value);
  }

  i(port: number, width: Width = 1): number {
    return this.#guest.ioRead(port, width);
  }

  put(address: number, text: string): void {
    const bytes = fromHex(text);
    this.side.guest.memory.bytes(address, bytes.length).set(bytes);
  }

  get(address: number, length: number): Uint8Array {
    return this.side.guest.memory.bytes(address, length).slice();
  }

  /** Clears what the cases move to, and brings the channel to rest. */
  async fresh(): Promise<void> {
    this.o(BAR, 0);
    // A drive that waits for more than a table described comes back by a software reset only.
    this.o(0x3f6, 4);
    await this.side.pause(1);
    this.o(0x3f6, 0);
    await this.side.pause(2);
    this.o(BAR + 2, 6);
    this.i(0x1f7);
    this.side.guest.memory.bytes(0x2_0000, 0x2_0000).fill(0xcc);
    this.side.guest.memory.bytes(0, 512).fill(0xcc);
  }

  lba28(lba: number, count: number): void {
    this.o(0x1f2, count);
    this.o(0x1f3, lba & 0xff);
    this.o(0x1f4, lba >>> 8 & 0xff);
    this.o(0x1f5, lba >>> 16 & 0xff);
    this.o(0x1f6, 0xe0 | lba >>> 24);
  }

  /** Waits until a transfer has interrupted, or the drive wants nothing more; not for ever, as some never end. */
  async ended(): Promise<void> {
    await this.side.until(() => (this.i(BAR + 2) & 4) !== 0 || (this.i(0x3f6) & 0x88) === 0, ENDED_MS);
  }

  /** Waits until the drive is not busy: QEMU reads files while the CPU goes on. */
  async ready(): Promise<void> {
    await this.side.until(() => (this.i(0x3f6) & 0x80) === 0);
  }

  /** Words of the data register, and what they sum to. */
  pio(words: number): Uint8Array {
    const bytes = new Uint8Array(2 * words);
    const view = new DataView(bytes.buffer);
    for (let n = 0; n < words; n++) view.setUint16(2 * n, this.i(0x1f0, 2), true);
    return bytes;
  }

  /** Alternate status, error, task file, bus master, interrupt line: each in its own words. */
  see(label: string): void {
    const { side } = this;
    side.see(`${label}: status`, this.i(0x3f6));
    side.see(`${label}: error`, this.i(0x1f1));
    side.see(`${label}: task file`, [2, 3, 4, 5, 6].map((register) => this.i(0x1f0 + register)));
    side.see(`${label}: bus master`, [this.i(BAR), this.i(BAR + 2)]);
    side.see(`${label}: interrupt`, side.machine.interrupts.isAsserted(14));
  }

  /** A DMA command over a table; how it ended, and memory afterwards. */
  async dma(
    label: string,
    table: string,
    [lba, count]: readonly [number, number],
    {
      command = 0xc8,
      pointer = 0x1_0000,
      wrong = false,
      look = [[0x2_0000, 8]] as readonly (readonly [number, number])[],
    } = {},
  ): Promise<void> {
    if (table !== "") this.put(0x1_0000, table);
    this.ol(BAR + 4, pointer);
    this.lba28(lba, count);
    const toMemory = (command === 0xc8) !== wrong ? 8 : 0;
    this.o(BAR, toMemory);
    this.o(0x1f7, command);
    this.o(BAR, toMemory | 1);
    await this.ended();
    this.see(label);
    look.forEach(([at, length], i) => this.side.see(`${label}: memory ${i}`, this.get(at, length)));
  }
}

function both(name: string, run: (channel: Channel) => Promise<void> | void): Scenario[] {
  return (["qemu", "spec"] as const).map((personality) => ({
    name: `IDE ${name}, personality ${personality}`,
    manifest: (side) => ({
      memory: "64MiB",
      platform: "direct",
      ...(side === "ours" && { profile: "pc" }),
      devices: [{
        id: "disk0",
        use: "ide",
        with: {
          primaryMaster: { image: image(), serial: "SN0123456789", firmware: "1.0", model: "QEMU HARDDISK" },
          personality,
        },
      }],
    }),
    async run(side) {
      const channel = new Channel(side);
      await channel.fresh();
      await run(channel);
    },
  }));
}

export const IDE: Scenario[] = [
  ...both("registers", (c) => {
    const { side, fn } = c;
    for (const at of [0x00, 0x08, 0x10, 0x20, 0x2c]) side.see(`config ${at.toString(16)}`, fn.configRead(at, 4));
    side.see("interrupt pin and line", fn.configRead(0x3c, 2));
    side.see("PCI status", fn.configRead(6, 2));
    c.see("power on");
    side.see("pointer", c.i(BAR + 4, 4));
    side.see("secondary bus master", [0, 1, 2, 3].map((at) => c.i(BAR + 8 + at)));
    side.see("secondary task file", [1, 2, 3, 4, 5, 6, 7].map((at) => c.i(0x170 + at)));
    c.ol(BAR + 4, 0x1_0003);
    side.see("pointer 10003", c.i(BAR + 4, 4));
    for (const value of [0x60, 0xff, 0x00]) {
      c.o(BAR + 2, value);
      side.see(`bus-master status ${value.toString(16)}`, c.i(BAR + 2));
    }
    c.o(BAR, 0xff);
    side.see("bus-master command ff", [c.i(BAR), c.i(BAR + 2)]);
    c.o(BAR, 0);
    side.see("bus master in other widths", [c.i(BAR, 2), c.i(BAR, 4), c.i(BAR + 2, 2)]);
    for (const value of [0x00, 0xa0, 0xff]) {
      c.o(0x1f6, value);
      side.see(`device ${value.toString(16)}`, [c.i(0x1f6), c.i(0x1f7), c.i(0x1f1)]);
    }
    c.o(0x1f6, 0xa0);
    c.o(0x1f2, 0x11, 0x22);
    c.o(0x1f3, 0x33, 0x44);
    side.see("current", [c.i(0x1f2), c.i(0x1f3)]);
    c.o(0x3f6, 0x80);
    side.see("previous", [c.i(0x1f2), c.i(0x1f3)]);
    c.o(0x1f4, 1);
    side.see("after a write", [c.i(0x1f2), c.i(0x1f3)]);
  }),
  ...both("identification and features", async (c) => {
    const { side } = c;
    const identify = (label: string) => {
      c.o(0x1f6, 0xa0);
      c.o(0x1f7, 0xec);
      c.see(label);
      const bytes = c.pio(256);
      const view = new DataView(bytes.buffer);
      side.see(`${label}: status behind the data`, [c.i(0x3f6), c.i(0x1f7)]);
      return view;
    };
    const words = identify("IDENTIFY");
    for (let n = 0; n < 256; n++) {
      if (words.getUint16(2 * n, true) !== 0) side.see(`word ${n}`, words.getUint16(2 * n, true));
    }
    const set = async (feature: number, count: number) => {
      c.o(0x1f1, feature);
      c.o(0x1f2, count);
      c.o(0x1f7, 0xef);
      await c.ready();
      await side.pause(1);
      side.see(`SET FEATURES ${feature.toString(16)} ${count.toString(16)}`, [c.i(0x3f6), c.i(0x1f1), c.i(0x1f7)]);
    };
    for (
      const [feature, count] of [
        [3, 0x45],
        [3, 0x22],
        [3, 0x12],
        [3, 0x08],
        [3, 0xff],
        [0x77, 0],
        [3, 0x18],
        [3, 0x30],
        [3, 0x27],
        [3, 0x47],
        [2, 0],
        [0x82, 0],
        [0xaa, 0],
        [0x55, 0],
      ]
    ) {
      await set(feature, count);
      const after = identify(`after ${feature.toString(16)} ${count.toString(16)}`);
      side.see(
        `modes after ${feature.toString(16)} ${count.toString(16)}`,
        [62, 63, 85, 88].map((n) => after.getUint16(2 * n, true)),
      );
    }
  }),
  ...both("programmed transfers", async (c) => {
    const { side } = c;
    const read = async (label: string, lba: number, count: number, command: number, blocks: number, words: number) => {
      c.lba28(lba, count);
      c.o(0x1f7, command);
      await c.ready();
      for (let i = 0; i < blocks; i++) {
        c.see(`${label}, block ${i}`);
        side.see(`${label}, data ${i}`, c.pio(words).subarray(0, 6));
        await c.ready();
        side.see(`${label}, status ${i}`, c.i(0x1f7));
      }
      c.see(`${label}, end`);
      c.i(0x1f7);
    };
    await read("read 2 sectors", 5, 2, 0x20, 2, 256);
    await read("read across the end", 4095, 2, 0x20, 1, 256);
    await read("read beyond the end", 0xfff_ffff, 1, 0x20, 0, 256);
    c.lba28(90, 2);
    c.o(0x1f7, 0x30);
    c.see("write");
    c.o(0x1f3, 0x99);
    side.see("a register written meanwhile", c.i(0x1f3));
    for (let n = 0; n < 256; n++) side.guest.ioWrite(0x1f0, 2, 0x1234);
    await c.ready();
    c.see("write, first block");
    for (let n = 0; n < 256; n++) side.guest.ioWrite(0x1f0, 2, 0x5678);
    await c.ready();
    c.see("write, second block");
    c.i(0x1f7);
    await read("read it back", 91, 1, 0x20, 1, 256);
    for (const count of [8, 3, 32, 0]) {
      c.o(0x1f2, count);
      c.o(0x1f7, 0xc6);
      c.see(`SET MULTIPLE ${count}`);
      c.i(0x1f7);
      if (count === 8) await read("READ MULTIPLE", 5, 10, 0xc4, 1, 2048);
      if (count === 8) side.see("the rest", [c.pio(512).subarray(0, 4), c.i(0x1f7)]);
      if (count === 0) await read("READ MULTIPLE after 0", 5, 10, 0xc4, 0, 0);
    }
    for (
      const command of [
        0x00,
        0x10,
        0x70,
        0x40,
        0xe7,
        0xea,
        0xe5,
        0xf8,
        0x91,
        0xa1,
        0xa0,
        0x08,
        0xe0,
        0xe1,
        0xe2,
        0xe3,
        0xe6,
        0x94,
        0x95,
        0x96,
        0x97,
        0x98,
        0x99,
        0x27,
        0x41,
        0x42,
        0xb0,
        0xff,
      ]
    ) {
      c.lba28(0, 1);
      c.o(0x1f7, command);
      await c.ready();
      await side.pause(1);
      c.see(`command ${command.toString(16)}`);
      c.i(0x1f7);
    }
  }),
  ...both("PRD outcomes", async (c) => {
    const big: readonly (readonly [number, number])[] = [[0x2_0000, 8], [0x2_01fc, 8], [0x3_0000, 8]];
    const cases: [
      label: string,
      table: string,
      at: readonly [number, number],
      options?: Parameters<Channel["dma"]>[3],
    ][] = [
      ["equal", "00000200 00020080", [5, 1]],
      ["scattered", "00000200 00020000 00000300 00020000 00020300 00040080", [100, 4], { look: big }],
      ["two bytes at the end", "00000200 fe010000 00000300 02000080", [5, 1], { look: big }],
      ["64 KiB by a count of 0", "00000200 00000080", [0, 128], { look: [[0x2_0000, 8], [0x2_fffc, 8]] }],
      ["longer", "00000200 00040080", [7, 1], { look: [[0x2_0000, 8], [0x2_0200, 8]] }],
      ["shorter", "00000200 00020080", [9, 2]],
      ["shorter and beyond the end", "00000200 00020080", [4096, 2]],
      ["beyond the end", "00000200 00020080", [4096, 1]],
      ["across the end", "00000200 00040080", [4095, 2]],
      ["an odd address", "01000200 00020080", [5, 1], { look: [[0x2_0000, 8]] }],
      ["an odd count", "00000200 01020080", [5, 1]],
      ["a count of 1", "00000200 01000080", [5, 1]],
      ["reserved bits", "00000200 0002ffff", [5, 1]],
      ["a region across 64 KiB", "00fe0200 00040080", [5, 2], { look: [[0x2_fe00, 8], [0x3_0000, 8]] }],
      ["a table across 64 KiB", "", [5, 2], { pointer: 0x3_fff8, look: [[0x2_0000, 8], [0x2_0200, 8]] }],
      ["no end mark", "00000200 00020000" + " 00000300 00020000".repeat(3), [5, 1], { look: big }],
      ["nowhere, to memory", `${NOWHERE} 00020080`, [5, 1]],
      ["nowhere, from memory", `${NOWHERE} 00020080`, [60, 1], { command: 0xca }],
      ["good, bad, good", `00000200 00020000 ${NOWHERE} 00020000 00000300 00020080`, [20, 3], { look: big }],
      ["the table nowhere", "", [5, 1], { pointer: 0x8000_0000, look: [[0, 8]] }],
      ["the wrong direction", "00000200 00020080", [5, 1], { wrong: true }],
    ];
    for (const [label, table, at, options = {}] of cases) {
      await c.fresh();
      c.put(0x3_fff8, "00000200 00020000");
      c.put(0x4_0000, "00020200 00020080");
      await c.dma(label, table, at, options);
      if (label === "nowhere, from memory") {
        await c.fresh();
        await c.dma("what is on the disk then", "00000200 00020080", [60, 1]);
      }
    }
    await c.fresh();
    c.fn.configWrite(0x04, 2, 1);
    await c.dma("without bus mastering", "00000200 00020080", [5, 1]);
    c.fn.configWrite(0x04, 2, 5);
  }),
  ...both("engine", async (c) => {
    await c.dma("first", "00000200 00020080", [5, 1]);
    c.o(BAR + 2, 6);
    c.i(0x1f7);
    c.lba28(6, 1);
    c.o(0x1f7, 0xc8);
    await c.side.pause(DONE_MS);
    c.see("a second command without stopping");
    c.o(BAR, 9);
    await c.side.pause(DONE_MS);
    c.see("started again without stopping");
    c.o(BAR, 8);
    c.o(BAR, 9);
    await c.ended();
    c.see("stopped and started");
    c.side.see("its data", c.get(0x2_0000, 4));
    await c.fresh();
    c.o(0x3f6, 2);
    await c.dma("with nIEN", "00000200 00020080", [5, 1]);
    c.o(0x3f6, 0);
    await c.side.pause(1);
    c.see("nIEN off again");
    await c.fresh();
    // The engine waits for the command.
    c.put(0x1_0000, "00000200 00020080");
    c.ol(BAR + 4, 0x1_0000);
    c.o(BAR, 8);
    c.o(BAR, 9);
    await c.side.pause(DONE_MS);
    c.see("started before the command");
    c.lba28(8, 1);
    c.o(0x1f7, 0xc8);
    await c.ended();
    c.see("then the command");
    c.side.see("then its data", c.get(0x2_0000, 4));
  }),
  ...both("software reset", async (c) => {
    c.lba28(5, 1);
    c.o(0x3f6, 4);
    await c.side.pause(2);
    c.side.see("status while SRST is set", c.i(0x3f6));
    c.o(0x3f6, 0);
    await c.side.pause(DONE_MS);
    c.see("after SRST");
    await c.fresh();
    c.o(0x1f7, 0x90);
    await c.side.pause(2);
    c.see("EXECUTE DEVICE DIAGNOSTIC");
    await c.fresh();
    c.o(0x1f6, 0xb0);
    c.side.see("an absent device", [c.i(0x1f7), c.i(0x1f1), c.i(0x3f6)]);
    c.o(0x1f7, 0xec);
    c.see("a command to an absent device");
    c.o(0x1f6, 0xa0);
  }),
];

// Scenarios on the registers of edu and on its DMA engine.

import type { Manifest, PhysAddr } from "@iova/core";
import type { Scenario, Side } from "@iova/qtest/testing";

const manifest = (dmaMask: string): Manifest => ({
  memory: "16MiB",
  platform: "direct",
  devices: [{ id: "probe", use: "edu", at: "04.0", with: { dmaMask, dmaDelay: "1us" } }],
});

/** The device's registers. */
function edu(side: Side) {
  const fn = side.device("probe");
  fn.enableBusMaster();
  const base: PhysAddr = fn.bar(0).address;
  const { guest } = side;
  const read = (at: number, width: 1 | 2 | 4 = 4) => guest.read(base + at, width);
  const write = (at: number, value: number, width: 1 | 2 | 4 = 4) => guest.write(base + at, width, value);
  return {
    fn,
    read,
    write,
    async transfer(source: number, destination: number, count: number, command: number): Promise<void> {
      write(0x80, source);
      write(0x88, destination);
      write(0x90, count);
      write(0x98, command);
      await side.until(() => (read(0x98) & 1) === 0);
    },
  };
}

export const EDU: Scenario[] = [
  {
    name: "edu configuration space and registers",
    manifest: manifest("0xfffffff"),
    async run(side) {
      const { fn, read, write } = edu(side);
      for (const at of [0x00, 0x08, 0x2c]) side.see(`config ${at.toString(16)}`, fn.configRead(at, 4));
      side.see("interrupt pin", fn.configRead(0x3d, 1));
      side.see("BARs", [...fn.bars.values()].map(({ index, kind, size, width }) => [index, kind, size, width]));
      for (const at of [0x00, 0x04, 0x08, 0x20, 0x24, 0x60, 0x64, 0x80, 0x88, 0x90, 0x98]) {
        side.see(`register ${at.toString(16)}`, read(at));
      }
      for (const at of [0x0c, 0x28, 0x68, 0xa0, 0x1000]) side.see(`no register ${at.toString(16)}`, read(at));
      write(4, 0x1234_5678);
      side.see("liveness", read(4));
      for (const value of [0, 1, 5, 12, 13, 33, 34]) {
        write(8, value);
        await side.until(() => (read(0x20) & 1) === 0);
        side.see(`factorial of ${value}`, read(8));
      }
      write(0x20, 0xffff_ffff);
      side.see("status after ones", read(0x20));
      write(8, 3);
      await side.until(() => (read(0x20) & 1) === 0);
      side.see("interrupt status after a factorial", read(0x24));
      write(0x60, 0x8000_0002);
      side.see("interrupt status after a raise", read(0x24));
      write(0x64, 0x8000_0001);
      side.see("interrupt status after an acknowledge", read(0x24));
      write(0x64, 0xffff_ffff);
      side.see("interrupt status after all", read(0x24));
      write(0x80, 0xdead_beef);
      side.see("DMA source in two halves", [read(0x80), read(0x84)]);
      side.see("one byte of liveness", read(4, 1));
      side.see("two bytes of the DMA source", read(0x80, 2));
    },
  },
  {
    name: "edu messages",
    manifest: manifest("0xfffffff"),
    async run(side) {
      const { fn, read, write } = edu(side);
      const capability = fn.findCapability(0x05);
      side.see("MSI capability", [capability, ...fn.configBytes(capability, 14)]);
      for (let at = 2; at < 14; at += 2) fn.configWrite(capability + at, 2, 0xffff & ~Number(at === 2));
      side.see("what of it can be written", [...fn.configBytes(capability, 14)]);
      // A message is a write, and memory is as good a place for it as any.
      const place = 0x22_0000;
      const arrived = () => {
        const word = side.guest.memory.bytes(place, 4);
        const seen = word.slice();
        word.fill(0xee);
        return seen;
      };
      arrived();
      fn.configWrite(capability + 4, 4, place);
      fn.configWrite(capability + 8, 4, 0);
      fn.configWrite(capability + 12, 2, 0x1234);
      write(0x60, 0x1);
      side.see("raised while MSI is off", arrived());
      write(0x64, 0x1);
      fn.configWrite(capability + 2, 2, 1);
      write(0x60, 0x6);
      side.see("raised", arrived());
      write(0x60, 0x6);
      side.see("raised again", arrived());
      write(0x64, 0x2);
      side.see("acknowledged in part", [arrived(), read(0x24)]);
      write(0x60, 0);
      side.see("nothing raised while something is", arrived());
      write(0x64, 0x4);
      write(0x60, 0);
      side.see("nothing raised while nothing is", arrived());
      write(0x20, 0x80);
      write(8, 5);
      await side.until(() => (read(0x20) & 1) === 0);
      side.see("a factorial's end", [arrived(), read(0x24)]);
      fn.disableBusMaster();
      write(0x60, 0x8);
      side.see("raised without bus mastering", arrived());
    },
  },
  {
    name: "edu transfers",
    manifest: manifest("0xffffffffffffffff"),
    async run(side) {
      const { read, write, transfer } = edu(side);
      const { memory } = side.guest;
      memory.bytes(0x20_0000, 4096).forEach((_, i, bytes) => bytes[i] = 3 * i);
      memory.bytes(0x21_0000, 4096).fill(0xee);
      await transfer(0x20_0000, 0x4_0000, 64, 1);
      side.see("command after a transfer", read(0x98));
      await transfer(0x4_0000, 0x21_0003, 64, 3);
      side.see("64 bytes there and back", memory.bytes(0x21_0000, 70).slice());
      // Not the last byte of the buffer, and not nothing at all: QEMU 7.2 ends when it is asked for either.
      await transfer(0x20_0010, 0x4_0fe8, 16, 1);
      await transfer(0x4_0fe8, 0x21_0100, 16, 3);
      side.see("near the end of the buffer", memory.bytes(0x21_0100, 16).slice());
      await transfer(0x20_0000, 0x4_0000, 16, 5);
      side.see("interrupt status after a transfer with interrupt", read(0x24));
      write(0x64, 0x100);
      await transfer(0x7000_0000, 0x4_0000, 8, 1);
      await transfer(0x4_0000, 0x21_0200, 8, 3);
      side.see("a read where there is no memory", memory.bytes(0x21_0200, 8).slice());
      await transfer(0x4_0000, 0x7000_0000, 8, 3);
      side.see("command after a write where there is no memory", read(0x98));
      write(0x98, 0);
      write(0x80, 0x1111);
      side.see("source after a command of 0", read(0x80));
    },
  },
  {
    name: "edu transfers beyond its mask",
    manifest: manifest("0xffffff"),
    async run(side) {
      const { transfer } = edu(side);
      const { memory } = side.guest;
      memory.bytes(0x20_0000, 16).fill(0x5a);
      memory.bytes(0x21_0000, 16).fill(0xee);
      await transfer(0x8020_0000, 0x4_0000, 8, 1);
      await transfer(0x4_0000, 0x4121_0000, 8, 3);
      side.see("addresses are cut", memory.bytes(0x21_0000, 10).slice());
    },
  },
];

import { assertEquals } from "@std/assert";
import { AddressSpace, Interrupts, IoSpace, RamRegion, Scheduler } from "@iova/core";
import { ConfigSpace } from "@iova/pci";
import { FwCfg, IoApic, PicPair, PirqRouter, Pit, PlainPorts, Rtc, SlotEjector } from "./hardware.ts";
import { pcMemoryMap } from "./memory.ts";
import { fwCfgFile, fwCfgItem, portBytes } from "./testing.ts";

const SECOND = 1e9;

function world() {
  const scheduler = new Scheduler();
  return { scheduler, io: new IoSpace(), interrupts: new Interrupts(scheduler), space: new AddressSpace() };
}

Deno.test("memory lies in one piece, or ends where the chipset splits it and goes on at 4 GiB", () => {
  const ram = (memory: number) =>
    pcMemoryMap(memory, { from: 0xe000_0000, at: 0xc000_0000 }).ram.map(({ base, size }) => [base, size]);
  assertEquals(ram(0xdfff_f000), [[0, 0xdfff_f000]]);
  assertEquals(ram(0xe000_0000), [[0, 0xc000_0000], [2 ** 32, 0x2000_0000]]);
});

Deno.test("a PCI interrupt follows its route register, also when that changes while it is asserted", () => {
  const { interrupts } = world();
  const config = new ConfigSpace();
  config.bytes.set([0x80, 0x0b, 0x0b, 0x80], 0x60);
  const router = new PirqRouter(interrupts, config, [0x60, 0x61, 0x62, 0x63]);
  const lines = () => [10, 11].map((line) => interrupts.isAsserted(line));
  router.drive(0, true);
  assertEquals(lines(), [false, false]); // disabled
  config.bytes[0x60] = 10;
  router.reroute();
  assertEquals(lines(), [true, false]);
  config.bytes[0x60] = 11;
  router.reroute();
  assertEquals(lines(), [false, true]);
  router.drive(1, true);
  router.drive(0, false);
  assertEquals(lines(), [false, true]); // another input holds the line
  router.drive(1, false);
  assertEquals(lines(), [false, false]);
});

Deno.test("the interrupt controllers take their four words, then keep the mask; edges latch and a poll takes them", () => {
  const { io, interrupts } = world();
  new PicPair(io, interrupts);
  for (const [port, value] of [[0x20, 0x11], [0x21, 0x08], [0x21, 0x04], [0x21, 0x01], [0x21, 0xf7]]) {
    io.write(port, 1, value);
  }
  assertEquals(io.read(0x21, 1), 0xf7);
  interrupts.drive(3, true);
  interrupts.drive(14, true);
  assertEquals([io.read(0x20, 1), io.read(0xa0, 1)], [0x08, 0x40]);
  io.write(0x20, 1, 0x0c);
  assertEquals([io.read(0x20, 1), io.read(0x20, 1)], [0x83, 0]); // line 3; an edge is taken once
  io.write(0x20, 1, 0x0b);
  assertEquals(io.read(0x20, 1), 0x08); // in service
  io.write(0x20, 1, 0x20);
  assertEquals(io.read(0x20, 1), 0);
  io.write(0x4d0, 1, 0xff);
  io.write(0x4d1, 1, 0xff);
  assertEquals([io.read(0x4d0, 1), io.read(0x4d1, 1)], [0xf8, 0xde]);
});

Deno.test("the I/O APIC has 24 entries, masked at power-on, whose told bits software cannot write", () => {
  const apic = new IoApic();
  const read = (index: number) => (apic.write(0, 4, index), apic.read(0x10, 4));
  assertEquals([read(1), read(0x10), read(0x3f), read(0x40)], [0x00170020, 0x10000, 0, 0]);
  apic.write(0, 4, 0x10);
  apic.write(0x10, 4, 0xffffffff);
  assertEquals(read(0x10), 0x1afff);
  apic.write(0, 4, 0);
  apic.write(0x10, 4, 0xffffffff);
  assertEquals([read(0), apic.read(0x20, 4), apic.read(0x10, 2)], [0x0f000000, 0, 0]);
});

Deno.test("a timer's counter runs at 1.193182 MHz of virtual time; a latched count stands still", () => {
  const { io, scheduler } = world();
  io.add(0x40, 4, new Pit(() => scheduler.now));
  io.write(0x43, 1, 0xb4); // counter 2, low then high byte, mode 2
  io.write(0x42, 1, 0xe8);
  io.write(0x42, 1, 0x03); // 1000
  scheduler.advance(SECOND / 1_193_182 * 10.5);
  io.write(0x43, 1, 0x80); // latch it
  scheduler.advance(SECOND);
  assertEquals(portBytes(io, 0x42, 2), [990 & 0xff, 990 >> 8]);
  io.write(0x43, 1, 0xe8); // read back the status of counter 2
  assertEquals(io.read(0x42, 1) & 0x7f, 0x34);
});

Deno.test("the clock tells the time in BCD and in binary, in 24 hours and in 12, and keeps what it is set to", () => {
  const { io, scheduler, interrupts } = world();
  const start = Date.UTC(2012, 5, 27, 19, 42, 5);
  const rtc = new Rtc({ scheduler, interrupt: (asserted) => interrupts.drive(8, asserted), start });
  io.add(0x70, 2, rtc);
  const cmos = (index: number) => (io.write(0x70, 1, index), io.read(0x71, 1));
  const set = (index: number, value: number) => (io.write(0x70, 1, index), io.write(0x71, 1, value));
  const time = () => [0x32, 9, 8, 7, 4, 2, 0].map(cmos);
  assertEquals([time(), cmos(6)], [[0x20, 0x12, 0x06, 0x27, 0x19, 0x42, 0x05], 4]);
  set(0x0b, 0x06);
  scheduler.advance(55 * SECOND);
  assertEquals(time(), [20, 12, 6, 27, 19, 43, 0]);
  set(0x0b, 0x00);
  assertEquals(cmos(4), 0x87); // 7 p.m.
  set(0x0b, 0x82);
  set(4, 0x23);
  set(0, 0x59);
  scheduler.advance(70 * SECOND);
  assertEquals([cmos(4), cmos(0)], [0x23, 0x59]); // it stands still while SET is set
  set(0x0b, 0x02);
  scheduler.advance(71 * SECOND);
  assertEquals([cmos(4), cmos(2), cmos(0), cmos(0x0d)], [0x23, 0x44, 0x00, 0x80]);
});

Deno.test("the alarm rings on line 8, register C says why once, and time does not run on for nobody", () => {
  const { io, scheduler, interrupts } = world();
  const start = Date.UTC(2000, 0, 1);
  io.add(0x70, 2, new Rtc({ scheduler, interrupt: (asserted) => interrupts.drive(8, asserted), start }));
  const cmos = (index: number) => (io.write(0x70, 1, index), io.read(0x71, 1));
  const set = (index: number, value: number) => (io.write(0x70, 1, index), io.write(0x71, 1, value));
  assertEquals(scheduler.nextDue, Infinity);
  [5, 3].forEach((index) => set(index, 0xc0)); // any hour and minute
  set(1, 0x30);
  set(0x0b, 0x22);
  scheduler.advance(29 * SECOND);
  assertEquals(interrupts.isAsserted(8), false);
  scheduler.advance(30 * SECOND);
  assertEquals([interrupts.isAsserted(8), cmos(0x0c) & 0xa0, interrupts.isAsserted(8), cmos(0x0c)], [
    true,
    0xa0,
    false,
    0,
  ]);
});

/** A clock at its ports, with ways to read and set its registers. */
function clock() {
  const { io, scheduler, interrupts } = world();
  const rtc = new Rtc({
    scheduler,
    interrupt: (asserted) => interrupts.drive(8, asserted),
    start: Date.UTC(2011, 1, 2),
  });
  io.add(0x70, 2, rtc);
  const get = (index: number) => (io.write(0x70, 1, index), io.read(0x71, 1));
  const set = (index: number, value: number) => (io.write(0x70, 1, index), io.write(0x71, 1, value));
  return { scheduler, interrupts, get, set };
}

Deno.test("the first update comes half a second after the divider leaves reset, and UIP announces it", () => {
  const { scheduler, get, set } = clock();
  const HOLD = 244140;
  set(0x0a, 0x76);
  set(0, 0x58);
  scheduler.advance(5 * SECOND);
  assertEquals(get(0), 0x58);
  set(0x0a, 0x26);
  get(0x0c);
  scheduler.advance(5.5 * SECOND - HOLD - 1);
  assertEquals([get(0x0a), get(0), get(0x0c)], [0x26, 0x58, 0]);
  scheduler.advance(5.5 * SECOND - HOLD);
  assertEquals(get(0x0a), 0xa6);
  scheduler.advance(5.5 * SECOND);
  assertEquals([get(0x0a), get(0), get(0x0c), get(0x0c)], [0x26, 0x59, 0x10, 0]);
});

Deno.test("periods interrupt while they are enabled, one at a time, each from the end of the last", () => {
  const { scheduler, interrupts, get, set } = clock();
  set(0x0a, 0x2d); // 8 Hz
  scheduler.advance(SECOND);
  assertEquals([interrupts.isAsserted(8), get(0x0c) & 0x40], [false, 0]);
  set(0x0b, 0x42);
  assertEquals(scheduler.nextDue, 1.125 * SECOND);
  scheduler.advance(1.3 * SECOND);
  assertEquals([interrupts.isAsserted(8), scheduler.nextDue], [true, Infinity]);
  assertEquals([get(0x0c) & 0xc0, interrupts.isAsserted(8), scheduler.nextDue], [0xc0, false, 1.375 * SECOND]);
  set(0x0a, 0x2f); // 2 Hz
  assertEquals(scheduler.nextDue, 1.75 * SECOND);
  set(0x0b, 0x02);
  assertEquals(scheduler.nextDue, Infinity);
});

Deno.test("an alarm for a 12-hour clock tells morning from afternoon, and its flag needs no interrupt", () => {
  const { scheduler, get, set } = clock();
  set(0x0b, 0x04);
  [[1, 0xc0], [3, 0xc0], [5, 0x82], [4, 3], [2, 0], [0, 0]].forEach(([index, value]) => set(index, value));
  get(0x0c);
  scheduler.advance(scheduler.now + 10 * 3600 * SECOND);
  assertEquals([get(4), get(0x0c) & 0x20], [0x81, 0]);
  scheduler.advance(scheduler.now + 3600 * SECOND);
  assertEquals([get(4), get(0x0c) & 0x20], [0x82, 0x20]);
});

Deno.test("firmware configuration: items by key, files by name, zero behind the end and for what there is not", () => {
  const { io, space } = world();
  const fw = new FwCfg(io, space);
  fw.addNumber(0x03, 8, 0x1_0000_0000);
  fw.addFile("etc/b", Uint8Array.of(4, 5, 6));
  fw.addFile("etc/a", Uint8Array.of(1));
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(text(Uint8Array.from([0x511, 0x510, 0x511, 0x511], (port) => io.read(port, 1))), "QEMU");
  assertEquals([text(fwCfgItem(io, 0, 4)), [...fwCfgItem(io, 1, 4)]], ["QEMU", [3, 0, 0, 0]]);
  assertEquals([...fwCfgItem(io, 3, 10)], [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
  assertEquals([...fwCfgItem(io, 0x19, 4)], [0, 0, 0, 2]);
  assertEquals([[...fwCfgFile(io, "etc/b")!], [...fwCfgItem(io, 0x20, 2)], fwCfgFile(io, "etc/c")], [
    [4, 5, 6],
    [1, 0],
    null,
  ]);
  assertEquals([...fwCfgItem(io, 0x7777, 2)], [0, 0]);
});

Deno.test("firmware configuration by DMA: big-endian requests in memory; what cannot be done says so", () => {
  const { io, space } = world();
  space.addRam(new RamRegion(0, new ArrayBuffer(0x10000)));
  const fw = new FwCfg(io, space);
  fw.addFile("etc/a", Uint8Array.of(1, 2, 3, 4));
  assertEquals([io.read(0x514, 4), io.read(0x518, 4)], [0x554d4551, 0x47464320]);
  const run = (control: number, length: number, address: number) => {
    const view = new DataView(space.bytes(0x1000, 16).buffer, 0x1000);
    view.setUint32(0, control);
    view.setUint32(4, length);
    view.setUint32(8, 0);
    view.setUint32(12, address);
    io.write(0x514, 4, 0);
    io.write(0x518, 4, 0x00100000); // 0x1000, big-endian
    return view.getUint32(0);
  };
  space.bytes(0x2000, 8).fill(0xee);
  assertEquals(run(0x0020000e & ~4, 6, 0x2000), 0);
  assertEquals([...space.bytes(0x2000, 8)], [1, 2, 3, 4, 0, 0, 0xee, 0xee]);
  assertEquals(run(0x0020000c, 2, 0), 0); // select and skip
  assertEquals([run(0x02, 1, 0x2000), space.bytes(0x2000, 1)[0]], [0, 3]);
  assertEquals([run(0x02, 8, 0xfffc), run(0x10, 1, 0x2000)], [1, 1]);
});

Deno.test("port 92 keeps the A20 gate and pulls the reset line once; the speaker shows the timer", () => {
  const { io, scheduler } = world();
  let resets = 0;
  new PlainPorts(io, new Pit(() => scheduler.now), () => resets++);
  assertEquals([io.read(0x92, 1), io.read(0x80, 1)], [0, 0xff]);
  io.write(0x92, 1, 0x03);
  io.write(0x92, 1, 0x03);
  assertEquals([io.read(0x92, 1), resets], [3, 1]);
  io.write(0x61, 1, 0xff);
  assertEquals([io.read(0x61, 1) & 0x1f, io.read(0x61, 1) & 0x1f], [0x13, 0x03]);
});

Deno.test("the operating system hears of slots, and what it ejects is gone", () => {
  const { io } = world();
  const slots = new SlotEjector(io, () => 0b1000);
  const gone: number[] = [];
  slots.onEject = (slot) => gone.push(slot);
  slots.plugged(5);
  slots.request(3);
  assertEquals([io.read(0xae00, 4), io.read(0xae00, 4), io.read(0xae04, 4), io.read(0xae0c, 4)], [32, 0, 8, 8]);
  io.write(0xae08, 4, 8);
  assertEquals([gone, io.read(0xae04, 4)], [[3], 0]);
});

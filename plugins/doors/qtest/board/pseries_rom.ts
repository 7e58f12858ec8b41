/**
 * The firmware of a pseries machine whose CPU does nothing but make hypercalls for us. It is loaded at 0 and entered at
 * 0x100 with the device tree's address in r3. The CPU looks at a word in memory; when that is not 0 it loads r3 to r12
 * from the mailbox, executes `sc 1`, stores them again and clears the word. When nobody has called for a while it cedes
 * for a moment at a time, so that an idle machine uses no CPU.
 *
 * @module
 */

/** Where the mailbox is, and what lies in it. All big-endian. */
export const MAILBOX = 0x4000;
/**
 * Offsets in the mailbox: a call is wanted (4 bytes), the CPU is ready (4), the device tree's address (8), r3 to r12; a
 * count (4) that the CPU counts down each time it has ceded, while it is not 0, and at 0 it calls RTAS with what lies at
 * `powerOff`. Whoever drives the machine sets it again and again, so that nothing is left behind when nobody does.
 */
export const Mailbox = { call: 0, ready: 4, deviceTree: 8, registers: 16, watchdog: 96, powerOff: 128 } as const;
/** Registers that go both ways: r3 has the number and then the status. */
export const MAILBOX_REGISTERS = 10;

const SIZE = 0x1000;
const ENTRY = 0x100;
const EXTERNAL_VECTOR = 0x500;
const DECREMENTER_VECTOR = 0x900;
const MSR_EE = 0x8000;
const H_CEDE = 0xe0;
const H_RTAS = 0xf000;
/** Looks at the word between two calls, before the CPU cedes for the first time: some milliseconds. */
const EAGER_LOOKS = 0x4_0000;
/** Ticks of the timebase (512 MHz) for which it cedes: half a millisecond. */
const CEDE_TICKS = 4 << 16;

const BASE = 31;
const CTR = 9;
const DEC = 22;
const SRR1 = 27;

/** Makes the image. */
export function pseriesRom(): Uint8Array {
  const rom = new DataView(new ArrayBuffer(SIZE));
  const write = (at: number, code: number[]) => code.forEach((word, i) => rom.setUint32(at + 4 * i, word >>> 0));
  const registers = Array.from({ length: MAILBOX_REGISTERS }, (_, i) => 3 + i);
  const place = (register: number) => Mailbox.registers + 8 * (register - 3);
  const start = [
    li(BASE, MAILBOX),
    std(3, Mailbox.deviceTree, BASE),
    li(3, 1),
    stw(3, Mailbox.ready, BASE),
  ];
  const call = [
    ...registers.map((register) => ld(register, place(register), BASE)),
    SC_1,
    ...registers.map((register) => std(register, place(register), BASE)),
    SYNC, //                              the results are seen before the word is
    li(0, 0),
    stw(0, Mailbox.call, BASE),
  ];
  // The device tree's address is what the first cede would overwrite, so r3 is free from here on.
  const eager = [lis(5, EAGER_LOOKS >> 16), mtspr(CTR, 5)];
  const look = [lwz(4, Mailbox.call, BASE), cmpwi(4, 0)];
  const sleep = [lis(5, CEDE_TICKS >> 16), mtspr(DEC, 5), li(3, H_CEDE), SC_1, li(0, 0), mtmsrdEe(0)];
  const count = [lwz(6, Mailbox.watchdog, BASE), cmpwi(6, 0), beq(36), addi(6, 6, -1), stw(6, Mailbox.watchdog, BASE)];
  const off = [cmpwi(6, 0), bne(20), lis(3, 0), ori(3, 3, H_RTAS), li(4, MAILBOX + Mailbox.powerOff), SC_1];
  const idle = [...sleep, ...count, ...off];
  const at = layOut([start, eager, [...look, 0, 0], [...idle, ...look, 0, 0], [...call, 0]]);
  const [, eagerAt, lookAt, sleepAt, callAt] = at;
  write(ENTRY, [
    ...start,
    ...eager,
    ...look,
    bne(callAt - (lookAt + 8)),
    bdnz(lookAt - (lookAt + 12)),
    ...idle,
    ...look,
    bne(callAt - (sleepAt + 4 * (idle.length + 2))),
    b(sleepAt - (sleepAt + 4 * (idle.length + 3))),
    ...call,
    b(eagerAt - (callAt + 4 * call.length)),
  ]);
  // An interrupt that is taken while interrupts are on stays pending for who asks: they are turned off on the way back.
  write(EXTERNAL_VECTOR, [mfspr(5, SRR1), lis(6, 0), ori(6, 6, MSR_EE), andc(5, 5, 6), mtspr(SRR1, 5), RFID]);
  // Ceding turns interrupts on. The decrementer's is put off, and the CPU goes on behind its `sc 1`.
  write(DECREMENTER_VECTOR, [lis(5, 0x7fff), mtspr(DEC, 5), RFID]);
  return new Uint8Array(rom.buffer);
}

/** Byte offsets of blocks that follow each other. */
function layOut(blocks: readonly number[][]): number[] {
  let next = 0;
  return blocks.map(({ length }) => (next += 4 * length) - 4 * length);
}

// Instructions (Power ISA, books I and III), by their forms.
const SC_1 = 0x4400_0022;
const RFID = 0x4c00_0024;
const SYNC = 0x7c00_04ac;
const d = (opcode: number, target: number, base: number, value: number) =>
  opcode << 26 | target << 21 | base << 16 | value & 0xffff;
const addi = (target: number, source: number, value: number) => d(14, target, source, value);
const li = (target: number, value: number) => addi(target, 0, value);
const ori = (target: number, source: number, value: number) => d(24, source, target, value);
const lis = (target: number, value: number) => d(15, target, 0, value);
const ld = (target: number, offset: number, base: number) => d(58, target, base, offset);
const std = (source: number, offset: number, base: number) => d(62, source, base, offset);
const lwz = (target: number, offset: number, base: number) => d(32, target, base, offset);
const stw = (source: number, offset: number, base: number) => d(36, source, base, offset);
const cmpwi = (register: number, value: number) => d(11, 0, register, value);
const mtspr = (special: number, source: number) =>
  31 << 26 | source << 21 | (special & 31) << 16 | special >> 5 << 11 | 467 << 1;
const mfspr = (target: number, special: number) =>
  31 << 26 | target << 21 | (special & 31) << 16 | special >> 5 << 11 | 339 << 1;
const andc = (target: number, source: number, mask: number) =>
  31 << 26 | source << 21 | target << 16 | mask << 11 | 60 << 1;
const mtmsrdEe = (source: number) => 31 << 26 | source << 21 | 1 << 16 | 178 << 1;
const bne = (offset: number) => 16 << 26 | 4 << 21 | 2 << 16 | offset & 0xfffc;
const beq = (offset: number) => 16 << 26 | 12 << 21 | 2 << 16 | offset & 0xfffc;
const bdnz = (offset: number) => 16 << 26 | 16 << 21 | offset & 0xfffc;
const b = (offset: number) => 18 << 26 | offset & 0x3ff_fffc;

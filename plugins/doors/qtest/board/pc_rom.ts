/**
 * The firmware of a PC whose CPU does nothing but take interrupts: 64 KiB that end at the reset vector. The CPU goes into
 * protected mode, turns its local APIC on and halts. A handler for each vector counts in {@linkcode COUNTERS} how often it
 * ran and acknowledges, so that message interrupts arrive the way they do on any PC and can be seen in memory.
 *
 * Addresses below are offsets in the image, which the CPU sees from 0xF0000 on.
 *
 * @module
 */

/** Where the handlers count: one 32-bit word for each vector. Vector 0's says that the CPU is ready. */
export const COUNTERS = 0x9000;
/**
 * A 32-bit count of half seconds: while it is not 0 the CPU counts it down, and at 0 it ends the emulator. Whoever drives
 * the machine sets it again and again; when nobody does any more, because the process was killed, nothing is left behind.
 */
export const WATCHDOG = COUNTERS + 4 * 256;
/** The port of the device that ends the emulator. */
export const EXIT_PORT = 0xf4;
/** The first vector that is no exception. */
export const FIRST_VECTOR = 0x20;
/** The local APIC's timer. */
export const TIMER_VECTOR = 0xfe;
/** The vector of spurious interrupts, which are not counted. */
export const SPURIOUS_VECTOR = 0xff;
/** Where a message interrupt is written so that CPU 0 gets it (Intel SDM vol. 3, message address register). */
export const MESSAGE_ADDRESS = 0xfee0_0000;

const SIZE = 0x10000;
const BASE = 0xf0000;
const STACK = 0x8ff0;
const AT = {
  protected: 0x20,
  common: 0x80,
  timer: 0xa0,
  pointers: 0x200,
  gdt: 0x210,
  idt: 0x1000,
  handlers: 0x2000,
  reset: 0xfff0,
};
const HANDLER_BYTES = 16;
const CODE = 0x08;
const DATA = 0x10;
/** Registers of the local APIC (Intel SDM vol. 3). */
const APIC_EOI = 0xfee0_00b0;
const APIC_SPURIOUS = 0xfee0_00f0;
const APIC_TIMER = 0xfee0_0320;
const APIC_TIMER_COUNT = 0xfee0_0380;
const APIC_TIMER_DIVIDE = 0xfee0_03e0;
const PERIODIC = 0x2_0000;
const DIVIDE_BY_16 = 3;
/** Half a second of QEMU's 1 GHz, divided by 16. */
const HALF_A_SECOND = 31_250_000;

/** Makes the image. */
export function pcRom(): Uint8Array {
  const rom = new Uint8Array(SIZE);
  const put = (at: number, ...parts: (number | number[])[]) => rom.set(parts.flat(), at);
  const idtPointer = AT.pointers + 6;
  put(AT.reset, 0xea, le16(0), le16(BASE >> 4)); //                       ljmp f000:0000
  put(
    0,
    [0xfa], //                                                            cli
    [0x2e, 0x66, 0x0f, 0x01, 0x16, ...le16(AT.pointers)], //              lgdtl cs:[pointers]
    [0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0], //                  cr0 |= 1 (protected mode)
    [0x66, 0xea, ...le32(BASE + AT.protected), ...le16(CODE)], //         ljmpl code:protected
  );
  put(
    AT.protected,
    [0x66, 0xb8, ...le16(DATA), 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0], //   ds = es = ss = data
    [0xbc, ...le32(STACK)], //                                            mov esp, STACK
    [0x0f, 0x01, 0x1d, ...le32(BASE + idtPointer)], //                    lidt
    [0xc7, 0x05, ...le32(APIC_SPURIOUS), ...le32(0x100 | SPURIOUS_VECTOR)], // APIC on
    [0xc7, 0x05, ...le32(APIC_TIMER), ...le32(PERIODIC | TIMER_VECTOR)], // timer on
    [0xc7, 0x05, ...le32(APIC_TIMER_DIVIDE), ...le32(DIVIDE_BY_16)],
    [0xc7, 0x05, ...le32(APIC_TIMER_COUNT), ...le32(HALF_A_SECOND)],
    [0xc7, 0x05, ...le32(COUNTERS), ...le32(1)], //                       ready
    [0xfb, 0xf4, 0xeb, 0xfd], //                                          sti; hlt; jmp hlt
  );
  put(
    AT.common,
    [0x50, 0x8b, 0x44, 0x24, 0x04], //                                    push eax; mov eax, [esp+4]
    [0xf0, 0xff, 0x04, 0x85, ...le32(COUNTERS)], //                       lock inc dword [eax*4 + COUNTERS]
    [0xc7, 0x05, ...le32(APIC_EOI), ...le32(0)], //                       end of interrupt
    [0x58, 0x83, 0xc4, 0x04, 0xcf], //                                    pop eax; add esp, 4; iret
  );
  put(
    AT.timer,
    [0x83, 0x3d, ...le32(WATCHDOG), 0x00, 0x74, 0x0a], //                 cmp dword [WATCHDOG], 0; je done
    [0xff, 0x0d, ...le32(WATCHDOG), 0x75, 0x02], //                       dec dword [WATCHDOG]; jne done
    [0xe6, EXIT_PORT], //                                                 out EXIT_PORT, al
    [0xc7, 0x05, ...le32(APIC_EOI), ...le32(0), 0xcf], //                 done: end of interrupt; iret
  );
  put(AT.pointers, le16(3 * 8 - 1), le32(BASE + AT.gdt), le16(256 * 8 - 1), le32(BASE + AT.idt));
  // Flat segments of 4 GiB. The accessed bit is set: the CPU cannot set it in a ROM.
  put(AT.gdt + CODE, le32(0x0000_ffff), le32(0x00cf_9b00));
  put(AT.gdt + DATA, le32(0x0000_ffff), le32(0x00cf_9300));
  for (let vector = 0; vector < 256; vector++) {
    const at = AT.handlers + vector * HANDLER_BYTES;
    put(at, 0x68, le32(vector), 0xe9, le32(AT.common - (at + 10))); //    push vector; jmp common
    put(AT.idt + vector * 8, le16(at), le16(CODE), 0, 0x8e, le16(BASE >> 16));
  }
  put(
    AT.handlers + TIMER_VECTOR * HANDLER_BYTES,
    0xe9,
    le32(AT.timer - (AT.handlers + TIMER_VECTOR * HANDLER_BYTES + 5)),
  );
  // The spurious vector wants no end of interrupt.
  put(AT.handlers + SPURIOUS_VECTOR * HANDLER_BYTES, 0xcf); //            iret
  return rom;
}

function le16(value: number): number[] {
  return [value & 0xff, value >> 8 & 0xff];
}

function le32(value: number): number[] {
  return [...le16(value), ...le16(value >>> 16)];
}

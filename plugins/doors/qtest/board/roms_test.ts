import { assertEquals } from "@std/assert";
import { pcRom } from "./pc_rom.ts";
import { MAILBOX, Mailbox, pseriesRom } from "./pseries_rom.ts";

const hexOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

Deno.test("a PC starts at the reset vector, enters protected mode and halts with interrupts on", () => {
  const rom = pcRom();
  assertEquals(rom.length, 65536);
  assertEquals(hexOf(rom.subarray(0xfff0, 0xfff5)), "ea000000f0");
  // cli; lgdtl cs:0x200; mov eax,cr0; or al,1; mov cr0,eax; ljmpl 8:0xf0020
  assertEquals(hexOf(rom.subarray(0, 0x18)), "fa2e660f011600020f20c00c010f22c066ea20000f000800");
  assertEquals(hexOf(rom.subarray(0x20, 0x30)), "66b810008ed88ec08ed0bcf08f00000f");
  assertEquals(hexOf(rom.subarray(0x200, 0x20c)), "170010020f00ff0700100f00");
  assertEquals(hexOf(rom.subarray(0x218, 0x228)), "ffff0000009bcf00ffff00000093cf00");
});

Deno.test("each vector of a PC has a gate to a handler that names it", () => {
  const rom = pcRom();
  // Vector 0x41: offset 0xf2410, code segment, 32-bit interrupt gate.
  assertEquals(hexOf(rom.subarray(0x1000 + 8 * 0x41, 0x1008 + 8 * 0x41)), "102408000 08e0f00".replace(" ", ""));
  // push 0x41; jmp common (0x80 − 0x241a)
  assertEquals(hexOf(rom.subarray(0x2410, 0x241a)), "6841000000e966dcffff");
  // push eax; mov eax,[esp+4]; lock inc dword [eax*4+0x9000]; mov dword [0xfee000b0],0; pop eax; add esp,4; iret
  assertEquals(hexOf(rom.subarray(0x80, 0x9c)), "508b442404f0ff048500900000c705b000e0fe000000005883c404cf");
  assertEquals(rom[0x2000 + 16 * 0xff], 0xcf);
  // Timer: jmp 0xa0; cmp dword [0x9400],0; je +10; dec dword [0x9400]; jne +2; out 0xf4,al; end of interrupt; iret
  assertEquals(hexOf(rom.subarray(0x2000 + 16 * 0xfe, 0x2005 + 16 * 0xfe)), "e9bbd0ffff");
  assertEquals(
    hexOf(rom.subarray(0xa0, 0xbe)),
    "833d0094000000" + "740a" + "ff0d00940000" + "7502" + "e6f4" + "c705b000e0fe00000000" + "cf",
  );
});

Deno.test("a pseries CPU keeps the device tree's address, then looks, cedes and calls", () => {
  const rom = pseriesRom();
  const view = new DataView(rom.buffer);
  const words = (at: number, count: number) => Array.from({ length: count }, (_, i) => view.getUint32(at + 4 * i));
  assertEquals([MAILBOX, Mailbox.registers], [0x4000, 16]);
  // li r31,0x4000; std r3,8(r31); li r3,1; stw r3,4(r31); lis r5,4; mtctr r5
  assertEquals(words(0x100, 6), [0x3be04000, 0xf87f0008, 0x38600001, 0x907f0004, 0x3ca00004, 0x7ca903a6]);
  // lwz r4,0(r31); cmpwi r4,0; bne call; bdnz look
  assertEquals(words(0x118, 4), [0x809f0000, 0x2c040000, 0x4082005c, 0x4200fff4]);
  // lis r5,4; mtdec r5; li r3,H_CEDE; sc 1; li r0,0; mtmsrd r0,1
  assertEquals(words(0x128, 6), [0x3ca00004, 0x7cb603a6, 0x386000e0, 0x44000022, 0x38000000, 0x7c010164]);
  // lwz r6,96(r31); cmpwi r6,0; beq +36; addi r6,r6,-1; stw r6,96(r31)
  assertEquals(words(0x140, 5), [0x80df0060, 0x2c060000, 0x41820024, 0x38c6ffff, 0x90df0060]);
  // cmpwi r6,0; bne +20; lis r3,0; ori r3,r3,0xf000; li r4,0x4080; sc 1
  assertEquals(words(0x154, 6), [0x2c060000, 0x40820014, 0x3c600000, 0x6063f000, 0x38804080, 0x44000022]);
  // lwz r4,0(r31); cmpwi r4,0; bne call; b sleep
  assertEquals(words(0x16c, 4), [0x809f0000, 0x2c040000, 0x40820008, 0x4bffffb0]);
  // ld r3,16(r31) … ld r12,88(r31); sc 1; std r3,16(r31)
  assertEquals([...words(0x17c, 1), ...words(0x1a0, 3)], [0xe87f0010, 0xe99f0058, 0x44000022, 0xf87f0010]);
  // sync; li r0,0; stw r0,0(r31); b eager
  assertEquals(words(0x1d0, 4), [0x7c0004ac, 0x38000000, 0x901f0000, 0x4bffff34]);
  // mfsrr1 r5; lis r6,0; ori r6,r6,0x8000; andc r5,r5,r6; mtsrr1 r5; rfid
  assertEquals(words(0x500, 6), [0x7cbb02a6, 0x3cc00000, 0x60c68000, 0x7ca53078, 0x7cbb03a6, 0x4c000024]);
  // lis r5,0x7fff; mtdec r5; rfid
  assertEquals(words(0x900, 3), [0x3ca07fff, 0x7cb603a6, 0x4c000024]);
});

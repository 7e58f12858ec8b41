import { assertEquals } from "@std/assert";
import type { GuestPort } from "@iova/core";
import { extendedConfig } from "./guest.ts";

/** A host bridge with an id and a window register, and memory in which extended configuration space lies. */
function guest(id: number, window: bigint, memory: Record<number, number> = {}): GuestPort {
  let selected = 0;
  const low: Record<number, number> = { 0: id, 0x60: Number(window & 0xffff_ffffn), 0x64: Number(window >> 32n) };
  return {
    ioWrite: (port: number, _width: number, value: number) => void (port === 0xcf8 && (selected = value & 0xfc)),
    ioRead: () => low[selected] ?? 0,
    read: (address: number) => memory[address] ?? 0,
    write: (address: number, _width: number, value: number) => void (memory[address] = value),
  } as unknown as GuestPort;
}

Deno.test("the window is where PCIEXBAR says, as large as it says, and nowhere while it is off", () => {
  for (
    const [window, base, buses] of [
      [0xb000_0001n, 0xb000_0000, 256],
      [0xe800_0003n, 0xe800_0000, 128],
      [0x1_f400_0005n, 0x1_f400_0000, 64],
    ] as const
  ) {
    const found = extendedConfig(guest(0x29c0_8086, window))!;
    assertEquals([found.base, found.buses], [base, buses]);
  }
  assertEquals(extendedConfig(guest(0x29c0_8086, 0xb000_0000n)), null, "off");
  assertEquals(extendedConfig(guest(0x29c0_8086, 0xb000_0007n)), null, "a reserved length");
  assertEquals(extendedConfig(guest(0x1237_8086, 0xb000_0001n)), null, "a chipset without one");
  assertEquals(extendedConfig(guest(0xffff_ffff, 0xb000_0001n)), null, "no PCI at all");
});

Deno.test("a capability is found in the list; an empty list, nobody, and a loop end", () => {
  const at = 0xb000_0000 + 0x10 * 4096;
  const memory = { [at + 0x100]: 0x1200_0001 | 1 << 16, [at + 0x120]: 0x0001_000f };
  const config = extendedConfig(guest(0x29c0_8086, 0xb000_0001n, memory))!;
  assertEquals([config.findCapability(0x10, 0x0f), config.findCapability(0x10, 0x13)], [0x120, 0]);
  assertEquals(config.findCapability(0x18, 0x0f), 0);
  memory[at + 0x120] = 0x1000_0002 | 1 << 16;
  assertEquals(config.findCapability(0x10, 0x0f), 0, "the list leads back to its start");
  memory[at + 0x100] = 0xffff_ffff;
  assertEquals(config.findCapability(0x10, 1), 0);
  assertEquals(extendedConfig(guest(0x29c0_8086, 0xb000_0005n))!.read(0x4000, 0, 2), 0xffff, "bus 64 of 64");
});

import { assertEquals } from "@std/assert";
import { AddressSpace, RamRegion } from "@iova/core";
import { CpuMemory } from "./cpu_memory.ts";

function world() {
  const space = new AddressSpace();
  const log: string[] = [];
  space.addRam(new RamRegion(0x1000, new ArrayBuffer(0x1000)));
  space.addRam(new RamRegion(0x10_0000_0000, new ArrayBuffer(0x1000)));
  space.addRegisters(0x2000, 8, "registers", {
    read: (offset, width) => (log.push(`read ${offset} ${width}`), 0x44332211 >>> 8 * (offset & 3)),
    write: (offset, width, value) => log.push(`write ${offset} ${width} ${value.toString(16)}`),
  });
  return { space, log, memory: new CpuMemory(space) };
}

Deno.test("an access goes over RAM, registers and holes: registers in their widths, holes read zero", () => {
  const { memory, log, space } = world();
  space.bytes(0x1ffe, 2).set([7, 8]);
  const bytes = new Uint8Array(14);
  memory.read(0x1ffe, bytes);
  assertEquals([...bytes], [7, 8, 0x11, 0x22, 0x33, 0x44, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0]);
  assertEquals(log.splice(0), ["read 0 4", "read 4 4"]);
  memory.write(0x2001, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  assertEquals(log, ["write 1 1 1", "write 2 2 302", "write 4 4 7060504"]);
});

Deno.test("filling the whole address space costs no more than what is there", () => {
  const { memory, space, log } = world();
  memory.fill(0, 2 ** 64, 0x5a);
  assertEquals([space.read(0x1000, 4), space.read(0x10_0000_0ffc, 4)], [0x5a5a5a5a, 0x5a5a5a5a]);
  assertEquals(log, ["write 0 4 5a5a5a5a", "write 4 4 5a5a5a5a"]);
});

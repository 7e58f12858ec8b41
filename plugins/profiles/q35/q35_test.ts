import { assertEquals } from "@std/assert";
import { loadMachine, type LoadOptions, type Machine, type Manifest } from "@iova/core";
import { checkVectors } from "@iova/fields/testing";
import { pciBus } from "@iova/pci";
import { PciExBar } from "./layout.ts";
import q35 from "./mod.ts";

const EDU = { id: "edu0", use: "edu" };

function machine(manifest: Partial<Manifest> = {}, options: LoadOptions = { bare: true }): Promise<Machine> {
  return loadMachine({ platform: "direct", memory: "128MiB", profile: "q35", ...manifest }, options);
}

/** Configuration space of `at` (device << 3 | function) on bus 0, by its 32-bit registers that are not zero. */
function config({ io }: Machine, at: number): Record<string, string> {
  const registers: Record<string, string> = {};
  for (let offset = 0; offset < 256; offset += 4) {
    io.write(0xcf8, 4, (0x80000000 | at << 8 | offset) >>> 0);
    const value = io.read(0xcfc, 4);
    if (value !== 0) registers[offset.toString(16).padStart(2, "0")] = value.toString(16).padStart(8, "0");
  }
  return registers;
}

Deno.test("PCIEXBAR agrees with the vectors written from the specification", async () => {
  checkVectors(PciExBar, JSON.parse(await Deno.readTextFile(new URL("./vectors/PCIEXBAR.json", import.meta.url))));
});

Deno.test("the functions of the board read as QEMU 7.2's do", async () => {
  const board = await machine();
  assertEquals(config(board, 0x00), {
    "00": "29c08086",
    "08": "06000000",
    "2c": "11001af4",
    "50": "00000010",
    "60": "b0000000",
    "9c": "00380200",
  });
  assertEquals(config(board, 0xf8), {
    "00": "29188086",
    "08": "06010002",
    "0c": "00800000",
    "2c": "11001af4",
    "40": "00000001",
    "60": "80808080",
    "68": "80808080",
  });
});

Deno.test("memory splits at 2 GiB once it would reach the configuration window", () => {
  const ram = (memory: number) =>
    q35.memoryMap(memory, { cpus: 1, clock: "" }).ram.map(({ base, size }) => [base, size]);
  assertEquals(ram(0xb000_0000 - 4096), [[0, 0xb000_0000 - 4096]]);
  assertEquals(ram(0xb000_0000), [[0, 0x8000_0000], [0x1_0000_0000, 0x3000_0000]]);
});

Deno.test("configuration space stands in memory where PCIEXBAR says, as large as it says", async () => {
  const { io, space } = await machine({ devices: [EDU] });
  const pciexbar = (value: number) => (io.write(0xcf8, 4, 0x80000060), io.write(0xcfc, 4, value));
  assertEquals(space.registers(0xb000_0000), null);
  pciexbar(0xb000_0001);
  const read = (address: number) => space.read(address, 4);
  assertEquals([0xb000_0000, 0xb00f_8000, 0xb000_8000].map(read), [0x29c08086, 0x29188086, 0x11e81234]);
  assertEquals([0xb00f_8100, 0xb010_0000].map(read), [0xffffffff, 0xffffffff]);
  assertEquals(space.read(0xb000_0002, 2), 0x29c0);
  pciexbar(0xb000_0003);
  assertEquals(space.registers(0xb800_0000), null);
  pciexbar(0xb400_0005);
  assertEquals(read(0xb400_0000), 0x29c08086);
  pciexbar(0xb000_0007); // a reserved size changes nothing
  assertEquals(read(0xb400_0000), 0x29c08086);
  pciexbar(1); // over RAM
  assertEquals([space.registers(0xb400_0000), read(0)], [null, 0]);
});

Deno.test("the AMD IOMMU is where QEMU puts it: function 00:01.0, registers at 0xfed80000", async () => {
  const board = await machine({ platform: "amd-iommu", devices: [EDU] });
  const { "00": id, "08": classCode, "44": base } = config(board, 0x08);
  assertEquals([id.slice(4), classCode, base], ["1022", "08060000", "fed80001"]);
  assertEquals(board.space.registers(0xfed80000)?.name, "AMD IOMMU");
  assertEquals([...pciBus(board.root).nodes].map(({ place }) => place), [0, 0x08, 0xf8, 0x10]);
});

Deno.test("a PCI interrupt reaches the I/O APIC by itself, and an ISA line once it is routed", async () => {
  const { root, interrupts, io } = await machine();
  pciBus(root).host.drivePin(2, true);
  const lines = () => [10, 21].map((line) => interrupts.isAsserted(line));
  assertEquals(lines(), [false, true]);
  io.write(0xcf8, 4, 0x8000f868);
  io.write(0xcfc, 4, 0x80800a80);
  assertEquals(lines(), [true, true]);
});

Deno.test("drivers work behind its platforms, and find configuration space in memory", async () => {
  for (const platform of ["direct", "amd-iommu"]) {
    const workload = [{ use: "edu-dma", device: "edu0" }];
    const running = await machine({ memory: "16MiB", platform, devices: [EDU], workload }, {});
    assertEquals(running.space.read(0xb000_0000, 4), 0x29c08086);
    assertEquals((await running.run()).verified, true);
  }
});

import { assertEquals } from "@std/assert";
import { loadMachine, type LoadOptions, type Machine, type Manifest } from "@iova/core";
import { fwCfgFile, fwCfgItem } from "@iova/chipset/testing";
import { pciBus } from "@iova/pci";
import pc from "./mod.ts";

const EDU = { id: "edu0", use: "edu" };

function machine(manifest: Partial<Manifest> = {}, options: LoadOptions = { bare: true }): Promise<Machine> {
  return loadMachine({ platform: "direct", memory: "128MiB", profile: "pc", ...manifest }, options);
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

Deno.test("the functions of the board read as QEMU 7.2's do", async () => {
  const board = await machine();
  assertEquals(config(board, 0x00), {
    "00": "12378086",
    "08": "06000002",
    "2c": "11001af4",
    "54": "10000000",
    "70": "00020000",
  });
  assertEquals(config(board, 0x08), {
    "00": "70008086",
    "04": "02000000",
    "08": "06010000",
    "0c": "00800000",
    "2c": "11001af4",
    "4c": "0003004d",
    "60": "80808080",
    "68": "00000200",
    "70": "00000080",
    "74": "0c0c0000",
    "78": "00000002",
    "a0": "00000008",
    "a8": "0000000f",
  });
  assertEquals(config(board, 0x0b), {
    "00": "71138086",
    "04": "02800000",
    "08": "06800003",
    "2c": "11001af4",
    "3c": "00000100",
    "40": "00000001",
    "5c": "10000000",
    "60": "60000000",
    "90": "0000b101",
    "d0": "00090000",
  });
});

Deno.test("memory splits below 4 GiB where QEMU splits it", () => {
  const GIB = 1024 ** 3;
  const ram = (memory: number) =>
    pc.memoryMap(memory, { cpus: 1, clock: "" }).ram.map(({ base, size }) => [base, size]);
  assertEquals(ram(2 * GIB), [[0, 2 * GIB]]);
  assertEquals(ram(3.5 * GIB - 4096), [[0, 3.5 * GIB - 4096]]);
  assertEquals(ram(3.5 * GIB), [[0, 3 * GIB], [4 * GIB, 0.5 * GIB]]);
  assertEquals(ram(5 * GIB), [[0, 3 * GIB], [4 * GIB, 2 * GIB]]);
});

Deno.test("devices stand from slot 2 on, and reach line 11 or 10 once their pin is routed", async () => {
  const { root, interrupts, io } = await machine({
    devices: [EDU, { ...EDU, id: "edu1" }, { ...EDU, id: "edu2", at: "05.0" }],
  });
  const places = [...pciBus(root).nodes].map(({ place }) => place);
  assertEquals(places, [0x00, 0x08, 0x0b, 0x10, 0x18, 0x28]);
  const { host } = pciBus(root);
  host.drivePin(3, true); // INTA of device 2: PIRQB
  assertEquals([10, 11].map((line) => interrupts.isAsserted(line)), [false, false]);
  io.write(0xcf8, 4, 0x80000860);
  io.write(0xcfc, 4, 0x80800b80);
  assertEquals([10, 11].map((line) => interrupts.isAsserted(line)), [false, true]);
});

Deno.test("firmware routes interrupts, places BARs from 0xe0000000 and ports from 0xc000, and a driver's interrupts arrive", async () => {
  const workload = [{ use: "edu-dma", device: "edu0" }];
  const running = await machine({ memory: "16MiB", devices: [EDU], workload }, {});
  const { "10": bar, "3c": interrupt } = config(running, 0x10);
  assertEquals([bar, interrupt, running.io.read(0x4d1, 1)], ["e0000000", "0000010a", 0x0c]);
  assertEquals((await running.run()).verified, true);
});

Deno.test("a device that comes while the machine runs gets addresses of its own, and its driver works", async () => {
  const workload = [{ use: "edu-dma", device: "edu0" }];
  const running = await machine({ memory: "16MiB", devices: [EDU], workload }, {});
  await running.plug({ id: "edu1", use: "edu" });
  assertEquals([config(running, 0x10)["10"], config(running, 0x18)["10"]], ["e0000000", "e0100000"]);
  assertEquals(running.deviceIds, ["edu0", "edu1"]);
  assertEquals((await running.run()).verified, true);
});

Deno.test("an IOMMU's registers are where QEMU has them", async () => {
  const { space } = await machine({ platform: "amd-iommu" });
  assertEquals(space.registers(0xfed80000)?.name, "AMD IOMMU");
});

Deno.test("software finds the size of memory in the clock's memory and in the firmware configuration", async () => {
  const { io } = await machine({ memory: "5GiB", profile: { use: "pc", with: { cpus: 3 } } });
  const cmos = (index: number) => (io.write(0x70, 1, index), io.read(0x71, 1));
  const word = (index: number) => cmos(index) | cmos(index + 1) << 8;
  assertEquals([word(0x15), word(0x17), word(0x30), word(0x34)], [
    640,
    0xffff,
    0xffff,
    (0xc0000000 - 0x1000000) / 65536,
  ]);
  assertEquals([word(0x5b), cmos(0x5d), cmos(0x5f)], [0x8000, 0, 2]);
  const number = (key: number, size: 2 | 8) => {
    const view = new DataView(fwCfgItem(io, key, 8).buffer);
    return size === 8 ? Number(view.getBigUint64(0, true)) : view.getUint16(0, true);
  };
  assertEquals([number(3, 8), number(5, 2), number(0x0f, 2)], [5 * 1024 ** 3, 3, 3]);
  assertEquals(fwCfgFile(io, "etc/e820")!.length, 40);
});

Deno.test("whoever writes the reset control register resets the machine, board and devices", async () => {
  const { io, scheduler } = await machine({ devices: [EDU] });
  io.write(0xcf8, 4, 0x80000860);
  io.write(0xcfc, 4, 0x0b0b0b0b);
  io.write(0xcf8, 4, 0x80001004);
  io.write(0xcfc, 2, 2);
  io.write(0xcf9, 1, 0x06);
  scheduler.settle();
  assertEquals(io.read(0xcfc, 2), 0);
  io.write(0xcf8, 4, 0x80000860);
  assertEquals([io.read(0xcfc, 4), io.read(0xcf9, 1)], [0x80808080, 0]);
});

Deno.test("a time that cannot be read is the manifest's mistake", async () => {
  let message = "";
  await machine({ profile: { use: "pc", with: { clock: "soon" } } }).catch((error) => message = error.message);
  assertEquals(
    message,
    'manifest: profile.with.clock: found "soon", expected a date and time such as "2000-01-01T00:00:00Z", or "host"',
  );
});

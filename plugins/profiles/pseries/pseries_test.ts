import { assertEquals } from "@std/assert";
import { HypercallRegisters, loadMachine, type LoadOptions, type Machine, type Manifest } from "@iova/core";
import { machineFacts } from "@iova/chipset";
import { checkVectors } from "@iova/fields/testing";
import type { Struct } from "@iova/fields";
import { ConfigAddr, RtasHead } from "./layout.ts";

const EDU = { id: "edu0", use: "edu" };
const ARGS = 0x1000;
const RETS = 0x1100;

function machine(manifest: Partial<Manifest> = {}, options: LoadOptions = { bare: true }): Promise<Machine> {
  return loadMachine({ platform: "pseries-tce", memory: "16MiB", profile: "pseries", ...manifest }, options);
}

/** Calls firmware by name: its status, and the results as unsigned numbers. */
function rtas({ root, space }: Machine, name: string, args: number[], nret: number): number[] {
  const view = space.ramRegions[0].view;
  args.forEach((value, i) => view.setUint32(ARGS + 4 * i, value));
  const status = machineFacts(root)!.rtas!(name, args.length, ARGS, nret, RETS);
  return [status, ...Array.from({ length: nret }, (_, i) => view.getUint32(RETS + 4 * i))];
}

const BUID = [0x08000000, 0x20000000];

for (const struct of [RtasHead, ConfigAddr] as Struct<Record<never, number>>[]) {
  Deno.test(`${struct.name} agrees with the vectors written from the specification`, async () => {
    const text = await Deno.readTextFile(new URL(`./vectors/${struct.name}.json`, import.meta.url));
    checkVectors(struct, JSON.parse(text));
  });
}

Deno.test("configuration goes through run-time firmware: the first device is function 00:00.0", async () => {
  const board = await machine({ devices: [EDU] });
  const read = (addr: number, size: number) => rtas(board, "ibm,read-pci-config", [addr, ...BUID, size], 2);
  assertEquals([read(0, 4), read(2, 2), read(8, 1)], [[0, 0, 0x11e81234], [0, 0, 0x11e8], [0, 0, 0x10]]);
  assertEquals(rtas(board, "ibm,write-pci-config", [4, ...BUID, 2, 6], 1), [0, 0]);
  assertEquals([read(4, 2), rtas(board, "read-pci-config", [4, 2], 2)], [[0, 0, 6], [0, 0, 6]]);
  const [HARDWARE] = [0xffffffff];
  for (const [addr, size] of [[0x800, 4], [1, 2], [0, 3], [0x10000004, 4]]) assertEquals(read(addr, size)[1], HARDWARE);
  assertEquals(rtas(board, "ibm,read-pci-config", [0, 0, 0, 4], 2)[1], HARDWARE);
  assertEquals(rtas(board, "ibm,read-pci-config", [0, 0, 0], 2)[1], HARDWARE);
  assertEquals(rtas(board, "ibm,nothing", [], 1)[0], -4);
});

Deno.test("the time of day moves with virtual time", async () => {
  const board = await machine({ profile: { use: "pseries", with: { clock: "2024-02-29T23:59:59Z" } } });
  board.scheduler.advance(1.5e9);
  assertEquals(rtas(board, "get-time-of-day", [], 8), [0, 0, 2024, 3, 1, 0, 0, 0, 500000000]);
  assertEquals(rtas(board, "get-time-of-day", [], 2)[1], 0xfffffffd);
});

Deno.test("calls that the platform knows reach it, by name and by hypercall", async () => {
  const board = await machine({
    platform: { use: "pseries-tce", with: { ddw: true, profile: "qemu-tcg" } },
    devices: [EDU],
  });
  const expected = [0, 0, 1, 0x80000000, 0x107, 0];
  assertEquals(rtas(board, "ibm,query-pe-dma-window", [0, ...BUID], 5), expected);
  // Results that a failed call does not write stay as they were.
  assertEquals(rtas(board, "ibm,query-pe-dma-window", [0, ...BUID], 4), [0, 0xfffffffd, ...expected.slice(2, 5)]);
  const view = board.space.ramRegions[0].view;
  [0x2026, 3, 5, 0, ...BUID].forEach((value, i) => view.setUint32(0x2000 + 4 * i, value));
  assertEquals(board.guest.hypercall(0xf000, new HypercallRegisters().set(0, 0x2000)), 0);
  assertEquals([0, 1, 2, 3, 4].map((i) => view.getUint32(0x2018 + 4 * i)), expected.slice(1));
  const direct = await machine({ platform: "direct" });
  assertEquals(rtas(direct, "ibm,query-pe-dma-window", [0, ...BUID], 5)[0], -4);
  assertEquals(direct.guest.hypercall(0xf000, new HypercallRegisters().set(0, 0x2000)), -4);
});

Deno.test("memory and ports of the bus are in the host bridge's windows", async () => {
  const board = await machine({ devices: [EDU] });
  const write = (addr: number, size: number, value: number) =>
    rtas(board, "ibm,write-pci-config", [addr, ...BUID, size, value], 1);
  write(0x10, 4, 0x80000000);
  write(0x04, 2, 6);
  assertEquals(board.space.read(2 ** 45 + 0x80000000, 4), 0x010000ed);
  assertEquals(board.space.read(0x80000000, 4), 0xffffffff);
  board.io.add(0xc000, 4, { read: () => 0x5a, write() {} });
  assertEquals([board.space.read(2 ** 45 + 0xc000, 1), board.space.read(2 ** 45 + 0xcf8, 4)], [0x5a, 0xffffffff]);
});

Deno.test("drivers work on it: with its own platform, and with others", async () => {
  for (const platform of ["pseries-tce", "direct", "swiotlb", "strict"]) {
    const devices = [EDU, { id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }];
    const workload = [{ use: "edu-dma", device: "edu0" }, { use: "blk-io", device: "disk0", with: { count: 8 } }];
    const running = await machine({ platform, devices, workload }, {});
    assertEquals([platform, (await running.run()).verified], [platform, true]);
  }
});

Deno.test("a call whose buffer is nowhere, or too large, is a parameter error", async () => {
  const board = await machine();
  const registers = new HypercallRegisters();
  for (const address of [0x1000000 - 4, 2 ** 40, -1]) {
    assertEquals(board.guest.hypercall(0xf000, registers.set(0, BigInt(address))), -4);
  }
  const view = board.space.ramRegions[0].view;
  [0x2016, 0x7fffffff, 0x7fffffff].forEach((value, i) => view.setUint32(0x2000 + 4 * i, value));
  assertEquals(board.guest.hypercall(0xf000, registers.set(0, 0x2000)), -4);
  assertEquals(machineFacts(board.root)!.rtas!("ibm,read-pci-config", 4, 2 ** 40, 2, 0), -4);
});

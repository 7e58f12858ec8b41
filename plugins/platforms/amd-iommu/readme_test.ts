// The picture of the README is what its machine does.

import { assertEquals } from "@std/assert";
import { loadMachine, type Machine, type Manifest } from "@iova/core";

const README = await Deno.readTextFile(new URL("./README.md", import.meta.url));
const MANIFEST = JSON.parse(/```json\n([\s\S]*?)```/.exec(README)![1]) as Manifest;

const hex = (value: number | bigint, digits = 0) => `0x${value.toString(16).padStart(digits, "0")}`;

/** A 64-bit word of memory. */
function quad({ space }: Machine, at: number): bigint {
  return BigInt(space.read(at + 4, 4)) << 32n | BigInt(space.read(at, 4));
}

/** What leads from a bus address to memory: each table, index and entry. */
function walk(machine: Machine, address: number): string[] {
  const mmio = machine.space.registerRegions.find(({ name }) => name === "AMD IOMMU")!;
  const table = machine.space.read(roundUp(mmio.base, 0x4000), 4) & ~0xfff;
  const { requester } = machine.device("probe").port;
  const [first, second] = [quad(machine, table + requester * 32), quad(machine, table + requester * 32 + 8)];
  const lines = [
    `device table at ${hex(table)}, entry ${hex(requester, 4)}:     ${hex(first, 16)}`,
    `${hex(second, 16)}   domain 1`,
  ];
  let at = Number(first & 0xf_ffff_ffff_f000n);
  for (let level = 3; level > 0; level--) {
    const index = Math.floor(address / 2 ** (3 + 9 * level)) % 512;
    const entry = quad(machine, at + index * 8);
    lines.push(`level ${level}   ${hex(at)} [${String(index).padStart(3)}]`, hex(entry, 16));
    at = Number(entry & 0xf_ffff_ffff_f000n);
  }
  return lines;
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

Deno.test("the addresses, entries and indices of the picture are those of the first buffer that the probe writes", async () => {
  const machine = await loadMachine(MANIFEST);
  const lines: string[] = [];
  machine.events.listen(({ type, direction, handle, size, cpu }) => {
    if (type !== "map" || direction !== "from device" || lines.length > 0) return;
    lines.push(`writes ${size} bytes to ${handle}`, `the byte at \`${cpu}\``, `memory  ${cpu}`);
    lines.push(...walk(machine, Number(handle)));
  });
  assertEquals((await machine.run()).verified, true);
  assertEquals(lines.filter((line) => !README.includes(line)), []);
});

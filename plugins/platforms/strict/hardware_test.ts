import { assertEquals } from "@std/assert";
import { BusStatus, type PhysAddr } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import { checkVectors, type VectorFile } from "@iova/fields/testing";
import { StrictBridge } from "./hardware.ts";
import { RangeTable } from "./hardware_table.ts";
import { StrictCommand, StrictRegisters } from "./layout.ts";
import strict from "./mod.ts";
import command from "./vectors/command.json" with { type: "json" };
import registers from "./vectors/registers.json" with { type: "json" };

/** The bridge alone, driven through its registers as any guest could. */
function bridge(entries = 100) {
  const { world, bus, translator } = testPlatform(strict, { with: { entries } });
  const base = world.space.registerRegions.find(({ name }) => name === "strict")!.base;
  const read = (register: keyof typeof StrictRegisters.at) => world.guest.read(base + StrictRegisters.at[register], 4);
  const ring = (block: PhysAddr) => {
    world.guest.write(base + StrictRegisters.at.doorbell, 4, block / 64);
    return read("status");
  };
  const run = (fields: Parameters<typeof StrictCommand.encode>[0], block = 0x2_0000) => {
    world.bytes(block, 32).set(StrictCommand.encode(fields));
    return ring(block);
  };
  const port = bus.attach("dev", 8);
  const enter = (address: bigint, size: number, frame: bigint, rights = 3, requester = 8) =>
    run({ opcode: 1, address, size, frame, rights, requester });
  return { world, translator, base, read, ring, run, enter, port };
}

const OK = 0, FULL = 1, OVERLAP = 2, NOT_FOUND = 3, INVALID = 4;

Deno.test("the layouts have the bytes that their vectors say", () => {
  checkVectors(StrictCommand, command as VectorFile);
  checkVectors(StrictRegisters, registers as VectorFile);
});

Deno.test("a mapping that was entered through the registers translates, and ends when it is removed", () => {
  const { world, enter, run, port, read } = bridge();
  assertEquals(read("version"), 1);
  assertEquals(enter(0x8000_0000_0000_1000n, 4096, 0x3_0000n), OK);
  assertEquals(read("live"), 1);
  assertEquals(port.write(0x8000_0000_0000_1ffen, new Uint8Array([1, 2])), BusStatus.OK);
  assertEquals([...world.bytes(0x3_0ffe, 2)], [1, 2]);
  assertEquals(run({ opcode: 2, address: 0x8000_0000_0000_1000n }), OK);
  assertEquals([read("live"), read("pending")], [0, 0]);
  assertEquals(port.read(0x8000_0000_0000_1000n, new Uint8Array(1)), BusStatus.UNSUPPORTED_REQUEST);
});

Deno.test("address and frame may differ in low bits: the pieces get as small as they must", () => {
  const { world, enter, port } = bridge();
  assertEquals(enter(0x5001n, 100, 0x3_0002n), OK);
  assertEquals(port.write(0x5001n, new Uint8Array(100).map((_, i) => i)), BusStatus.OK);
  assertEquals([...world.bytes(0x3_0001, 3)], [0, 0, 1]);
  assertEquals(world.bytes(0x3_0065, 1)[0], 99);
});

Deno.test("commands that make no sense are refused and change nothing", () => {
  const { enter, run, ring, read } = bridge(3);
  assertEquals(enter(0x1000n, 0, 0n), INVALID, "no bytes");
  assertEquals(enter(0x1000n, 0x4000_0001, 0n), INVALID, "too many bytes");
  assertEquals(enter(0x4000_0000_0000_0000n, 16, 0n), INVALID, "an address with bit 62");
  assertEquals(enter(0x1f_ffff_ffff_fff8n, 16, 0n), INVALID, "an address that runs into bit 53");
  assertEquals(run({ opcode: 7 }), INVALID, "an opcode that does not exist");
  assertEquals(ring(0xdead_0000), INVALID, "no memory there");
  assertEquals(ring(0x1_0000_0000), INVALID, "nor there");
  assertEquals(run({ opcode: 2, address: 0x1000n }), NOT_FOUND);
  assertEquals(enter(0x1000n, 0x100, 0n), OK);
  for (const [address, size] of [[0x1000n, 1], [0x10ffn, 1], [0xfffn, 2], [0x800n, 0x1000], [0x1080n, 1]] as const) {
    assertEquals(enter(address, size, 0n), OVERLAP, `0x${address.toString(16)}`);
  }
  assertEquals(run({ opcode: 2, address: 0x1001n }), NOT_FOUND, "not the start");
  assertEquals([enter(0x1100n, 1, 0n), enter(0xfffn, 1, 0n), enter(0x2000n, 1, 0n)], [OK, OK, FULL]);
  assertEquals(read("live"), 3);
});

Deno.test("registers other than the doorbell cannot be written, nor any in parts", () => {
  const { world, base, read } = bridge();
  for (let offset = 0; offset < 24; offset++) {
    if (offset !== 4) world.guest.write(base + offset, 4, 0xffff_ffff);
    world.guest.write(base + offset, 1, 0xff);
    world.guest.read(base + offset, 2);
  }
  assertEquals([read("version"), read("status"), read("live"), read("pending")], [1, 0, 0, 0]);
});

Deno.test("the same low bits with and without bit 63 are two addresses", () => {
  const { world, enter, port } = bridge();
  enter(0x1_0000_0000n, 64, 0x3_0000n);
  enter(0x8000_0001_0000_0000n, 64, 0x3_1000n);
  port.write(0x1_0000_0000n, new Uint8Array([1]));
  port.write(0x8000_0001_0000_0000n, new Uint8Array([2]));
  assertEquals([world.bytes(0x3_0000, 1)[0], world.bytes(0x3_1000, 1)[0]], [1, 2]);
});

Deno.test("a reset forgets every mapping", () => {
  const { translator, enter, port, read } = bridge();
  enter(0x1000n, 64, 0x3_0000n);
  translator!.reset!();
  assertEquals(read("live"), 0);
  assertEquals(port.read(0x1000n, new Uint8Array(1)), BusStatus.UNSUPPORTED_REQUEST);
  assertEquals(enter(0x1000n, 64, 0x3_0000n), OK);
});

Deno.test("a bridge that is not in its place yet refuses commands", () => {
  const alone = new StrictBridge(10, () => {});
  alone.write(StrictRegisters.at.doorbell, 4, 1);
  assertEquals(alone.read(StrictRegisters.at.status, 4), INVALID);
});

Deno.test("the table finds what is in it after any number of changes in any order", () => {
  const table = new RangeTable();
  const model = new Map<number, number>();
  let seed = 12345;
  const random = (limit: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % limit;
  for (let step = 0; step < 20_000; step++) {
    const first = random(2000) * 16;
    const last = first + random(16);
    if (random(2) === 0 && table.isFree(first, last)) {
      table.insert(first, last);
      model.set(first, last);
    } else {
      const at = table.find(first);
      assertEquals(at >= 0, model.has(first));
      if (at >= 0 && random(2) === 0) {
        table.remove(at);
        model.delete(first);
      }
    }
    const offset = random(32_000);
    const expected = model.get(offset - offset % 16) ?? -1;
    assertEquals(table.find(offset) >= 0, expected >= offset, `offset ${offset} at step ${step}`);
  }
  assertEquals(table.live, model.size);
});

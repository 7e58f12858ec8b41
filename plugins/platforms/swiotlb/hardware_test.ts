import { assertEquals } from "@std/assert";
import { checkVectors } from "@iova/fields/testing";
import { Access, BusStatus, Random, Transaction, Translation, type Width } from "@iova/core";
import { testPlatform, testWorld } from "@iova/core/testing";
import { Firewall } from "./hardware.ts";
import { FirewallRegisters } from "./layout.ts";
import swiotlb from "./mod.ts";
import vectors from "./vectors/firewall_registers.json" with { type: "json" };

const { at } = FirewallRegisters;

/** A firewall on a bus of a world with 16 MiB of RAM. */
function world() {
  const made = testWorld({ ram: [[0, 0x100_0000]] });
  const firewall = new Firewall();
  const translator = made.root.bridge.translate(made.context, (host) => firewall.attach(host))!;
  return { made, firewall, translator, port: made.root.attach("dev", 8) };
}

Deno.test("the register block is laid out as its vectors say", () => checkVectors(FirewallRegisters, vectors));

Deno.test("nothing is reached before the window is enabled", () => {
  const { firewall, port } = world();
  firewall.write(at.pages, 4, 0x1000);
  assertEquals(port.read(0n, new Uint8Array(1)), BusStatus.COMPLETER_ABORT);
  firewall.write(at.enable, 4, 1);
  assertEquals(port.read(0n, new Uint8Array(1)), BusStatus.OK);
  assertEquals(firewall.read(at.refused, 4), 1);
});

Deno.test("once locked, no write has an effect", () => {
  const { firewall, port } = world();
  firewall.write(at.basePage, 4, 0x10);
  firewall.write(at.pages, 4, 1);
  firewall.write(at.enable, 4, 3);
  for (const register of [at.basePage, at.pages, at.enable]) firewall.write(register, 4, 0);
  assertEquals([at.basePage, at.pages, at.enable].map((register) => firewall.read(register, 4)), [0x10, 1, 3]);
  assertEquals(port.read(0x1_0000n, new Uint8Array(4096)), BusStatus.OK);
  assertEquals(port.read(0x1_0000n, new Uint8Array(4097)), BusStatus.COMPLETER_ABORT);
});

Deno.test("a window that would wrap round ends at the last page", () => {
  const { firewall, port } = world();
  firewall.write(at.basePage, 4, 0xffff_ffff);
  firewall.write(at.pages, 4, 0xffff_ffff);
  firewall.write(at.enable, 4, 1);
  assertEquals(port.read(0n, new Uint8Array(1)), BusStatus.COMPLETER_ABORT);
});

Deno.test("where nothing is bounced behind a firewall there is no translator", () => {
  assertEquals(testPlatform(swiotlb).translator, null);
});

Deno.test("100,000 random register writes and accesses: nothing outside the window is ever let through (seed printed)", () => {
  const seed = 20260715;
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  const value = () => [0, 1, 3, 0x10, 0xffff_ffff, random.next(), random.below(0x2000)][random.below(7)];
  const tx = new Transaction();
  const out = new Translation();
  let { firewall, translator } = world();
  for (let i = 0; i < 100_000; i++) {
    if (i % 64 === 0) ({ firewall, translator } = world());
    const width = [4, 4, 4, 2, 1][random.below(5)] as Width;
    const register = [at.basePage, at.pages, at.enable, random.below(64)][random.below(4)];
    // A write to lock would end the generation: it is rare.
    firewall.write(register, width, register === at.enable && random.below(50) > 0 ? value() & 1 : value());
    firewall.read(random.below(64), width);
    tx.hi = [0, 0, 0, -1, random.below(0x2000)][random.below(5)];
    tx.lo = [random.below(0x200_0000), random.next() | 0, -1][random.below(3)];
    tx.length = 1;
    tx.access = Access.WRITE;
    const status = translator.translate(tx, out);
    const [base, pages, control] = [at.basePage, at.pages, at.enable].map((offset) => firewall.read(offset, 4));
    const page = Number(tx.address >> 12n);
    const inside = (control & 1) !== 0 && page >= base && page < Math.min(base + pages, 2 ** 32);
    assertEquals(status === BusStatus.OK, inside, `seed ${seed}, case ${i}`);
    if (!inside) continue;
    // The whole block that is answered for lies in the window.
    const block = 2 ** (out.shift - 12);
    const first = Math.floor(page / block) * block;
    assertEquals([out.hi, out.lo, first >= base, first + block <= base + pages], [tx.hi, tx.lo, true, true]);
  }
});

import { assertEquals, assertThrows } from "@std/assert";
import { InputError } from "@iova/core";
import { PLACE, World } from "../testdata/world.ts";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

Deno.test("EFR says what is built: PreF, PPR, IA, HE, six levels, automatic page responses", () => {
  assertEquals(new World().read(0x30), 0x0000020000000943n);
  assertEquals(new World({ pri: false, hostLevels: 4 }).read(0x30), 0x0000000000000141n);
  assertEquals(new World({ accessDirty: true }).read(0x30), 0x0012020000000943n);
  assertEquals(new World().read(0x1a0), 0n);
});

Deno.test("reserved bits read zero after all ones were written", () => {
  const world = new World();
  const written = (offset: number) => {
    world.write(offset, 0xffff_ffff_ffff_ffffn);
    return world.read(offset);
  };
  assertEquals(written(0x00), 0x000ffffffffff1ffn);
  assertEquals(written(0x08), 0x0f0ffffffffff000n);
  assertEquals(written(0x10), 0x0f0ffffffffff000n);
  assertEquals(written(0x38), 0x0f0ffffffffff000n);
  assertEquals(written(0x20), 0x000ffffffffff003n);
  assertEquals(written(0x28), 0x000ffffffffff000n);
  assertEquals(written(0x30), 0x0000020000000943n);
  assertEquals(written(0x2080), 0x1fn);
  // Bits 15:0, 21:18, 39 and 42: every other feature is absent.
  assertEquals(written(0x18), 0x00000480003cffffn);
});

Deno.test("a ring pointer takes bits 18:4 that lie in the ring", () => {
  const world = new World();
  world.write(0x8, 0x400000n | 15n << 56n);
  world.write(0x2000, 0x7ffffn);
  assertEquals(world.read(0x2000), 0x7fff0n);
  world.write(0x8, 0x400000n | 8n << 56n);
  world.write(0x2000, 0x1000n);
  assertEquals(world.read(0x2000), 0n);
});

Deno.test("registers that are not there read zero, and narrow accesses read their part and write nothing", () => {
  const world = new World();
  for (const offset of [0x60, 0xe0, 0x200, 0x2040, 0x3ff8]) {
    world.write(offset, 0xffff_ffffn);
    assertEquals(world.read(offset), 0n);
  }
  world.write(0, 0x12345000n);
  assertEquals([world.space.read(PLACE.MMIO + 1, 1), world.space.read(PLACE.MMIO + 2, 2)], [0x50, 0x1234]);
  world.space.write(PLACE.MMIO + 1, 1, 0);
  assertEquals(world.read(0), 0x12345000n);
});

Deno.test("run bits follow IommuEn with each enable, and fall with either", () => {
  const world = new World();
  world.start(0xf00cn);
  assertEquals(world.read(0x2020), 0n);
  world.write(0x18, 0xf00dn);
  assertEquals(world.read(0x2020), 0x98n);
  world.write(0x18, 0xd00dn);
  assertEquals(world.read(0x2020), 0x18n);
  world.write(0x18, 0xf00cn);
  assertEquals(world.read(0x2020), 0n);
});

Deno.test("the capability block", () => {
  const world = new World();
  const bytes = new Uint8Array(40);
  for (let i = 0; i < bytes.length; i++) bytes[i] = world.space.read(world.configuration + 0x40 + i, 1);
  // Secure device, next 58h, IOMMU, revision 1, IotlbSup, EFRSup, CapExt; base fed80000h, enabled; 48, 52, 64 bits.
  assertEquals(hex(bytes.subarray(0, 24)), "0f580b190100d8fe000000000000000040342000" + "00000000");
  assertEquals(hex(bytes.subarray(24, 28)), "05008000");
  assertEquals(world.space.read(world.configuration, 4), 0x14191022);
  assertEquals(world.space.read(world.configuration + 8, 4), 0x08060000);
  assertEquals(world.space.read(world.configuration + 0x34, 1), 0x40);
  assertEquals(world.space.read(world.configuration + 4, 4) >>> 16 & 0x10, 0x10);
});

Deno.test("the capability block is locked, and says whether there are ATS and NpCache", () => {
  const world = new World({ ats: false, npCache: true });
  assertEquals(world.space.read(world.configuration + 0x40, 4), 0x1c0b580f);
  world.space.write(world.configuration + 0x44, 4, 0);
  assertEquals(world.space.read(world.configuration + 0x44, 4), 0xfed80001);
});

Deno.test("reset brings everything back to power-on", () => {
  const world = new World().start();
  world.enableMessages();
  world.dte(0x6000000000700203n);
  world.where(0x1000n);
  world.iommu.reset!();
  for (const offset of [0, 8, 0x10, 0x18, 0x2018, 0x2020]) assertEquals(world.read(offset), 0n);
  assertEquals(world.read(0x30), 0x0000020000000943n);
  assertEquals(world.space.read(world.configuration + 0x58, 4), 0x00800005);
  assertEquals(world.where(0x1000n), 0x1000n);
});

Deno.test("a snapshot restores registers and goes on where it stood", () => {
  const world = new World().start();
  world.dte(0x6000000000700203n);
  world.poke(PLACE.ROOT + 8, 0x6000000000201001n);
  world.where(0x2000n);
  const saved = structuredClone(world.iommu.snapshot!());
  world.iommu.reset!();
  world.iommu.restore!(saved);
  assertEquals([world.where(0x1000n), world.read(0x2018), world.read(0x2020)], [0x201000n, 0x10n, 0x1an]);
});

Deno.test("the IVRS table has the three blocks, all devices, and a sum of zero", () => {
  const { ivrs } = new World();
  assertEquals(new TextDecoder().decode(ivrs.subarray(0, 4)), "IVRS");
  assertEquals(ivrs.reduce((sum, byte) => sum + byte, 0) & 0xff, 0);
  const view = new DataView(ivrs.buffer);
  assertEquals([view.getUint32(4, true), ivrs[8]], [48 + 28 + 44 + 44, 2]);
  // EFRSup, 48-bit guest addresses, 52 physical bits, 64 virtual bits.
  assertEquals(view.getUint32(36, true), 0x00203441);
  // Type 10h: IotlbSup, Coherent, PreFSup, PPRSup; 28 bytes; 00:00.2; capability at 40h; IA, HE, HATS 2; all devices.
  assertEquals(hex(ivrs.subarray(48, 76)), "10f01c00020040000000d8fe0000000000000000a000008001000000");
  // Type 11h: IotlbSup, Coherent; EFR and EFR2 images.
  const rest = "2c00020040000000d8fe0000000000000000000000004309000000020000000000000000000001000000";
  assertEquals(hex(ivrs.subarray(76, 120)), "1130" + rest);
  assertEquals(hex(ivrs.subarray(120, 164)), "4030" + rest);
});

Deno.test("devices that are left out get ranges around them, pass untranslated, and are not covered", () => {
  const world = new World({ exclude: "00:05.0, 01:00.0-01:1f.7", ivhd: "10h" }).start();
  assertEquals(world.ivrs[8], 1);
  assertEquals(hex(world.ivrs.subarray(72)), "0300000004270000" + "0329000004ff0000" + "0300020004ffff00");
  assertEquals([0x27, 0x28, 0x29, 0xff, 0x100, 0x1ff, 0x200].map((id) => world.iommu.covers!(id)), [
    true,
    false,
    true,
    true,
    false,
    false,
    true,
  ]);
  world.dte(3n);
  assertEquals(world.where(0x1000n), 0x1000n);
});

Deno.test("wrong options are refused with what was found and what was expected", () => {
  const message = (options: ConstructorParameters<typeof World>[0]) =>
    assertThrows(() => new World(options), InputError).message;
  assertEquals(
    message({ exclude: "00:20.0" }),
    'test.json: platform.with.exclude: found "00:20.0", expected a device such as 00:05.0, or two with a hyphen between them',
  );
  assertEquals(message({ iotlb: 100 }), "test.json: platform.with.iotlb: found 100, expected a power of two");
});

import { assert, assertEquals } from "@std/assert";
import { AddressType, BusStatus, DmaHandle, RamRegion } from "@iova/core";
import { putSizeCode } from "../layout.ts";
import { PLACE, World } from "../testdata/world.ts";

const R = PLACE.ROOT;
const { OK, UNSUPPORTED_REQUEST, COMPLETER_ABORT } = BusStatus;

/** A world whose device has a one-level table. */
function mode1(options?: ConstructorParameters<typeof World>[0], q1 = 5n): World {
  const world = new World(options).start();
  world.dte(0x6000000000700203n, q1);
  return world;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (letters: string) => new TextEncoder().encode(letters);

Deno.test("case 1: with V clear a read passes, rights or not, and nothing is logged", () => {
  const world = new World().start();
  world.dte(0n);
  world.ram.bytes.set(bytes("here"), 0x201000);
  const port = world.bus.attach("dev", PLACE.DEVICE);
  const into = new Uint8Array(4);
  assertEquals(port.read(0x201000n, into), OK);
  assertEquals(text(into), "here");
  assertEquals(world.log(), []);
  assertEquals(world.read(0x2020), 0x18n);
});

Deno.test("case 2: mode 0 without rights aborts a write and logs it", () => {
  const world = new World().start();
  world.dte(0x3n);
  const port = world.bus.attach("dev", PLACE.DEVICE);
  assertEquals(port.write(0x201000n, bytes("no")), COMPLETER_ABORT);
  assertEquals(world.peek(0x201000), 0n);
  assertEquals(world.log(), [[0x2070000500000028n, 0x201000n]]);
});

Deno.test("case 3: mode 0 with IR only lets a read through and faults a write", () => {
  const world = new World().start();
  world.dte(0x2000000000000003n);
  assertEquals(world.where(0x201000n), 0x201000n);
  assertEquals(world.ask(0x201000n, 2).status, COMPLETER_ABORT);
  assertEquals(world.log(), [[0x2070000500000028n, 0x201000n]]);
});

Deno.test("case 4: V without TV faults as not present", () => {
  const world = new World().start();
  world.dte(1n);
  assertEquals(world.where(0x1000n), "completer abort");
  assertEquals(world.log(), [[0x2000000500000028n, 0x1000n]]);
});

Deno.test("case 5: an entry that is not present faults although it has rights", () => {
  const world = mode1();
  world.poke(R + 4 * 8, 0x6000000000201000n);
  assertEquals(world.ask(0x4000n, 2).status, COMPLETER_ABORT);
  assertEquals(world.log(), [[0x2020000500000028n, 0x4000n]]);
});

for (const iotlb of [0, 1024]) {
  Deno.test(`case 6: rights are those that every level grants, IOTLB of ${iotlb}`, () => {
    const world = new World({ iotlb }).start();
    world.dte(0x2000000000700203n);
    world.poke(R + 2 * 8, 0x6000000000201001n);
    assertEquals(world.where(0x2000n), 0x201000n);
    assertEquals(world.ask(0x2000n, 2).status, COMPLETER_ABORT);
    assertEquals(world.log(), [[0x2070000500000028n, 0x2000n]]);
  });

  Deno.test(`case 6: a read-only directory entry in mode 2, IOTLB of ${iotlb}`, () => {
    const world = new World({ iotlb }).start();
    world.dte(0x6000000000700403n);
    world.poke(R, 0x2000000000701201n);
    world.poke(0x701000 + 2 * 8, 0x6000000000201001n);
    assertEquals(world.where(0x2000n), 0x201000n);
    assertEquals(world.ask(0x2000n, 2).status, COMPLETER_ABORT);
    assertEquals(world.log(), [[0x2070000500000028n, 0x2000n]]);
  });
}

Deno.test("case 7: sixteen replicas of a 64 KiB page", () => {
  const world = mode1({}, 0x0000000100000005n);
  for (let i = 0; i < 16; i++) world.poke(R + i * 8, 0x6000000000207e01n);
  assertEquals(world.where(0x3000n), 0x203000n);
  assertEquals(world.where(0xf000n), 0x20f000n);
  const answer = world.ask(0xf000n, 1, AddressType.TRANSLATION_REQUEST);
  assertEquals([answer.status, answer.out.lo >>> 0, answer.shift, answer.rights], [OK, 0x200000, 16, 3]);
  const completion = new DmaHandle().setNumber(answer.out.lo);
  putSizeCode(completion, answer.shift);
  assertEquals(completion.value | 0x803n, 0x207803n);
});

Deno.test("case 8: a 2 MiB page keeps the offset in it", () => {
  const world = new World().start();
  world.dte(0x6000000000700403n);
  world.poke(R, 0x6000000000800001n);
  assertEquals(world.where(0x1ff000n), 0x9ff000n);
});

Deno.test("case 9: a 4 MiB page needs its replica, and is found by either", () => {
  const world = new World().start();
  world.dte(0x6000000000700403n);
  world.poke(R, 0x60000000009ffe01n);
  world.poke(R + 8, 0x60000000009ffe01n);
  assertEquals(world.where(0x201000n), 0xa01000n);
  const other = new World().start();
  other.dte(0x6000000000700403n);
  other.poke(R, 0x60000000009ffe01n);
  assertEquals(other.where(0x201000n), "completer abort");
  assertEquals(other.log(), [[0x2000000500000028n, 0x201000n]]);
});

Deno.test("case 10: a size code that belongs to another level is an encoding fault", () => {
  const world = mode1();
  world.poke(R, 0x60000000002ffe01n);
  assertEquals(world.where(0n), "completer abort");
  assertEquals(world.log(), [[0x2010000500000028n, 0n]]);
});

Deno.test("case 11: every reserved bit of a leaf faults, and no other bit does", () => {
  for (let bit = 52n; bit <= 58n; bit++) {
    const world = mode1();
    world.poke(R + 8, 0x6000000000201001n | 1n << bit);
    assertEquals(world.where(0x1000n), "completer abort", `bit ${bit}`);
    assertEquals(world.log(), [[0x2090000500000028n, 0x1000n]]);
  }
  for (const bit of [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 59n, 60n, 63n]) {
    const world = mode1();
    world.poke(R + 8, 0x6000000000201001n | 1n << bit);
    assertEquals(world.where(0x1000n), 0x201000n, `bit ${bit}`);
  }
});

Deno.test("case 12: a level may be skipped when the bits that would have indexed it are zero", () => {
  const world = new World().start();
  world.dte(0x6000000000700603n);
  world.poke(R, 0x6000000000701201n);
  world.poke(0x701000 + 3 * 8, 0x6000000000203001n);
  assertEquals(world.where(0x3000n), 0x203000n);
  assertEquals(world.where(0x203000n), "completer abort");
  assertEquals(world.log(), [[0x2000000500000028n, 0x203000n]]);
});

Deno.test("case 13: a directory entry that points to its own level is an encoding fault", () => {
  const world = new World().start();
  world.dte(0x6000000000700403n);
  world.poke(R, 0x6000000000700401n);
  assertEquals(world.where(0x1000n), "completer abort");
  assertEquals(world.log(), [[0x2010000500000028n, 0x1000n]]);
});

Deno.test("case 14: an address wider than the table is not present, and 64 bits fit six levels", () => {
  const world = mode1();
  assertEquals(world.where(0x201000n), "completer abort");
  world.dte(0x6000000000700603n, 5n, 0x30);
  assertEquals(world.ask(0x8000000000n, 1, 0, { requester: 0x30 }).status, COMPLETER_ABORT);
  assertEquals(world.log(), [[0x2000000500000028n, 0x201000n], [0x2000000500000030n, 0x8000000000n]]);
  world.dte(0x6000000000700c03n, 6n, 0x38);
  world.poke(R + 0x7f * 8, 0x6000000000701a01n);
  for (let level = 5; level > 1; level--) {
    const next = BigInt(level - 1) << 9n;
    world.poke(
      0x701000 + (5 - level) * 0x1000 + 0xff8,
      0x6000000000000001n | BigInt(0x702000 + (5 - level) * 0x1000) | next,
    );
  }
  world.poke(0x705000 + 0xff8, 0x6000000000abc001n);
  assertEquals(world.ask(0xffff_ffff_ffff_f123n, 1, 0, { requester: 0x38 }).address, 0xabc123n);
});

Deno.test("case 15: a reserved bit in a device table entry", () => {
  const world = new World().start();
  world.dte(0x6000000000700207n);
  assertEquals(world.where(0x1000n), "completer abort");
  assertEquals(world.log(), [[0x1080000000000028n, 0x1000n]]);
});

Deno.test("case 31: the first page of a write lands, the second is dropped, one event", () => {
  const world = mode1();
  world.poke(R + 8, 0x6000000000201001n);
  const port = world.bus.attach("dev", PLACE.DEVICE);
  assertEquals(port.write(0x1000n, new Uint8Array(8192).fill(0xaa)), COMPLETER_ABORT);
  assert(world.ram.bytes.subarray(0x201000, 0x202000).every((byte) => byte === 0xaa));
  assert(world.ram.bytes.subarray(0x202000, 0x203000).every((byte) => byte === 0));
  assertEquals(world.log(), [[0x2020000500000028n, 0x2000n]]);
});

Deno.test("case 32: a device beyond the table is refused, with the event that the option names", () => {
  const world = new World().start();
  const status = world.ask(0x3000n, 1, 0, { requester: 0x100 }).status;
  assertEquals([status, world.log()], [COMPLETER_ABORT, [[0x1000000000000100n, 0x3000n]]]);
  const other = new World({ deviceBeyondTable: "IO_PAGE_FAULT" }).start();
  other.ask(0x3000n, 2, 0, { requester: 0x100 });
  assertEquals(other.log(), [[0x2020000000000100n, 0n]]);
});

Deno.test("while translation is off everything passes, and translation requests are refused", () => {
  const world = new World();
  assertEquals(world.where(0xffff_ffff_ffff_0000n), 0xffff_ffff_ffff_0000n);
  assertEquals(world.ask(0n, 1, AddressType.TRANSLATION_REQUEST).status, UNSUPPORTED_REQUEST);
});

Deno.test("every reserved bit of the entry's low half is refused, and every bit of an absent feature", () => {
  const reserved = [2n, 3n, 4n, 5n, 6n, 7n, 8n, 53n, 54n, 55n, 56n, 57n, 58n, 59n, 60n, 63n];
  for (let bit = 0n; bit < 64n; bit++) {
    if (bit < 2n || (bit >= 9n && bit < 52n) || bit === 61n || bit === 62n) continue;
    const world = new World().start();
    world.dte(0x6000000000700203n | 1n << bit);
    world.poke(R + 8, 0x6000000000201001n);
    assertEquals(world.where(0x1000n), reserved.includes(bit) ? "completer abort" : 0x201000n, `bit ${bit}`);
  }
  for (let bit = 16n; bit < 64n; bit++) {
    const isReserved = bit < 32n || bit === 42n || bit >= 43n;
    const world = new World().start();
    world.dte(0x6000000000700203n, 5n | 1n << bit);
    world.poke(R + 8, 0x6000000000201001n);
    assertEquals(world.where(0x1000n), isReserved ? "completer abort" : 0x201000n, `bit ${64n + bit}`);
  }
});

Deno.test("the entry's upper half counts only while IV is set", () => {
  for (
    const [q2, q3, good] of [[1n << 52n, 0n, true], [1n | 1n << 52n, 0n, false], [1n, 1n, false], [
      1n,
      0n,
      true,
    ]] as const
  ) {
    const world = new World().start();
    world.dte(0x6000000000000003n, 5n, PLACE.DEVICE, q2, q3);
    assertEquals(world.ask(0x1000n).status === OK, good, `${q2} ${q3}`);
  }
});

Deno.test("a mode that is reserved or has too many levels is refused as the option says", () => {
  const world = new World({ hostLevels: 4 }).start();
  world.dte(0x6000000000700a03n);
  assertEquals(world.where(0x1000n), "completer abort");
  world.dte(0x6000000000700e03n, 5n, 0x30);
  world.ask(0x2000n, 2, 0, { requester: 0x30 });
  assertEquals(world.log(), [[0x1000000000000028n, 0x1000n], [0x1020000000000030n, 0x2000n]]);
  const other = new World({ badMode: "IO_PAGE_FAULT" }).start();
  other.dte(0x6000000000700e03n);
  other.where(0x1000n);
  assertEquals(other.log(), [[0x2010000500000028n, 0x1000n]]);
});

Deno.test("an entry that no memory holds is a hardware error, in the log and in the hardware event registers", () => {
  const world = new World().start();
  world.write(0, 0x2000000n);
  assertEquals(world.where(0x1000n), "completer abort");
  assertEquals(world.log(), [[0x3200000000000028n, 0x2000500n]]);
  assertEquals([world.read(0x40), world.read(0x48), world.read(0x50)], [0x3200000000000028n, 0x2000500n, 1n]);
  world.where(0x2000n);
  assertEquals(world.read(0x50), 3n);
  world.write(0x50, 3n);
  assertEquals(world.read(0x50), 0n);
});

Deno.test("a page table that no memory holds is a hardware error with the entry's address", () => {
  const world = new World().start();
  world.dte(0x6000000002000203n);
  assertEquals(world.ask(0x5000n, 2).status, COMPLETER_ABORT);
  assertEquals(world.log(), [[0x4220000500000028n, 0x2000028n]]);
});

Deno.test("the exclusion range passes for devices that ask for it, or for all", () => {
  const world = mode1({}, 0x0000008000000005n);
  world.dte(0x6000000000700203n, 5n, 0x30);
  world.write(0x28, 0x6000n);
  world.write(0x20, 0x4001n);
  assertEquals(world.where(0x4000n), 0x4000n);
  assertEquals(world.where(0x6fffn), 0x6fffn);
  assertEquals(world.where(0x3fffn), "completer abort");
  assertEquals(world.where(0x7000n), "completer abort");
  assertEquals(world.ask(0x5000n, 1, 0, { requester: 0x30 }).status, COMPLETER_ABORT);
  world.write(0x20, 0x4003n);
  assertEquals(world.ask(0x5000n, 2, 0, { requester: 0x30 }).address, 0x5000n);
});

Deno.test("a read of the interrupt window is refused, a write passes as it is", () => {
  const world = mode1();
  assertEquals(world.ask(0xfee00000n, 1).status, COMPLETER_ABORT);
  assertEquals(world.log(), [[0x8000000000000028n, 0xfee00000n]]);
  assertEquals(world.ask(0xfee01000n, 2).address, 0xfee01000n);
});

Deno.test("ioCtl and sysMgt decide about their ranges", () => {
  const q0 = 0x6000000000700803n; // mode 4
  const outcome = (q1: bigint, address: bigint, access: 1 | 2 = 2, word = q0) => {
    const world = new World().start();
    world.dte(word, q1);
    const { status } = world.ask(address, access);
    return status === OK ? "ok" : world.log().map(([event]) => event.toString(16)).join();
  };
  const io = 0xfdfc000000n;
  const management = 0xfdf9100000n;
  assertEquals(outcome(5n, io), "8400000000000028");
  assertEquals(outcome(5n | 1n << 35n, io), "ok");
  assertEquals(outcome(5n | 2n << 35n, io), "2020000500000028");
  assertEquals(outcome(5n | 3n << 35n, io), "10a0000000000028");
  assertEquals(outcome(5n, management, 2), "8600000000000028");
  assertEquals(outcome(5n, management, 1), "8800000000000028");
  assertEquals(outcome(5n | 1n << 40n, management), "ok");
  assertEquals(outcome(5n | 2n << 40n, management), "8600000000000028");
  assertEquals(outcome(5n | 3n << 40n, management), "2020000500000028");
  assertEquals(outcome(5n | 3n << 40n, management, 2, 1n), "8e00000000000028");
  assertEquals(outcome(5n | 2n << 35n, io, 2, 1n), "8e00000000000028");
});

Deno.test("with HTRangeIgnore those ranges are ordinary addresses", () => {
  const world = new World({ htRangeIgnore: true }).start();
  assertEquals(world.read(0x1a0), 0x800n);
  world.dte(0x6000000000700803n);
  world.ask(0xfdfc000000n, 2);
  assertEquals(world.log(), [[0x2020000500000028n, 0xfdfc000000n]]);
});

Deno.test("an atomic needs both rights", () => {
  const world = mode1();
  world.poke(R + 8, 0x2000000000201001n);
  assertEquals(world.ask(0x1000n, 3).status, COMPLETER_ABORT);
  assertEquals(world.log(), [[0x2070000500000028n, 0x1000n]]);
});

Deno.test("a request with a PASID is not present: guest tables are not offered", () => {
  const world = mode1();
  world.poke(R + 8, 0x6000000000201001n);
  assertEquals(world.ask(0x1000n, 1, 0, { pasid: 0x12345 }).status, COMPLETER_ABORT);
  assertEquals(world.log(), [[0x2001234500010028n, 0x1000n]]);
});

Deno.test("every page size of every level is found at its base, at its end and by each replica", () => {
  for (let level = 1; level <= 5; level++) {
    const base = 12 + 9 * (level - 1);
    for (let shift = base; shift < base + 9 && shift <= 52; shift++) {
      const world = new World({ iotlb: 0, htRangeIgnore: true }).start();
      world.dte(0x6000000000700003n | BigInt(level) << 9n);
      const size = 1n << BigInt(shift);
      // The frame is size itself where 52 bits allow it.
      const frame = shift < 52 ? size : 0n;
      const coded = frame | (size / 2n - 0x1000n) | 7n << 9n;
      const entry = (shift === base ? frame : coded & ~(size / 2n)) | 0x6000000000000001n;
      for (let i = 0; i < 1 << (shift - base); i++) world.poke(R + i * 8, entry);
      const answer = world.ask(size - 1n);
      assertEquals([answer.address, answer.shift], [frame + size - 1n, shift], `level ${level}, 2^${shift} bytes`);
      assertEquals(world.ask(0n).address, frame);
    }
  }
});

Deno.test("accessed and dirty bits are kept when the feature is on, with an IOTLB as well", () => {
  const world = new World({ accessDirty: true });
  world.start(0x100dn | 3n << 46n);
  assertEquals(world.read(0x18), 0x100dn | 3n << 46n);
  world.dte(0x6000000000700203n | 3n << 7n);
  world.poke(R + 8, 0x6000000000201001n);
  world.where(0x1000n);
  assertEquals(world.peek(R + 8), 0x6000000000201021n);
  world.ask(0x1000n, 2);
  assertEquals(world.peek(R + 8), 0x6000000000201061n);
  const off = mode1();
  off.poke(R + 8, 0x6000000000201001n);
  off.ask(0x1000n, 2);
  assertEquals(off.peek(R + 8), 0x6000000000201001n);
});

for (const [name, offset] of [["", 0], [", in a buffer that is not aligned", 2]] as const) {
  Deno.test(`tables above 4 GiB${name}`, () => {
    const world = new World({ accessDirty: true }).start(0x100dn | 3n << 46n);
    const high = world.space.addRam(new RamRegion(0x3_0000_0000, new ArrayBuffer(0x4000 + offset), offset));
    const poke = (at: number, value: bigint) => high.view.setBigUint64(at, value, true);
    // Root above, the middle table below, the last one above again.
    world.dte(0x6000000300000783n);
    poke(0, 0x6000000000701401n);
    world.poke(0x701008, 0x6000000300002201n);
    poke(0x2008, 0x6000000000201001n);
    assertEquals(world.ask(0x201234n, 2).address, 0x201234n);
    assertEquals(high.view.getBigUint64(0x2008, true), 0x6000000000201061n);
    assertEquals(world.where(0x202000n), "completer abort");
    world.dte(0x6000000300005603n, 5n, 0x30);
    assertEquals(world.ask(0x1000n, 1, 0, { requester: 0x30 }).status, COMPLETER_ABORT);
    assertEquals(world.log().map(([, address]) => address), [0x202000n, 0x300005000n]);
  });
}

import { assertEquals } from "@std/assert";
import { BusStatus } from "@iova/core";
import type { ProfileName } from "./hardware.ts";
import { LIOBN, TceWorld } from "./testdata/world.ts";

const GET = 0x1c;
const PUT = 0x20;
const STUFF = 0x138;
const INDIRECT = 0x13c;
const ALL: ProfileName[] = ["lopar", "qemu-tcg", "kvm"];
const LAST = 262143;
const UNMAPPED = "0000000000000000";

/** What `call` gives under each profile, each in a machine of its own. */
function under<T>(call: (tce: TceWorld) => T): T[] {
  return ALL.map((profile) => call(new TceWorld({ profile, eeh: false })));
}

Deno.test("case 6: an address after the window is a bad parameter, and the table does not change", () => {
  assertEquals(under((tce) => [tce.hcall(PUT, LIOBN, 0x4000_0000, 0x5003), tce.entry(LAST), tce.entry(0)]), [
    [-4, UNMAPPED, UNMAPPED],
    [-4, UNMAPPED, UNMAPPED],
    [-4, UNMAPPED, UNMAPPED],
  ]);
});

Deno.test("case 6: a range that runs out of the window stores nothing under LoPAR, and what fits on QEMU", () => {
  const results = under((tce) => [tce.hcall(STUFF, LIOBN, 0x3fff_f000, 0xaaa_a000, 2), tce.entry(LAST)]);
  assertEquals(results, [[-4, UNMAPPED], [-4, "000000000aaaa000"], [-4, UNMAPPED]]);
});

Deno.test("case 7: QEMU rounds an address that is no page's, the others refuse it", () => {
  const results = under((tce) => [tce.hcall(PUT, LIOBN, 0x1234, 0x5003), tce.entry(1)]);
  assertEquals(results, [[-4, UNMAPPED], [0, "0000000000005003"], [-4, UNMAPPED]]);
});

Deno.test("case 8: 513 entries are too many for a list everywhere", () => {
  assertEquals(under((tce) => tce.hcall(INDIRECT, LIOBN, 0, 0x2000, 513)), [-4, -4, -4]);
});

Deno.test("case 8: 513 entries are too many to stuff under LoPAR, which blames the fourth parameter", () => {
  assertEquals(under((tce) => tce.hcall(STUFF, LIOBN, 0, 0, 513)), [-57, 0, 0]);
});

Deno.test("case 8: no entries at all are a success, but not on QEMU", () => {
  assertEquals(under((tce) => tce.hcall(STUFF, LIOBN, 0, 0, 0)), [0, -4, 0]);
  assertEquals(under((tce) => tce.hcall(INDIRECT, LIOBN, 0, 0x2000, 0)), [0, -4, 0]);
});

Deno.test("case 9: a list begins where a page begins", () => {
  assertEquals(under((tce) => tce.hcall(INDIRECT, LIOBN, 0x1000, 0x2008, 1)), [-4, -4, -4]);
});

Deno.test("case 9: a list outside memory is refused under LoPAR and reads as zeros elsewhere", () => {
  const results = under((tce) => {
    tce.hcall(PUT, LIOBN, 0x1000, 0x5003);
    return [tce.hcall(INDIRECT, LIOBN, 0x1000, 0x3_0000_0000, 2), tce.entry(1)];
  });
  assertEquals(results, [[-4, "0000000000005003"], [0, UNMAPPED], [0, UNMAPPED]]);
});

Deno.test("case 9: one foreign page spoils a whole list under LoPAR, and nothing elsewhere", () => {
  const results = under((tce) => {
    tce.writeList(0x2000, 0x1000_0003n, 0x3_0000_0003n);
    return [tce.hcall(INDIRECT, LIOBN, 0x1000, 0x2000, 2), tce.entry(1), tce.entry(2)];
  });
  const stored = [0, "0000000010000003", "0000000300000003"];
  assertEquals(results, [[-4, UNMAPPED, UNMAPPED], stored, stored]);
});

/** Entries 1 to 4 name page 0x7000 with control bits 0 to 3. */
function matrix(): TceWorld {
  const tce = new TceWorld({ eeh: false });
  for (let control = 0; control < 4; control++) tce.hcall(PUT, LIOBN, 0x1000 * (control + 1), 0x7000 + control);
  return tce;
}

const OK = BusStatus.OK;
const ABORT = BusStatus.COMPLETER_ABORT;
const PLACES = [0x1000n, 0x2000n, 0x3000n, 0x4000n];

Deno.test("case 10: the device reads where R is set and writes where W is set", () => {
  const tce = matrix();
  assertEquals(PLACES.map((address) => tce.reads(address)), [ABORT, OK, ABORT, OK]);
  assertEquals(PLACES.map((address) => tce.writes(address)), [ABORT, ABORT, OK, OK]);
});

Deno.test("case 10: a read that runs into a page that it may not read has transferred what came before", () => {
  const tce = matrix();
  tce.world.world.bytes(0x7800, 0x800).fill(0x42);
  const log = tce.world.world.record();
  const bytes = new Uint8Array(0x1800);
  assertEquals(tce.device.port.read(0x2800n, bytes), ABORT);
  assertEquals(bytes.lastIndexOf(0x42), 0x7ff);
  assertEquals(bytes.subarray(0, 0x800), new Uint8Array(0x800).fill(0x42));
  const [fault] = log.filter(({ type }) => type === "fault-record");
  assertEquals([fault.address, fault.cause, fault.access], ["0x3000", "TCE_ACCESS_ERROR", "read"]);
});

Deno.test("case 11: a page of somebody else is refused under LoPAR, and stored elsewhere", () => {
  assertEquals(under((tce) => tce.hcall(PUT, LIOBN, 0x1000, 0x3_0000_0003n)), [-4, 0, 0]);
});

Deno.test("case 11: without rights any page number is stored, and the device meets a page fault", () => {
  const results = under((tce) => {
    const log = tce.world.world.record();
    const status = tce.hcall(PUT, LIOBN, 0x1000, 0x3_0000_0000n);
    const access = tce.writes(0x1000n);
    const { cause } = log.find(({ type }) => type === "fault-record")!;
    return [status, tce.entry(1), access, cause];
  });
  const expected = [0, "0000000300000000", ABORT, "TCE_PAGE_FAULT"];
  assertEquals(results, [expected, expected, expected]);
});

Deno.test("a LIOBN that names no table, or more than 32 bits, is a bad parameter", () => {
  for (const liobn of [0n, 0x8000_0001n, 0x8000_0100n, 0x1_8000_0000n, 0x7fff_ffffn]) {
    assertEquals(under((tce) => tce.hcall(GET, liobn, 0x1000)), [-4, -4, -4], liobn.toString(16));
  }
});

Deno.test("a negative LIOBN asks for several tables at once, which LoPAR calls a function that is not there", () => {
  assertEquals(under((tce) => tce.hcall(INDIRECT, -2n, 0, 0x2000, 4)), [-2, -4, -4]);
});

Deno.test("KVM does not let H_STUFF_TCE map, the others map one page everywhere", () => {
  const results = under((tce) => [tce.hcall(STUFF, LIOBN, 0x1000, 0x5003, 2), tce.entry(2)]);
  assertEquals(results, [[0, "0000000000005003"], [0, "0000000000005003"], [-4, UNMAPPED]]);
});

Deno.test("KVM wants memory behind an unmapped entry of a list, the others do not look", () => {
  const results = under((tce) => {
    tce.writeList(0x2000, 0x3_0000_0000n);
    return [tce.hcall(INDIRECT, LIOBN, 0x1000, 0x2000, 1), tce.entry(1)];
  });
  assertEquals(results, [[0, "0000000300000000"], [0, "0000000300000000"], [-4, UNMAPPED]]);
});

Deno.test("H_GET_TCE gives what was stored, and hides the number of a page that is no longer the caller's", () => {
  const tce = new TceWorld();
  assertEquals([tce.hcall(PUT, LIOBN, 0x1000, 0x1_2345_6003n), tce.hcall(GET, LIOBN, 0x1000), tce.r4], [
    0,
    0,
    0x1_2345_6003n,
  ]);
  // The partition shrinks to 4 GiB.
  tce.phb.memory.resize([[0, 2 ** 32]]);
  assertEquals([tce.hcall(GET, LIOBN, 0x1000), tce.r4], [5, 0xffff_ffff_ffff_f003n]);
});

Deno.test("without the multi-TCE option its two calls are functions that are not there", () => {
  const tce = new TceWorld({ multiTce: false });
  assertEquals([tce.hcall(STUFF, LIOBN, 0, 0, 1), tce.hcall(INDIRECT, LIOBN, 0, 0x2000, 1)], [-2, -2]);
  assertEquals(tce.hcall(PUT, LIOBN, 0x1000, 0x5003), 0);
});

Deno.test("with an entitlement each call tells in r4 by how many bytes more or less is mapped", () => {
  const tce = new TceWorld({ entitlement: "64KiB" });
  assertEquals([tce.hcall(PUT, LIOBN, 0x1000, 0x5003), tce.r4], [0, 4096n]);
  assertEquals([tce.hcall(PUT, LIOBN, 0x1000, 0x6003), tce.r4], [0, 0n]);
  assertEquals([tce.hcall(STUFF, LIOBN, 0x2000, 0x5003, 15), tce.r4], [0, 15n * 4096n]);
  assertEquals(tce.hcall(PUT, LIOBN, 0x2_0000, 0x5003), -44);
  assertEquals([tce.hcall(STUFF, LIOBN, 0x1000, 0, 16), BigInt.asIntN(64, tce.r4)], [0, -65536n]);
});

Deno.test("QEMU's personality is the profile qemu-tcg, unless a profile is given", () => {
  const profile = (options: Record<string, unknown>) => new TceWorld(options).phb.config.profile;
  assertEquals([{}, { personality: "qemu" }, { personality: "qemu", profile: "kvm" }].map(profile), [
    "lopar",
    "qemu-tcg",
    "kvm",
  ]);
});

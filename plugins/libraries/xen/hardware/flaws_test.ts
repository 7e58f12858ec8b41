// Every published mistake, replayed as a schedule: once on a hypervisor without it and once on one that makes it again.
// The two must differ, or the schedule shows nothing.

import { assertEquals } from "@std/assert";
import { AddressSpace, HypercallRegisters, RamRegion } from "@iova/core";
import { Copy, GetStatusFrames, GntTabOp, MapGrantRef, SetVersion, Transfer, UnmapGrantRef } from "../layout.ts";
import { ARGUMENTS, STATUS_TABLE, XenWorld } from "../testing.ts";
import { FLAW_NAMES, type FlawName } from "./flaws.ts";
import { GrantCalls } from "./grant_calls.ts";
import { Hypervisor } from "./hypervisor.ts";
import { MachineMap } from "./machine_map.ts";
import { MapRequest } from "./map.ts";
import { YieldPoint } from "./schedule.ts";

const HOST = 0x5000_0000n;
const BUS = 0x1234_5000n;
const COPY = { source: 8n, source_domid: 1, dest: 9n, dest_domid: 1, flags: 3, len: 16 } as const;

/** What is observed without the mistake and with it. */
interface Case {
  flaw: FlawName;
  shows: string;
  run(flaws: FlawName[]): unknown;
  right: unknown;
  wrong: unknown;
}

function world(flaws: FlawName[], kind: "pv" | "hvm" = "hvm", arch: "x86" | "arm" = "x86") {
  const made = new XenWorld({ backend: { kind }, granter: { arch }, hypervisor: { flaws } });
  made.writeEntry(8, "01000000 45230100");
  made.writeEntry(9, "01000000 01020000");
  return made;
}

function version2(flaws: FlawName[]) {
  const made = world(flaws);
  made.granter.table.switchTo(2);
  made.addToPhysmap(0x8000_0000, STATUS_TABLE);
  made.writeEntry(8, "0100000000000000 4523010000000000");
  made.writeEntry(9, "0100000000000000 0102000000000000");
  return made;
}

const map = (made: XenWorld, fields: Parameters<typeof MapGrantRef.encode>[0] = {}) =>
  made.grantCall(made.backend, GntTabOp.MAP_GRANT_REF, MapGrantRef, [
    { host_addr: HOST, flags: 2, ref: 8, dom: 1, ...fields },
  ])[0];
const unmap = (made: XenWorld, ...elements: Parameters<typeof UnmapGrantRef.encode>[0][]) =>
  made.grantCall(made.backend, GntTabOp.UNMAP_GRANT_REF, UnmapGrantRef, elements).map(({ status }) => status);
const copy = (made: XenWorld, ...elements: Parameters<typeof Copy.encode>[0][]) =>
  made.grantCall(made.backend, GntTabOp.COPY, Copy, elements).map(({ status }) => status);
/** Arguments at a place of their own: another vCPU is in the middle of a call. */
function setVersion(made: XenWorld, version: number): number {
  made.space.write(0x3f_0000, 4, version);
  return made.call(made.granter, GntTabOp.SET_VERSION, 0x3f_0000, 1);
}
/** Does something at the first of these points. */
function once(point: string, act: () => void): (at: string) => void {
  let done = false;
  return (at) => {
    if (done || at !== point) return;
    done = true;
    act();
  };
}
/** A domain is built whose table takes the pages that are free, and grants its frame 0xabcd. */
function newcomer(made: XenWorld) {
  const { table } = made.hv.createDomain({ id: 5, kind: "hvm" });
  table.words(8)[table.at(8)] = 0x0001_0001;
  table.words(8)[table.at(8) + 1] = 0xabcd;
  return { table, entry: () => [table.words(8)[table.at(8)], table.words(8)[table.at(8) + 1]] };
}
/** The other domain's entry, as domain 1 sees it where its status frame was. */
const seenThere = (made: XenWorld) => made.space.read(STATUS_TABLE + 8 * 8 + 4, 4);

/** A PV domain that gives machine frame `mfn` to domain 2, whose entry 9 accepts it. */
function giving(flaws: FlawName[], first: number, mfn: number) {
  const space = new AddressSpace();
  space.addRam(new RamRegion(0, new ArrayBuffer(0x40_0000)));
  const frames = new MachineMap(space, first, 8);
  const hv = new Hypervisor({ space, frames, flaws });
  const giver = hv.createDomain({ id: 1, kind: "pv" });
  const receiver = hv.createDomain({ id: 2, kind: "pv" });
  frames.assign(mfn, 1, 3);
  receiver.table.words(9)[receiver.table.at(9)] = 0x0001_0002;
  const transfer = () => {
    const bytes = space.bytes(ARGUMENTS, Transfer.size);
    bytes.set(Transfer.encode({ mfn: BigInt(mfn), domid: 2, ref: 9, status: 0x7777 }));
    new GrantCalls(hv, giver, () => {})
      .call(new HypercallRegisters().set(0, GntTabOp.TRANSFER).set(1, ARGUMENTS).set(2, 1));
    return Transfer.decode(bytes).status << 16 >> 16;
  };
  const told = () => receiver.table.words(9)[receiver.table.at(9) + 1] >>> 0;
  return { hv, frames, giver, receiver, transfer, told };
}

const CASES: Case[] = [
  {
    flaw: "XSA-26",
    shows: "status frames that were freed are used again after the next switch",
    run(flaws) {
      const made = version2(flaws);
      setVersion(made, 1);
      const other = newcomer(made);
      setVersion(made, 2);
      return other.entry();
    },
    right: [0x0001_0001, 0xabcd],
    wrong: [0, 0],
  },
  {
    flaw: "XSA-218",
    shows: "the granter sees the entry free while the page can still be reached",
    run(flaws) {
      const made = world(flaws);
      const { handle } = map(made);
      let seen: unknown;
      const look = once(
        YieldPoint.MAPPING_CLEARED,
        () => seen = [made.flags(8) & 0x18, made.backend.hostMappings.get(0x5_0000)],
      );
      made.during(look, () => unmap(made, { handle, host_addr: HOST }));
      return seen;
    },
    right: [0x18, -1],
    wrong: [0, 0x12345],
  },
  {
    flaw: "XSA-218",
    shows: "two halves of one handle in one batch free it twice, and then two mappings have one handle",
    run(flaws) {
      const made = world(flaws, "pv");
      const { handle } = map(made, { flags: 3 });
      unmap(made, { handle, host_addr: HOST }, { handle, dev_bus_addr: BUS });
      return made.backend.maptrack.live;
    },
    right: 0,
    wrong: -1,
  },
  {
    flaw: "XSA-224",
    shows: "unmapping the CPU's half leaves the devices with a page that nobody holds",
    run(flaws) {
      const made = world(flaws, "pv");
      const { handle } = map(made, { flags: 3 });
      unmap(made, { handle, host_addr: HOST });
      return [made.backend.deviceMappings.get(0x12345), made.flags(8) & 0x18];
    },
    right: [1, 0x18],
    wrong: [1, 0],
  },
  {
    flaw: "XSA-226",
    shows: "a mapping that was made while the table was unlocked loses its pin and its frame",
    run(flaws) {
      const made = version2(flaws);
      const other = made.hv.createDomain({ id: 2, kind: "hvm" });
      const resolve = made.frames.resolve.bind(made.frames);
      made.frames.resolve = (domid, gfn) => domid === 2 ? gfn : resolve(domid, gfn);
      other.table.words(8)[other.table.at(8)] = 0x0001_0001;
      other.table.words(8)[other.table.at(8) + 1] = 0x201;
      made.writeEntry(8, "0300000002000000 0800000000000000");
      const change = once(YieldPoint.TRANSITIVE_UNLOCKED, () => {
        made.writeEntry(8, "0100000000000000 4523010000000000");
        const op = Object.assign(new MapRequest(), { flags: 2, ref: 8, dom: 1, hostFrame: 0x77 });
        made.hv.map(made.backend, op);
      });
      const [status] = made.during(change, () => copy(made, COPY));
      const { active } = made.granter.table;
      return [status, active.pin[8], active.mfn[8]];
    },
    right: [-12, 1, 0x12345],
    wrong: [0, 0, 0x201],
  },
  {
    flaw: "XSA-228",
    shows: "two maps at the same moment get one handle",
    run(flaws) {
      const made = world(flaws);
      map(made, { ref: 9, host_addr: 0n });
      const op = Object.assign(new MapRequest(), { flags: 2, ref: 9, dom: 1, hostFrame: 0x77 });
      const race = once(YieldPoint.HANDLE_FOUND, () => made.hv.map(made.backend, op));
      const { handle } = made.during(race, () => map(made));
      return handle === op.handle;
    },
    right: false,
    wrong: true,
  },
  {
    flaw: "XSA-230",
    shows: "a copy that ends takes the flags of a device mapping away",
    run(flaws) {
      const made = world(flaws, "pv");
      map(made, { flags: 1, ref: 9, host_addr: 0n });
      copy(made, COPY);
      return [made.flags(9) & 0x18, made.granter.table.active.pin[9]];
    },
    right: [0x18, 0x0001_0000],
    wrong: [0, 0x0001_0000],
  },
  {
    flaw: "XSA-236",
    shows: "a page can be given away while a pin says that it is there",
    run(flaws) {
      const made = giving(flaws, 0x100, 0x103);
      const { table } = made.giver;
      made.frames.assign(0x104, 1, 4);
      [8, 9].forEach((ref, i) => {
        table.words(ref)[table.at(ref)] = 1 << 16 | 1;
        table.words(ref)[table.at(ref) + 1] = 0x103 + i;
      });
      const bytes = made.hv.space.bytes(0x3_1000, Copy.size);
      bytes.set(Copy.encode({ ...COPY, source: 9n, dest: 8n }));
      let seen: unknown;
      made.hv.schedule = once(YieldPoint.COPY_RELEASING, () => seen = [made.transfer(), table.active.pin[8]]);
      new GrantCalls(made.hv, made.giver, () => {})
        .call(new HypercallRegisters().set(0, GntTabOp.COPY).set(1, 0x3_1000).set(2, 1));
      return seen;
    },
    right: [0, 0],
    wrong: [0, 1],
  },
  {
    flaw: "XSA-255",
    shows: "the guest still reaches a freed status frame, which is somebody else's table by now",
    run(flaws) {
      const made = version2(flaws);
      setVersion(made, 1);
      newcomer(made);
      return seenThere(made);
    },
    right: 0,
    wrong: 0xabcd,
  },
  {
    flaw: "XSA-268",
    shows: "Arm gets a version that it cannot serve",
    run: (flaws) =>
      world(flaws, "hvm", "arm").grantCall(
        new XenWorld({ granter: { arch: "arm" }, hypervisor: { flaws } }).granter,
        GntTabOp.SET_VERSION,
        SetVersion,
        [{ version: 2 }],
      )[0].version,
    right: 1,
    wrong: 2,
  },
  {
    flaw: "XSA-284",
    shows: "the receiver is told of a frame that is not its own, and the one that it owns is lost",
    run(flaws) {
      const made = giving(flaws, 0xffff_fffe, 0x1_0000_0001);
      const status = made.transfer();
      return [status, made.told(), made.frames.ownerOf(made.told()), made.frames.ownerOf(0x1_0000_0001)];
    },
    right: [0, 0xffff_fffe, 2, -1],
    wrong: [0, 1, -1, -1],
  },
  {
    flaw: "XSA-287",
    shows: "a page changes its owner while another domain has it mapped",
    run(flaws) {
      const made = giving(flaws, 0x100, 0x103);
      const { table } = made.giver;
      table.words(8)[table.at(8)] = 0x0002_0001;
      table.words(8)[table.at(8) + 1] = 0x103;
      const op = Object.assign(new MapRequest(), { flags: 2, ref: 8, dom: 1, hostFrame: 0x77 });
      made.hv.map(made.receiver, op);
      return [op.status, made.transfer(), made.frames.ownerOf(0x103)];
    },
    right: [0, -9, 1],
    wrong: [0, 0, 2],
  },
  {
    flaw: "XSA-295",
    shows: "a guest that changes its entry all the time keeps the hypervisor busy for as long as it likes",
    run(flaws) {
      const made = world(flaws);
      let attempts = 0;
      const change = (point: string) => {
        if (point === YieldPoint.ENTRY_EXCHANGE && attempts++ < 1000) made.setFlags(8, made.flags(8) ^ 0x20);
      };
      return [made.during(change, () => map(made)).status, attempts];
    },
    right: [-1, 5],
    wrong: [0, 1001],
  },
  {
    flaw: "XSA-316",
    shows: "an error that a caller who looks for negative numbers takes for success",
    run(flaws) {
      const made = world(flaws);
      made.writeEntry(8, "01000000 ffffff00");
      return map(made).status;
    },
    right: -9,
    wrong: 1,
  },
  {
    flaw: "XSA-318",
    shows: "statuses that nobody has written",
    run(flaws) {
      const made = world(flaws);
      made.frames.pagedOut.add(0x12345);
      return [...copy(made, { ...COPY, source: 9n, dest: 9n }, COPY, COPY), made.returned];
    },
    right: [0, -12, -12, 0],
    wrong: [0, 0x7777, 0x7777, 0],
  },
  {
    flaw: "XSA-380",
    shows: "unmapping a CPU's half takes the page from another mapping's devices",
    run(flaws) {
      const made = world(flaws, "pv");
      const { handle } = map(made, { flags: 3 });
      unmap(made, { handle, host_addr: HOST });
      return made.backend.deviceMappings.get(0x12345);
    },
    right: 1,
    wrong: -1,
  },
  {
    flaw: "XSA-382",
    shows: "more is listed than there is",
    run(flaws) {
      const made = version2(flaws);
      const list = { nr_frames: 3, dom: 1, frame_list: 0x30_0000n };
      return made.grantCall(made.granter, GntTabOp.GET_STATUS_FRAMES, GetStatusFrames, [list])[0].status;
    },
    right: -1,
    wrong: 0,
  },
  ...(["XSA-384", "XSA-486"] as const).map((flaw): Case => ({
    flaw,
    shows: `a status frame that is freed while it is put into the physical map stays there${
      flaw === "XSA-384" ? ", and somebody else may have it already" : ""
    }`,
    run(flaws) {
      const made = world(flaws);
      made.granter.table.switchTo(2);
      let switched = 0;
      let early: unknown = null;
      const race = once(YieldPoint.PHYSMAP_FOUND, () => {
        switched = setVersion(made, 1);
        if (flaw === "XSA-384") early = newcomer(made);
      });
      made.during(race, () => made.addToPhysmap(0x8000_0000, STATUS_TABLE));
      if (early === null) newcomer(made);
      return [switched, seenThere(made)];
    },
    right: [-11, 0],
    wrong: [0, 0xabcd],
  })),
  {
    flaw: "XSA-411",
    shows: "two transitive copies in opposite directions wait for each other for ever",
    run(flaws) {
      const made = version2(flaws);
      const other = made.hv.createDomain({ id: 2, kind: "hvm" });
      const resolve = made.frames.resolve.bind(made.frames);
      made.frames.resolve = (domid, gfn) => domid === 2 ? gfn : resolve(domid, gfn);
      other.table.words(8)[other.table.at(8)] = 0x0001_0001;
      other.table.words(8)[other.table.at(8) + 1] = 0x201;
      made.writeEntry(8, "0300000002000000 0800000000000000");
      const op = Object.assign(new MapRequest(), { flags: 2, ref: 8, dom: 1, hostFrame: 0x77 });
      const change = once(YieldPoint.TRANSITIVE_UNLOCKED, () => {
        made.writeEntry(8, "0100000000000000 4523010000000000");
        made.hv.map(made.backend, op);
      });
      // The other copy wants the table that the first one should have unlocked by now.
      const third = Object.assign(new MapRequest(), { flags: 2, ref: 9, dom: 1, hostFrame: 0x78 });
      const wait = once(YieldPoint.TRANSITIVE_RELEASING, () => made.hv.map(made.backend, third));
      made.during((point) => {
        change(point);
        wait(point);
      }, () => copy(made, COPY));
      return [third.status, made.hv.deadlocks];
    },
    right: [0, 0],
    wrong: [-12, 1],
  },
  {
    flaw: "XSA-500",
    shows: "a copy from a pinned entry reads a frame that is not the pinned one",
    run(flaws) {
      const made = world(flaws);
      made.bytes(Number(BUS), 1)[0] = 0x11;
      made.bytes(0x20_2000, 1)[0] = 0x22;
      map(made, { flags: 6 });
      made.writeEntry(8, "01000000 02020000");
      copy(made, COPY);
      return made.bytes(0x20_1000, 1)[0];
    },
    right: 0x11,
    wrong: 0x22,
  },
  {
    flaw: "XSA-501",
    shows: "a status bit is set in a frame that has been freed and is somebody else's",
    run(flaws) {
      const made = version2(flaws);
      let switched = 0;
      const change = once(YieldPoint.ENTRY_EXCHANGE, () => {
        switched = setVersion(made, 1);
        newcomer(made);
      });
      made.during(change, () => map(made));
      const other = made.hv.domain(5)!.table;
      // Status word 8 is the low half of entry 2's first word in a version 1 frame.
      return [switched, other.words(2)[other.at(2)]];
    },
    right: [-11, 0],
    wrong: [0, 0x18],
  },
];

for (const { flaw, shows, run, right, wrong } of CASES) {
  Deno.test(`${flaw}: ${shows}; only where the mistake is made`, () => {
    assertEquals(run([]), right);
    assertEquals(run([flaw]), wrong);
    // Nobody else's mistake is the cause.
    assertEquals(run(FLAW_NAMES.filter((other) => other !== flaw && !RELATED[flaw]?.includes(other))), right);
  });
}

/** Mistakes that show in each other's schedules. */
const RELATED: Partial<Record<FlawName, FlawName[]>> = {
  "XSA-26": ["XSA-255"],
  "XSA-224": ["XSA-380"],
  "XSA-226": ["XSA-318"],
  "XSA-384": ["XSA-486", "XSA-501"],
  "XSA-486": ["XSA-384", "XSA-501"],
};

Deno.test("every mistake that can be made has a schedule that shows it", () => {
  assertEquals(FLAW_NAMES.filter((name) => !CASES.some(({ flaw }) => flaw === name)), []);
});

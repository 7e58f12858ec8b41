import { assertEquals } from "@std/assert";
import { ReceiveFilter } from "./device_filter.ts";
import { RxCommand } from "./layout_control.ts";

const OWN = [0x52, 0x54, 0, 0, 0, 2];
const OTHER = [0x52, 0x54, 0, 0, 0, 9];
const GROUP = [1, 0, 0x5e, 0, 0, 1];
const ALL = [255, 255, 255, 255, 255, 255];

/** A frame for `to`, of VLAN `vlan` if given. */
function frame(to: number[], vlan?: number): Uint8Array {
  const tag = vlan === undefined ? [8, 0] : [0x81, 0, vlan >> 8 | 0x60, vlan & 255, 8, 0];
  return Uint8Array.from([...to, 0x52, 0x54, 0, 0, 0, 1, ...tag, ...new Array(46).fill(0)]);
}

function filter(...on: number[]): ReceiveFilter {
  const made = new ReceiveFilter(Uint8Array.from(OWN));
  made.modes[RxCommand.PROMISC] = 0;
  for (const mode of on) made.modes[mode] = 1;
  return made;
}

/** What is admitted of: own, other, group, all. */
function admits(f: ReceiveFilter): boolean[] {
  return [OWN, OTHER, GROUP, ALL].map((to) => f.admits(frame(to), 60));
}

Deno.test("everything is received after a reset, and own and broadcast when the driver has switched that off", () => {
  const f = filter(RxCommand.PROMISC, RxCommand.NOUNI);
  assertEquals(admits(f), [true, true, true, true]);
  f.modes[RxCommand.NOUNI] = 0;
  f.modes[RxCommand.PROMISC] = 0;
  assertEquals(admits(f), [true, false, false, true]);
  f.reset();
  assertEquals(admits(f), [true, true, true, true]);
});

Deno.test("each switch does what its name says", () => {
  assertEquals(admits(filter(RxCommand.ALLMULTI)), [true, false, true, true]);
  assertEquals(admits(filter(RxCommand.ALLUNI)), [true, true, false, true]);
  assertEquals(admits(filter(RxCommand.NOMULTI, RxCommand.ALLMULTI)), [true, false, false, true]);
  assertEquals(admits(filter(RxCommand.NOUNI, RxCommand.ALLUNI)), [false, false, false, true]);
  assertEquals(admits(filter(RxCommand.NOBCAST, RxCommand.ALLMULTI)), [true, false, true, false]);
});

Deno.test("the tables add addresses of their own kind, and one that overflowed admits its whole kind", () => {
  const f = filter();
  f.unicast.set(Uint8Array.from([9, 9, ...OTHER]), 2, 1);
  assertEquals(admits(f), [true, true, false, true]);
  f.multicast.set(Uint8Array.from(GROUP), 0, 1);
  assertEquals(admits(f), [true, true, true, true]);
  f.unicast.set(new Uint8Array(0), 0, 0);
  f.multicast.set(new Uint8Array(0), 0, 0);
  assertEquals(admits(f), [true, false, false, true]);
  f.unicast.overflow = true;
  assertEquals(admits(f), [true, true, false, true]);
  f.unicast.overflow = false;
  f.multicast.overflow = true;
  assertEquals(admits(f), [true, false, true, true]);
});

Deno.test("a tag is asked for before the address, once VLANs are filtered", () => {
  const f = filter();
  assertEquals(f.admits(frame(OWN, 5), 60), true);
  f.filtersVlans = true;
  assertEquals([f.admits(frame(OWN, 5), 60), f.admits(frame(OWN), 60)], [false, true]);
  f.setVlan(5, true);
  assertEquals([f.admits(frame(OWN, 5), 60), f.admits(frame(OTHER, 5), 60), f.admits(frame(OWN, 6), 60)], [
    true,
    false,
    false,
  ]);
  f.setVlan(5, false);
  assertEquals(f.admits(frame(OWN, 5), 60), false);
  f.modes[RxCommand.PROMISC] = 1;
  assertEquals(f.admits(frame(OTHER, 5), 60), true);
});

Deno.test("a frame too short for its header, or for its tag, is not admitted (CVE-2026-63320)", () => {
  const f = filter(RxCommand.ALLUNI, RxCommand.ALLMULTI);
  f.filtersVlans = true;
  f.setVlan(5, true);
  for (const length of [0, 1, 6, 13]) assertEquals(f.admits(frame(OWN), length), false);
  assertEquals([f.admits(frame(OWN), 14), f.admits(frame(OWN, 5), 17), f.admits(frame(OWN, 5), 18)], [
    true,
    false,
    true,
  ]);
});

import { assertEquals } from "@std/assert";
import { AddressSpace, HypercallRegisters, type RamRegion, readOptions } from "@iova/core";
import { testWorld } from "@iova/core/testing";
import { toHex } from "@iova/fields/testing";
import plugin from "../mod.ts";
import type { Options } from "../options.ts";
import { PseriesPlatform } from "../platform.ts";

/** Memory in which another CPU changes the list page between the hypervisor's first look at it and the second. */
class RacingSpace extends AddressSpace {
  looks = 0;

  constructor(readonly inner: AddressSpace, readonly race: (region: RamRegion) => void) {
    super();
  }

  override get ramRegions(): readonly RamRegion[] {
    return this.inner.ramRegions;
  }

  override ram(address: number): RamRegion | null {
    const region = this.inner.ram(address);
    if (region !== null && this.looks++ === 1) this.race(region);
    return region;
  }
}

const LIST = 0x2000;

/** Puts a list of two good entries; between the looks the second one is replaced. */
function race(profile: "lopar" | "kvm", replacement: bigint): [status: number, looks: number, ...entries: string[]] {
  const world = testWorld();
  const services = world.services();
  const space = new RacingSpace(services.space, ({ view }) => view.setBigUint64(LIST + 8, replacement));
  const values = readOptions(plugin.options, { profile }, { file: "test", path: "platform" }) as unknown as Options;
  const { phb } = new PseriesPlatform({ ...services, space }, values);
  const { view } = world.space.ram(LIST)!;
  view.setBigUint64(LIST, 0x5003n);
  view.setBigUint64(LIST + 8, 0x6003n);
  const registers = new HypercallRegisters().set(0, 0x8000_0000).set(1, 0x1000).set(2, LIST).set(3, 2);
  const status = world.guest.hypercall(0x13c, registers);
  const { table } = phb.windows[0]!;
  return [status, space.looks, toHex(table.bytes(1)), toHex(table.bytes(2))];
}

Deno.test("LoPAR looks at a list once: what another CPU writes into it afterwards counts for nothing", () => {
  assertEquals(race("lopar", 0x3_0000_0003n), [0, 1, "0000000000005003", "0000000000006003"]);
});

Deno.test("KVM looks twice, stores what it saw last, and checks that", () => {
  assertEquals(race("kvm", 0x7003n), [0, 2, "0000000000005003", "0000000000007003"]);
  assertEquals(race("kvm", 0x3_0000_0000n), [-4, 2, "0000000000005003", "0000000000000000"]);
});

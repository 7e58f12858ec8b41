// Scenarios on the hypervisor's TCE tables: calls with good and bad arguments, windows by RTAS, and an edu device as probe.

import { HypercallRegisters, type Manifest, type PhysAddr } from "@iova/core";
import type { Scenario, Side } from "@iova/qtest/testing";

const H = { GET: 0x1c, PUT: 0x20, STUFF: 0x138, INDIRECT: 0x13c, RTAS: 0xf000 } as const;
const LIOBN = 0x8000_0000n;
const LIST = 0x20_0000;
const RTAS_BUFFER = 0x21_0000;
const PAGES = 0x80_0000;
const BUID = [0x0800_0000, 0x2000_0000] as const;
const CONFIG_ADDRESS = 0x20 << 8;
const RTAS = { QUERY: 0x2026, CREATE: 0x2027, REMOVE: 0x2028, RESET: 0x2029 } as const;

function manifest(profile: string): Manifest {
  return {
    memory: "256MiB",
    platform: { use: "pseries-tce", with: { profile, ddw: true, eeh: false } },
    devices: [{ id: "probe", use: "edu", at: "04.0", with: { dmaMask: "0xffffffffffffffff", dmaDelay: "1us" } }],
  };
}

/** The hypervisor, called by hand. */
class Hypervisor {
  readonly #registers = new HypercallRegisters();

  constructor(readonly side: Side) {}

  /** Status, and r4 afterwards. */
  call(number: number, ...args: (bigint | number)[]): [status: number, r4: bigint] {
    for (let i = 0; i < 6; i++) this.#registers.set(i, BigInt.asUintN(64, BigInt(args[i] ?? 0)));
    const status = this.side.guest.hypercall(number, this.#registers);
    return [status, this.#registers.get(0)];
  }

  /** An entry of the table, or why it cannot be had. */
  entry(ioba: bigint | number, liobn = LIOBN): string {
    const [status, value] = this.call(H.GET, liobn, ioba);
    return status === 0 ? "0x" + value.toString(16) : `status ${status}`;
  }

  /** Writes the page that INDIRECT reads. */
  list(values: readonly bigint[], at: PhysAddr = LIST): void {
    const bytes = this.side.guest.memory.bytes(at, 8 * values.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    values.forEach((value, i) => view.setBigUint64(8 * i, value));
  }

  /** Calls RTAS; its results. */
  rtas(token: number, args: readonly number[], results: number): number[] {
    const bytes = this.side.guest.memory.bytes(RTAS_BUFFER, 256).fill(0);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 256);
    [token, args.length, results, ...args].forEach((cell, i) => view.setUint32(4 * i, cell >>> 0));
    const [status] = this.call(H.RTAS, RTAS_BUFFER);
    return [status, ...Array.from({ length: results }, (_, i) => view.getInt32(4 * (3 + args.length + i)))];
  }
}

/** An edu that is driven by hand. */
class Probe {
  readonly #registers: PhysAddr;

  constructor(readonly side: Side) {
    const fn = side.device("probe");
    fn.enableBusMaster();
    this.#registers = fn.bar(0).address;
  }

  async transfer(address: number, length: number, toDevice: boolean): Promise<void> {
    const { guest } = this.side;
    const at = this.#registers;
    guest.write(at + (toDevice ? 0x80 : 0x88), 4, address);
    guest.write(at + (toDevice ? 0x88 : 0x80), 4, 0x4_0000);
    guest.write(at + 0x90, 4, length);
    guest.write(at + 0x98, 4, toDevice ? 1 : 3);
    await this.side.until(() => (guest.read(at + 0x98, 4) & 1) === 0);
  }
}

const scenarios = (name: string, run: (hypervisor: Hypervisor, side: Side) => Promise<void> | void): Scenario[] =>
  ["qemu-tcg", "lopar"].map((profile) => ({
    name: `${name}, profile ${profile}`,
    manifest: manifest(profile),
    run: (side) => run(new Hypervisor(side), side),
  }));

export const PSERIES_TCE: Scenario[] = [
  ...scenarios("H_PUT_TCE and H_GET_TCE", (hypervisor, side) => {
    const see = (
      label: string,
      liobn: bigint | number,
      ioba: bigint | number,
      tce: bigint | number,
      look: bigint | number = ioba,
    ) => {
      const [status] = hypervisor.call(H.PUT, liobn, ioba, tce);
      side.see(label, status);
      side.see(`${label}: entry`, hypervisor.entry(look));
    };
    side.see("an untouched entry", hypervisor.entry(0x1000));
    see("reading and writing", LIOBN, 0x1000, 0x234_5003);
    see("reading", LIOBN, 0x2000, 0x234_5001);
    see("writing", LIOBN, 0x3000, 0x234_5002);
    see("neither, with a page", LIOBN, 0x4000, 0x234_5000);
    see("all low bits", LIOBN, 0x5000, 0x234_5fff);
    see("over a live entry", LIOBN, 0x1000, 0x345_6003);
    see("the last entry", LIOBN, 0x3fff_f000, 0x100_0003n);
    see("behind the last entry", LIOBN, 0x4000_0000, 0x5003, 0x1000);
    see("far behind the last entry", LIOBN, 0xffff_ffff_ffff_f000n, 0x5003, 0x1000);
    see("an address that is no page", LIOBN, 0x6abc, 0x5003, 0x6000);
    see("a table that there is not", 0x8000_0005n, 0x1000, 0x5003);
    see("a table number of more than 32 bits", 1n << 32n | LIOBN, 0x1000, 0x5003);
    see("table 0", 0, 0x1000, 0x5003);
    see("a page beyond memory", LIOBN, 0x7000, 0x3_0000_0003n);
    see("a page beyond memory, unmapped", LIOBN, 0x8000, 0x3_0000_0000n);
    see("a page with bits above 52", LIOBN, 0x9000, 0xfff0_0000_0000_5003n);
    side.see("H_GET_TCE behind the end", hypervisor.entry(0x4000_0000));
    side.see("H_GET_TCE of a table that there is not", hypervisor.entry(0x1000, 0x8000_0007n));
    side.see("H_GET_TCE of an address that is no page", hypervisor.entry(0x1abc));
    side.see("a call that there is not", hypervisor.call(0x9999)[0]);
  }),
  ...scenarios("H_STUFF_TCE", (hypervisor, side) => {
    const see = (
      label: string,
      ioba: bigint | number,
      tce: bigint | number,
      count: bigint | number,
      look: readonly number[],
    ) => {
      const [status] = hypervisor.call(H.STUFF, LIOBN, ioba, tce, count);
      side.see(label, status);
      side.see(`${label}: entries`, look.map((at) => hypervisor.entry(at)));
    };
    see("four pages", 0x1_0000, 0xaaa_a003n, 4, [0x1_0000, 0x1_3000, 0x1_4000]);
    see("none", 0x2_0000, 0xaaa_a003n, 0, [0x2_0000]);
    see("512", 0x10_0000, 0x5003, 512, [0x10_0000, 0x2f_f000, 0x30_0000]);
    see("513", 0x40_0000, 0x5003, 513, [0x40_0000, 0x60_0000]);
    see("513 times zero", 0x10_0000, 0, 513, [0x10_0000, 0x30_0000]);
    see("across the end", 0x3fff_f000, 0xaaa_a000n, 2, [0x3fff_f000]);
    see("from behind the end", 0x4000_0000, 0x5003, 1, [0x1_0000]);
    see("more than the table", 0, 0, 0x4_0001, [0x1_0000]);
    see("from an address that is no page", 0x5_0800, 0x5003, 2, [0x5_0000, 0x5_1000, 0x5_2000]);
    side.see("a table that there is not", hypervisor.call(H.STUFF, 0x8000_0005n, 0, 0, 1)[0]);
  }),
  ...scenarios("H_PUT_TCE_INDIRECT", (hypervisor, side) => {
    const see = (
      label: string,
      ioba: bigint | number,
      list: bigint | number,
      count: number,
      look: readonly number[],
      values?: bigint[],
    ) => {
      hypervisor.list(values ?? Array.from({ length: 512 }, (_, i) => BigInt(0x10_0000 + 0x1000 * (i % 64)) | 3n));
      const [status] = hypervisor.call(H.INDIRECT, LIOBN, ioba, list, count);
      side.see(label, status);
      side.see(`${label}: entries`, look.map((at) => hypervisor.entry(at)));
    };
    see("three pages", 0x1_0000, LIST, 3, [0x1_0000, 0x1_1000, 0x1_2000, 0x1_3000]);
    see("none", 0x2_0000, LIST, 0, [0x2_0000]);
    see("512", 0x10_0000, LIST, 512, [0x10_0000, 0x2f_f000, 0x30_0000]);
    see("513", 0x40_0000, LIST, 513, [0x40_0000]);
    see("a list that is no page", 0x3_0000, LIST + 8, 2, [0x3_0000]);
    see("a list beyond memory", 0x4_0000, 0x3_0000_0000n, 2, [0x4_0000]);
    see("across the end", 0x3fff_f000, LIST, 2, [0x3fff_f000]);
    see("from an address that is no page", 0x5_0800, LIST, 2, [0x5_0000, 0x5_1000]);
    see("a page beyond memory among good ones", 0x6_0000, LIST, 3, [0x6_0000, 0x6_1000, 0x6_2000], [
      0x10_0003n,
      0x3_0000_0003n,
      0x10_2003n,
    ]);
    see("unmapped pages among good ones", 0x7_0000, LIST, 3, [0x7_0000, 0x7_1000, 0x7_2000], [
      0x10_0003n,
      0n,
      0x10_2001n,
    ]);
    side.see("a table that there is not", hypervisor.call(H.INDIRECT, 0x8000_0005n, 0, LIST, 1)[0]);
    side.see("a negative table", hypervisor.call(H.INDIRECT, -1n, 0, LIST, 1)[0]);
  }),
  ...scenarios("windows by RTAS", (hypervisor, side) => {
    const pe = [CONFIG_ADDRESS, ...BUID];
    const see = (label: string, token: number, args: number[], results: number) =>
      side.see(label, hypervisor.rtas(token, args, results));
    see("query", RTAS.QUERY, pe, 5);
    see("query with six results", RTAS.QUERY, pe, 6);
    see("query with four results", RTAS.QUERY, pe, 4);
    see("query of another bridge", RTAS.QUERY, [CONFIG_ADDRESS, 0, 0], 5);
    see("create with a page size that there is not", RTAS.CREATE, [...pe, 13, 30], 4);
    see("create smaller than a page", RTAS.CREATE, [...pe, 21, 20], 4);
    see("create 2 MiB pages", RTAS.CREATE, [...pe, 21, 33], 4);
    see("query after that", RTAS.QUERY, pe, 5);
    see("create another", RTAS.CREATE, [...pe, 21, 33], 4);
    side.see(
      "an entry of the new window",
      hypervisor.call(H.PUT, 0x8000_0001n, (1n << 59n) + 0x20_0000n, 0x20_0003)[0],
    );
    side.see("reads", hypervisor.entry((1n << 59n) + 0x20_0000n, 0x8000_0001n));
    side.see("an address below the new window", hypervisor.call(H.PUT, 0x8000_0001n, 0x20_0000, 0x20_0003)[0]);
    see("remove", RTAS.REMOVE, [0x8000_0001], 1);
    see("remove again", RTAS.REMOVE, [0x8000_0001], 1);
    side.see("an entry of the removed window", hypervisor.call(H.PUT, 0x8000_0001n, 1n << 59n, 0x20_0003)[0]);
    see("remove the default window", RTAS.REMOVE, [0x8000_0000], 1);
    side.see("an entry of the removed default window", hypervisor.call(H.PUT, LIOBN, 0x1000, 0x5003)[0]);
    see("query with no window", RTAS.QUERY, pe, 5);
    see("reset", RTAS.RESET, pe, 1);
    side.see("an entry of the default window that is back", hypervisor.call(H.PUT, LIOBN, 0x1000, 0x5003)[0]);
    see("a call that there is not", 0x2fff, [], 1);
  }),
  ...scenarios("the probe behind TCE tables", async (hypervisor, side) => {
    const probe = new Probe(side);
    const { memory } = side.guest;
    for (let i = 0; i < 4; i++) {
      memory.bytes(PAGES + 0x1000 * i, 4096).fill(0x10 + i);
      hypervisor.call(H.PUT, LIOBN, 0x1000 * (i + 1), PAGES + 0x1000 * i + i);
    }
    // A page that always works, to bring what the probe has read where it can be seen.
    hypervisor.call(H.PUT, LIOBN, 0x9000, PAGES + 0x8003);
    for (let rights = 0; rights < 4; rights++) {
      memory.bytes(PAGES + 0x8000, 8).fill(0xdd);
      await probe.transfer(0x9000, 8, true);
      await probe.transfer(0x1000 * (rights + 1), 8, true);
      await probe.transfer(0x9000, 8, false);
      side.see(`a device reads where it may do ${rights}`, memory.bytes(PAGES + 0x8000, 8).slice());
    }
    for (let rights = 0; rights < 4; rights++) {
      memory.bytes(PAGES + 0x8000, 8).fill(0xdd);
      await probe.transfer(0x9000, 8, true);
      await probe.transfer(0x1000 * (rights + 1) + 0x10, 8, false);
      side.see(`a device writes where it may do ${rights}`, memory.bytes(PAGES + 0x1000 * rights + 0x10, 8).slice());
    }
    memory.bytes(PAGES + 0x8000, 0x400).fill(0x77);
    await probe.transfer(0x9000, 0x400, true);
    hypervisor.call(H.PUT, LIOBN, 0x5000, PAGES + 0x4003);
    await probe.transfer(0x4f00, 0x400, false);
    side.see("a write across two pages", [
      memory.bytes(PAGES + 0x3f00, 4).slice(),
      memory.bytes(PAGES + 0x4000, 4).slice(),
      memory.bytes(PAGES + 0x42fc, 8).slice(),
    ]);
    hypervisor.call(H.PUT, LIOBN, 0x5000, 0);
    memory.bytes(PAGES + 0x3f00, 0x100).fill(0);
    await probe.transfer(0x4f00, 0x400, false);
    side.see("a write across into a page that is not mapped", memory.bytes(PAGES + 0x3f00, 4).slice());
    memory.bytes(PAGES + 0x3000, 8).fill(0);
    await probe.transfer(0x4000, 8, false);
    side.see("a write after that", memory.bytes(PAGES + 0x3000, 8).slice());
  }),
];

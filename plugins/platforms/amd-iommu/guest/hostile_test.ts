import { assert, assertEquals } from "@std/assert";
import { BusStatus, Direction, dmaBitMask, Random, type ScatterEntry } from "@iova/core";
import { testPlatform } from "@iova/core/testing";
import amdIommu from "../mod.ts";
import { formatEvent } from "./event_text.ts";
import { parseIvrs } from "./ivrs.ts";

const CASES = 100_000;

Deno.test(`no IVRS table makes the parser throw or run on (${CASES} tables, seed 11)`, () => {
  const random = new Random(11);
  let understood = 0;
  for (let i = 0; i < CASES; i++) {
    const table = new Uint8Array(48 + random.below(160));
    random.fill(table);
    // Half of them look like tables: a length, a block type, a block length.
    if (random.below(2) === 0) {
      new DataView(table.buffer).setUint32(4, table.length, true);
      if (table.length > 60) {
        table[48] = [0x10, 0x11, 0x40][random.below(3)];
        new DataView(table.buffer).setUint16(50, random.below(table.length), true);
      }
    }
    const found = parseIvrs(table);
    if (found === null) continue;
    understood++;
    assert(found.lastDeviceId <= 0xffff);
  }
  assert(understood > 1000, `${understood} tables were understood`);
});

Deno.test(`every event has a text (${CASES} events, seed 12)`, () => {
  const random = new Random(12);
  const entry = new Uint8Array(16);
  for (let i = 0; i < CASES; i++) {
    random.fill(entry);
    assert(formatEvent(entry).startsWith("AMD-Vi: Event logged ["));
  }
});

interface Live {
  readonly handle: bigint;
  readonly cpu: number;
  readonly size: number;
  readonly direction: Direction;
}

/** Buffers: 256 pages whose first byte tells them apart. */
const BUFFERS = 0x20_0000;
const PAGES = 256;

/** A careless driver: maps, unmaps, repeats itself, unmaps what is not its own. The device looks at what it can reach. */
class Careless {
  readonly #platform;
  readonly #device;
  readonly #live: Live[] = [];
  readonly #dead: Live[] = [];

  constructor(readonly random: Random, readonly mode: "strict" | "lazy") {
    const ram = [[0, 0x100_0000]] as const;
    this.#platform = testPlatform(amdIommu, { ram, heapStart: 0x40_0000, with: { mode, iotlb: 64 } });
    this.#device = this.#platform.device();
    this.#device.dma.setMaskAndCoherent(dmaBitMask(32));
    const memory = this.#platform.world.bytes(BUFFERS, PAGES * 4096);
    for (let page = 0; page < PAGES; page++) memory.fill(page, page * 4096, page * 4096 + 4096);
  }

  step(): void {
    const { random } = this;
    const steps = [this.map, this.map, this.mapList, this.unmap, this.unmap, this.probe, this.probeDead, this.misuse];
    steps[random.below(steps.length)].call(this);
    if (random.below(50) === 0) this.#platform.world.scheduler.spend(random.below(4_000_000));
    if (random.below(50) === 0) this.#platform.world.scheduler.step();
  }

  map(): void {
    if (this.#live.length > 100) return;
    const size = 1 + this.random.below(this.random.below(4) === 0 ? 40_000 : 5000);
    const cpu = BUFFERS + this.random.below(PAGES * 4096 - size);
    const direction = this.random.below(3) as Direction;
    const handle = this.#device.dma.mapSingle(cpu, size, direction);
    assertEquals(this.#device.dma.mappingError(handle), 0);
    this.#add({ handle, cpu, size, direction });
  }

  mapList(): void {
    const list: ScatterEntry[] = Array.from({ length: 1 + this.random.below(6) }, () => {
      const length = 1 + this.random.below(9000);
      return { cpu: BUFFERS + this.random.below(PAGES * 4096 - length), length };
    });
    const count = this.#device.dma.mapSg(list, Direction.TO_DEVICE);
    assert(count > 0);
    const bytes = new Uint8Array(1);
    assertEquals(this.#device.port.read(list[0].dmaAddress!, bytes), BusStatus.OK);
    assertEquals(bytes[0], this.#byteAt(list[0].cpu));
    this.#device.dma.unmapSg(list, Direction.TO_DEVICE);
  }

  unmap(): void {
    if (this.#live.length === 0) return;
    const [gone] = this.#live.splice(this.random.below(this.#live.length), 1);
    this.#device.dma.unmapSingle(gone.handle, gone.size, gone.direction);
    this.#dead.push(gone);
    if (this.#dead.length > 50) this.#dead.shift();
  }

  /** What is live leads to its own buffer, for the right kind of access only. */
  probe(): void {
    if (this.#live.length === 0) return;
    const { handle, cpu, size, direction } = this.#live[this.random.below(this.#live.length)];
    const at = this.random.below(size);
    const byte = new Uint8Array(1);
    const status = this.#device.port.read(handle + BigInt(at), byte);
    assertEquals(status, direction === Direction.FROM_DEVICE ? BusStatus.COMPLETER_ABORT : BusStatus.OK);
    if (status === BusStatus.OK) assertEquals(byte[0], this.#byteAt(cpu + at));
  }

  /** What is not live leads nowhere, at once when strict, and after the flush when lazy. */
  probeDead(): void {
    if (this.#dead.length === 0) return;
    const { scheduler } = this.#platform.world;
    if (this.mode === "lazy") { while (scheduler.step()); }
    const { handle, size } = this.#dead[this.random.below(this.#dead.length)];
    const at = handle + BigInt(this.random.below(size));
    const page = at >> 12n;
    const reused = this.#live.some((live) =>
      live.handle >> 12n <= page && page <= live.handle + BigInt(live.size - 1) >> 12n
    );
    if (!reused) assertEquals(this.#device.port.read(at, new Uint8Array(1)), BusStatus.COMPLETER_ABORT);
  }

  misuse(): void {
    const { dma } = this.#device;
    const wild = BigInt(this.random.next()) << BigInt(this.random.below(3) * 12);
    const page = wild >> 12n;
    if (this.#live.some((live) => live.handle >> 12n === page)) return;
    dma.unmapSingle(wild, 1 + this.random.below(9000), Direction.TO_DEVICE);
    const dead = this.#dead[0];
    if (dead !== undefined && !this.#live.some((live) => live.handle >> 12n === dead.handle >> 12n)) {
      dma.unmapSingle(dead.handle, dead.size, dead.direction);
    }
  }

  #add(mapping: Live): void {
    const [first, last] = [mapping.handle >> 12n, mapping.handle + BigInt(mapping.size - 1) >> 12n];
    for (const live of this.#live) {
      assert(live.handle + BigInt(live.size - 1) >> 12n < first || live.handle >> 12n > last, "two mappings overlap");
    }
    this.#live.push(mapping);
  }

  #byteAt(cpu: number): number {
    return Math.floor((cpu - BUFFERS) / 4096) & 0xff;
  }
}

for (const mode of ["strict", "lazy"] as const) {
  const seed = mode === "strict" ? 13 : 14;
  Deno.test(`a device reaches what is mapped and nothing else, ${mode} (${CASES / 2} operations, seed ${seed})`, () => {
    const careless = new Careless(new Random(seed), mode);
    for (let i = 0; i < CASES / 2; i++) careless.step();
  });
}

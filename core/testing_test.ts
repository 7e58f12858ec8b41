import { assert, assertEquals, assertThrows } from "@std/assert";
import { type DmaHandle, PAGE_SIZE, type PhysAddr, roundUp } from "./address.ts";
import { Direction, DMA_MAPPING_ERROR, type ScatterEntry } from "./dma_ops.ts";
import { BaseDmaOps } from "./dma_ops_base.ts";
import { API_VERSION, definePlatform, type DmaContext, type PlatformPlugin } from "./plugin.ts";
import { platformConformance, REFERENCE_RAM, testPlatform, testWorld } from "./testing.ts";

/** A small platform that copies, with the mistakes that such platforms have had. */
type Mistake =
  | "none"
  | "map copies only what the device reads"
  | "sync for device always copies"
  | "sync ignores its offset"
  | "unmap copies whole pages"
  | "unmap frees nothing"
  | "an unknown handle is an exception"
  | "the mask is not looked at"
  | "a failed list stays mapped"
  | "the end of a buffer is forgotten";

class Copying extends BaseDmaOps {
  readonly #mistake: Mistake;
  readonly #live = new Map<number, { cpu: PhysAddr; size: number }>();

  constructor(context: DmaContext, mistake: Mistake) {
    super(context);
    this.#mistake = mistake;
  }

  #has(mistake: Mistake): boolean {
    return this.#mistake === mistake;
  }

  #copy(to: PhysAddr, from: PhysAddr, length: number): void {
    this.guest.memory.bytes(to, length).set(this.guest.memory.bytes(from, length));
  }

  protected map(out: DmaHandle, cpu: PhysAddr, size: number, direction: Direction): boolean {
    const low = cpu % PAGE_SIZE & this.params.minAlignMask;
    const limit = this.#has("the mask is not looked at") ? Infinity : this.limit;
    const block = this.guest.heap.alloc(roundUp(low + size, PAGE_SIZE), PAGE_SIZE, limit);
    if (block === null) return false;
    const readable = direction !== Direction.FROM_DEVICE || !this.#has("map copies only what the device reads");
    const bytes = this.#has("the end of a buffer is forgotten") ? size - size % 4 : size;
    if (!readable) this.guest.memory.bytes(block, size).fill(0x5a);
    else if (this.guest.memory.ram(cpu) !== null) this.#copy(block + low, cpu, bytes);
    else {
      this.guest.heap.free(block);
      return false;
    }
    this.#live.set(block + low, { cpu, size });
    out.setNumber(block + low);
    return true;
  }

  protected unmap(handle: DmaHandle, _size: number, direction: Direction): void {
    const at = Number(handle.value);
    const mapping = this.#live.get(at);
    if (mapping === undefined) {
      if (this.#has("an unknown handle is an exception")) throw new Error("unknown handle");
      return;
    }
    const pages = this.#has("unmap copies whole pages") ? roundUp(mapping.size, PAGE_SIZE) : mapping.size;
    if (direction !== Direction.TO_DEVICE) this.#copy(mapping.cpu, at, pages);
    this.#live.delete(at);
    if (!this.#has("unmap frees nothing")) this.guest.heap.free(at - at % PAGE_SIZE);
  }

  /** The mapping that holds an address, and the address's distance from its start. */
  #find(handle: DmaHandle): { at: number; cpu: PhysAddr; offset: number } | null {
    const address = Number(handle.value);
    for (const [at, { cpu, size }] of this.#live) {
      if (address < at || address >= at + size) continue;
      return { at, cpu, offset: this.#has("sync ignores its offset") ? 0 : address - at };
    }
    return null;
  }

  protected override syncForCpu(handle: DmaHandle, size: number, direction: Direction): void {
    const found = this.#find(handle);
    if (found === null || direction === Direction.TO_DEVICE) return;
    this.#copy(found.cpu + found.offset, found.at + found.offset, size);
  }

  protected override syncForDevice(handle: DmaHandle, size: number, direction: Direction): void {
    const found = this.#find(handle);
    const skip = direction === Direction.FROM_DEVICE && !this.#has("sync for device always copies");
    if (found === null || skip) return;
    this.#copy(found.at + found.offset, found.cpu + found.offset, size);
  }

  override mapSgTable(list: ScatterEntry[], direction: Direction, attrs = 0): number {
    if (!this.#has("a failed list stays mapped")) return super.mapSgTable(list, direction, attrs);
    for (const entry of list) {
      entry.dmaAddress = this.mapSingle(entry.cpu, entry.length, direction, attrs);
      entry.dmaLength = entry.length;
      if (entry.dmaAddress === DMA_MAPPING_ERROR) return -12;
    }
    return list.length;
  }

  override needSync(): boolean {
    return true;
  }

  protected override coherentPhysLimit(): number {
    return this.coherentLimit;
  }

  protected override mapCoherent(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu);
    return true;
  }

  protected override unmapCoherent(): void {}
}

function copying(mistake: Mistake): PlatformPlugin {
  return definePlatform({
    name: "copying",
    kind: "platform",
    api: API_VERSION,
    summary: "For this test.",
    options: {},
    create: () => ({ translator: () => null, dmaOps: (context) => new Copying(context, mistake) }),
  });
}

/** Nothing translates, so this is what a platform without a bridge is excused from. */
const OPEN = [
  "fault-after-unmap",
  "fault-outside",
  "fault-write",
  "fault-read",
  "fault-other",
  "fault-recorded",
  "lease",
  "misuse-reported",
  "resource",
];

/** The ids of the cases that fail. */
function failures(mistake: Mistake): string[] {
  return platformConformance(copying(mistake)).flatMap(({ name, run }) => {
    try {
      run();
      return [];
    } catch {
      return [/\[([a-z0-9-]+)\]/.exec(name)![1]];
    }
  }).filter((id) => !OPEN.includes(id) && !id.startsWith("generated-"));
}

const CAUGHT: Record<Mistake, string[]> = {
  "none": [],
  "map copies only what the device reads": ["short-write", "no-leak", "polling"],
  "sync for device always copies": ["polling"],
  "sync ignores its offset": ["partial-sync", "partial-sync-pages", "low-bits"],
  "unmap copies whole pages": [
    "write",
    "both-ways",
    "short-write",
    "partial-sync-pages",
    "low-bits",
    "sg-write",
    "own-bytes",
  ],
  "unmap frees nothing": ["gives-back"],
  "an unknown handle is an exception": ["misuse-survived"],
  "the mask is not looked at": ["mask"],
  "a failed list stays mapped": ["sg-failure"],
  "the end of a buffer is forgotten": ["read"],
};

for (const [mistake, caught] of Object.entries(CAUGHT)) {
  Deno.test(
    mistake === "none" ? "the kit passes a platform that is right" : `the kit finds out when ${mistake}`,
    () => {
      const found = failures(mistake as Mistake);
      if (mistake === "none") assertEquals(found, []);
      for (const id of caught) assert(found.includes(id), `case "${id}" passed; failed: ${found.join(", ")}`);
    },
  );
}

Deno.test("a case that is left out must exist, and must fail", () => {
  const plugin = copying("none");
  assertThrows(() => platformConformance(plugin, {}, { leftOut: { "no-such": "…" } }), RangeError, '"no-such"');
  const cases = platformConformance(plugin, {}, { leftOut: { "read": "no reason" } });
  const read = cases.find(({ name }) => name.includes("[read]"))!;
  assertEquals(read.name.endsWith("(left out: no reason)"), true);
  assertThrows(() => read.run(), Error, 'case "read" is left out, but it passes');
});

Deno.test("the reference machine ends at 8 GiB", () => {
  const { space, guest } = testWorld();
  assertEquals(space.ramEnd, 0x2_0000_0000);
  assertEquals(REFERENCE_RAM[0], [0, 0x100_0000]);
  assertEquals(guest.heap.alloc(4096, 4096), 0x10_0000, "the heap leaves the first MiB to the test");
});

Deno.test("a world's device reaches memory, and its warnings are kept in order", () => {
  const { world, device } = testPlatform(copying("none"));
  const { dma, port, stats } = device();
  const handle = dma.mapSingle(0x2_0000, 16, Direction.FROM_DEVICE);
  port.write(handle, new Uint8Array(16).fill(3));
  dma.unmapSingle(handle, 16, Direction.FROM_DEVICE);
  assertEquals(world.bytes(0x2_0000, 16), new Uint8Array(16).fill(3));
  assertEquals([stats.maps, stats.unmaps], [1, 1]);
  world.services().warn("a", "first");
  world.dmaContext("dev", 8).warn("b", "second");
  assertEquals(world.warnings, [{ id: "a", message: "first" }, { id: "b", message: "second", device: "dev" }]);
});

import { assert, assertEquals } from "@std/assert";
import { checkVectors } from "@iova/fields/testing";
import { Random } from "@iova/core";
import type { BlockBackend } from "./contract.ts";
import { CLUSTER_SIZE, crc32, dataOffset, OverlayEntry, OverlayHeader } from "./layout_overlay.ts";
import { OverlayBackend, RamClusters } from "./overlay.ts";
import { FileClusters } from "./overlay_file.ts";
import { RamBackend } from "./ram.ts";
import entry from "./vectors/overlay_entry.json" with { type: "json" };
import header from "./vectors/overlay_header.json" with { type: "json" };

const SIZE = 5 * CLUSTER_SIZE + 512;
const MARK = { size: SIZE, check: 7 };

function read(backend: BlockBackend, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(0xee);
  assert(backend.read(position, bytes, 0, length));
  return bytes;
}

/** Runs with a file of its own. */
function withFile(use: (path: string, open: () => Deno.FsFile) => void): void {
  const path = Deno.makeTempFileSync();
  try {
    use(path, () => Deno.openSync(path, { read: true, write: true }));
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("header and entry agree with bytes written by hand, and the checksum is CRC-32", () => {
  checkVectors(OverlayHeader, header);
  checkVectors(OverlayEntry, entry);
  assertEquals(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assertEquals([dataOffset(1024), dataOffset(8192)], [65536, 131072]);
});

for (const kind of ["memory", "a file"]) {
  Deno.test(`over a base, an overlay in ${kind} does what a plain disk does, and the base stays as it is`, () =>
    withFile((_path, open) => {
      const base = new RamBackend(SIZE, { readOnly: true });
      const before = base.bytes.slice();
      const plain = new RamBackend(SIZE);
      const store = kind === "memory" ? new RamClusters(SIZE) : FileClusters.make(open(), MARK, 1)!;
      const overlay = new OverlayBackend(base, store);
      const random = new Random(1);
      const bytes = Uint8Array.from({ length: 3 * CLUSTER_SIZE }, (_, i) => i * 7);
      for (let i = 0; i < 400; i++) {
        const position = random.below(SIZE / 512) * 512;
        const length = Math.min(SIZE - position, (1 + random.below(i % 8 === 0 ? 300 : 8)) * 512);
        if (i % 3 === 0) assert(overlay.writeZeroes(position, length) && plain.writeZeroes(position, length));
        else {
          const from = random.below(512);
          assert(overlay.write(position, bytes, from, length) && plain.write(position, bytes, from, length));
        }
        assertEquals(read(overlay, position, length), read(plain, position, length));
      }
      assertEquals(read(overlay, 0, SIZE), read(plain, 0, SIZE));
      assertEquals(base.bytes, before);
      overlay.close();
    }));
}

Deno.test("what was flushed is there when the file is opened again", () =>
  withFile((path, open) => {
    const base = () => new RamBackend(SIZE, { readOnly: true });
    const first = new OverlayBackend(base(), FileClusters.make(open(), MARK, 99)!);
    first.write(CLUSTER_SIZE, new Uint8Array(512).fill(0x5a), 0, 512);
    first.writeZeroes(2 * CLUSTER_SIZE, CLUSTER_SIZE);
    first.resize(SIZE + CLUSTER_SIZE);
    first.close();
    const length = Deno.statSync(path).size;
    const store = FileClusters.open(open(), length, MARK);
    if (typeof store === "string") throw new Error(store);
    const again = new OverlayBackend(base(), store);
    assertEquals(again.size, SIZE + CLUSTER_SIZE);
    assertEquals(read(again, CLUSTER_SIZE, 512), new Uint8Array(512).fill(0x5a));
    assertEquals(read(again, CLUSTER_SIZE + 512, 512), read(base(), CLUSTER_SIZE + 512, 512));
    assertEquals(read(again, 2 * CLUSTER_SIZE, CLUSTER_SIZE), new Uint8Array(CLUSTER_SIZE));
    assertEquals(read(again, SIZE, CLUSTER_SIZE), new Uint8Array(CLUSTER_SIZE), "grown space is zeros");
    again.close();
  }));

Deno.test("what was not flushed is not there, and nothing else is harmed", () =>
  withFile((path, open) => {
    const store = FileClusters.make(open(), MARK, 99)!;
    const overlay = new OverlayBackend(new RamBackend(SIZE, { readOnly: true }), store);
    overlay.write(0, new Uint8Array(512).fill(1), 0, 512);
    overlay.flush();
    overlay.write(3 * CLUSTER_SIZE, new Uint8Array(512).fill(2), 0, 512);
    // The power fails: another program opens what is there.
    const left = FileClusters.open(open(), Deno.statSync(path).size, MARK);
    if (typeof left === "string") throw new Error(left);
    const again = new OverlayBackend(new RamBackend(SIZE, { readOnly: true }), left);
    assertEquals(read(again, 0, 512), new Uint8Array(512).fill(1));
    assertEquals(read(again, 3 * CLUSTER_SIZE, 512), read(new RamBackend(SIZE), 3 * CLUSTER_SIZE, 512));
    again.close();
    overlay.close();
  }));

Deno.test("a file that is no overlay, is damaged, or belongs to another base is not opened", () =>
  withFile((path, open) => {
    const make = () => {
      Deno.truncateSync(path);
      const overlay = new OverlayBackend(
        new RamBackend(SIZE, { readOnly: true }),
        FileClusters.make(open(), MARK, 99)!,
      );
      overlay.write(0, new Uint8Array(512).fill(1), 0, 512);
      overlay.close();
    };
    const spoil = (at: number, value: number) => {
      make();
      const file = open();
      file.seekSync(at, Deno.SeekMode.Start);
      file.writeSync(Uint8Array.of(value));
      file.close();
    };
    const opened = (mark = MARK) => {
      const result = FileClusters.open(open(), Deno.statSync(path).size, mark);
      if (typeof result === "string") return result;
      result.close();
      return "opened";
    };
    make();
    assertEquals(opened(), "opened");
    assertEquals(
      [opened({ ...MARK, check: 8 }), opened({ ...MARK, size: 512 })],
      new Array(2).fill("belongs to another base"),
    );
    for (
      const [at, value, problem] of [
        [0, 0, "is no overlay"],
        [8, 1, "is damaged"],
        [28, 1, "is damaged"],
        [4096, 2, "is damaged"],
        [4100, 0, "is damaged"],
        [4104, 1, "is damaged"],
      ] as const
    ) {
      spoil(at, value);
      assertEquals(opened(), problem, `byte ${at}`);
    }
    make();
    Deno.truncateSync(path, 65536);
    assertEquals(opened(), "is damaged", "an entry leads behind the end");
    Deno.truncateSync(path, 100);
    assertEquals(opened(), "is no overlay");
  }));

Deno.test("a medium that became shorter shows zeros when it grows again, in a file as far as its table goes", () =>
  withFile((_path, open) => {
    for (const store of [new RamClusters(SIZE), FileClusters.make(open(), MARK, 1)!]) {
      const overlay = new OverlayBackend(new RamBackend(SIZE, { readOnly: true }), store);
      assertEquals([overlay.resize(100), overlay.resize(0), overlay.resize(512)], [false, false, true]);
      assertEquals([overlay.read(512, new Uint8Array(512), 0, 512), overlay.size], [false, 512]);
      assert(overlay.resize(SIZE));
      assertEquals(read(overlay, 512, SIZE - 512), new Uint8Array(SIZE - 512));
      assertEquals(read(overlay, 0, 512), read(new RamBackend(SIZE), 0, 512));
      assertEquals(overlay.resize(1025 * CLUSTER_SIZE), store instanceof RamClusters);
      overlay.close();
    }
  }));

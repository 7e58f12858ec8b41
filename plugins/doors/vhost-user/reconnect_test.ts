// A back-end dies at the worst moments, under load, and another one takes over: every request ends, once.

import { assertEquals } from "@std/assert";
import { type BlockDriver, BlockOp, BlockStatus } from "@iova/block";
import { unavailable } from "@iova/libc";
import type { DeviceQueue } from "@iova/virtio";
import blk from "@iova/virtio-blk";
import { countOpen, type ServedDevice, type ServedGuest, servedGuest } from "./testing.ts";

const ignore = unavailable() !== null;
const REQUESTS = 200;
const DEPTH = 16;

class Death extends Error {}

/** Kills at the `after`th time that something happens. */
class Fuse {
  constructor(public after: number) {}
  blow(): void {
    if (--this.after === 0) throw new Death();
  }
}

/** Puts a fuse into a served device. */
type Trap = (served: ServedDevice, fuse: Fuse) => void;

function aroundRequests(before: boolean): Trap {
  return ({ virtio: { model } }, fuse) => {
    const request = model.request.bind(model);
    model.request = (queue, chain) => {
      if (before) fuse.blow();
      const outcome = request(queue, chain);
      if (!before) fuse.blow();
      return outcome;
    };
  };
}

const TRAPS: [where: string, trap: Trap][] = [
  ["before a request is done", aroundRequests(true)],
  ["after a request is done and before it is shown", aroundRequests(false)],
  ["after requests are shown and before the driver is told", (served, fuse) => {
    const notify = served.notifyQueue.bind(served);
    served.notifyQueue = (index) => {
      fuse.blow();
      notify(index);
    };
  }],
  ["after requests are shown and before that is noted", ({ virtio: { queues: [queue] } }, fuse) => {
    // The ring itself, below what keeps its area up to date.
    const { ring } = queue.ring as unknown as { ring: DeviceQueue };
    const publish = ring.publish.bind(ring);
    ring.publish = () => {
      const told = publish();
      fuse.blow();
      return told;
    };
  }],
];

/** Writes every sector of the disk once, its number in it, with deaths in between. */
function writeAll(guest: ServedGuest, driver: BlockDriver, trap: Trap, lives: number): number[] {
  const buffers = guest.cpu.heap.require(DEPTH * 512, "buffers", 512);
  const ended: number[] = new Array(REQUESTS).fill(0);
  const free = Array.from({ length: DEPTH }, (_, i) => i);
  const sectorOf: number[] = [];
  let next = 0;
  let done = 0;
  driver.onComplete = (tag, status) => {
    assertEquals(status, BlockStatus.OK);
    ended[sectorOf[tag]]++;
    done++;
    free.push(tag);
  };
  const fuse = new Fuse(2);
  trap(guest.served, fuse);
  let died = 0;
  for (let turns = 0; done < REQUESTS && turns < 20_000; turns++) {
    while (free.length > 0 && next < REQUESTS) {
      const tag = free.pop()!;
      sectorOf[tag] = next;
      const buffer = buffers + tag * 512;
      guest.cpu.memory.bytes(buffer, 512).fill(next & 0xff);
      guest.cpu.write(buffer, 4, next);
      if (!driver.submit(BlockOp.WRITE, next, buffer, 512, tag)) {
        free.push(tag);
        break;
      }
      next++;
    }
    try {
      driver.kick();
      guest.turn();
    } catch (error) {
      if (!(error instanceof Death)) throw error;
      guest.crash();
      died++;
      fuse.after = Infinity;
      guest.restart();
      fuse.after = died < lives ? 1 + died % 3 : Infinity;
      trap(guest.served, fuse);
    }
  }
  assertEquals([done, died], [REQUESTS, lives], "requests and deaths");
  return ended;
}

for (const packed of [false, true]) {
  for (const iommu of [false, true]) {
    for (const [where, trap] of TRAPS) {
      const kind = `${packed ? "packed" : "split"}${iommu ? ", IOMMU" : ""}`;
      Deno.test({
        name: `a back-end that dies ${where} is replaced, and every request ends once (${kind})`,
        ignore,
        async fn() {
          const leaked = countOpen();
          const folder = Deno.makeTempDirSync({ prefix: "iova-reconnect-" });
          const image = `${folder}/disk.img`;
          Deno.writeFileSync(image, new Uint8Array(REQUESTS * 512).fill(0xff));
          const guest = servedGuest(blk, { iommu, with: { image, packed, requestMemory: "streaming" } });
          try {
            const driver = await guest.driver() as BlockDriver;
            const ended = writeAll(guest, driver, trap, 6);
            assertEquals(ended, new Array(REQUESTS).fill(1));
          } finally {
            guest.close();
          }
          const words = new Uint32Array(Deno.readFileSync(image).buffer);
          assertEquals(Array.from({ length: REQUESTS }, (_, i) => words[i * 128]), numbers());
          Deno.removeSync(folder, { recursive: true });
          assertEquals(leaked(), [0, 0]);
        },
      });
    }
  }
}

function numbers(): number[] {
  return Array.from({ length: REQUESTS }, (_, i) => i);
}

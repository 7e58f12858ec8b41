import { assertEquals, assertNotEquals } from "@std/assert";
import { loadMachine, type Manifest } from "@iova/core";

/** Every event of a run, one line each. */
async function trace(platform: string, requestMemory: string, seed: number): Promise<string[]> {
  const manifest: Manifest = {
    memory: "16MiB",
    platform,
    devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB", requestMemory } }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", depth: 16, count: 200 } }],
  };
  const lines: string[] = [];
  const machine = await loadMachine(manifest, {
    seed,
    base: "/",
    listen: (event) => lines.push(JSON.stringify(event)),
  });
  const { verified } = await machine.run();
  assertEquals(verified, true);
  return lines;
}

for (const [platform, requestMemory] of [["direct", "coherent"], ["strict", "coherent"], ["strict", "streaming"]]) {
  Deno.test(`on ${platform}, ${requestMemory}, the same manifest and seed give the same events, byte for byte`, async () => {
    const first = await trace(platform, requestMemory, 7);
    assertEquals(first.length > 1000, true, "a run of 200 requests has many events");
    assertEquals(await trace(platform, requestMemory, 7), first);
    assertNotEquals(await trace(platform, requestMemory, 8), first);
  });
}

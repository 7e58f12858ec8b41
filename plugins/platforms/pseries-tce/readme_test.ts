// The picture of the README is what its machine does.

import { assertEquals } from "@std/assert";
import { loadMachine, type MachineEvent, type Manifest } from "@iova/core";

const README = await Deno.readTextFile(new URL("./README.md", import.meta.url));
const MANIFEST = JSON.parse(/```json\n([\s\S]*?)```/.exec(README)![1]) as Manifest;

Deno.test("the addresses of the picture are those of the first buffer that the probe writes", async () => {
  const machine = await loadMachine(MANIFEST);
  const events: MachineEvent[] = [];
  machine.events.listen((event) => void events.push({ ...event }));
  assertEquals((await machine.run()).verified, true);
  const maps = events.filter(({ type }) => type === "map");
  const { cpu, handle, size } = maps.find(({ direction }) => direction === "from device")!;
  const page = Number(handle) >> 12;
  const tce = (Number(cpu) & ~0xfff) | 3;
  const bytes = tce.toString(16).padStart(16, "0").match(/../g)!.join(" ");
  const ioba = `0x${(page << 12).toString(16)}`;
  const lines = [
    `buffer of ${size} bytes at ${cpu}, FROM_DEVICE`,
    `page ${page} of the bitmap is free`,
    `H_PUT_TCE(liobn 0x80000000, ioba ${ioba}, tce 0x${tce.toString(16)})`,
    `is page 0x${(tce >>> 12).toString(16)} the partition's? then T[0x${page.toString(16)}] = ${bytes}`,
    `writes ${size} bytes at bus address ${handle}`,
    `entry 0x${page.toString(16)}, R and W are set`,
    `memory ${cpu}`,
    `H_STUFF_TCE(0x80000000, ${ioba}, 0, 1)`,
    `this one is for page ${page}`,
    `page ${Number(maps[0].handle) >> 12}.`,
  ];
  assertEquals(lines.filter((line) => !README.replaceAll("\n", " ").includes(line)), []);
});

// The picture of the README is what its machine does.

import { assertEquals } from "@std/assert";
import { loadMachine, type Manifest } from "@iova/core";

const README = await Deno.readTextFile(new URL("./README.md", import.meta.url));
const MANIFEST = JSON.parse(/```json\n([\s\S]*?)```/.exec(README)![1]) as Manifest;

const hex = (value: number) => `0x${value.toString(16)}`;

Deno.test("the references and entries of the picture are those of the first two-page buffer that the probe writes", async () => {
  const machine = await loadMachine(MANIFEST);
  const lines: string[] = [];
  machine.events.listen(({ type, direction, handle, size, cpu }) => {
    if (type !== "map" || direction !== "from device" || lines.length > 0) return;
    const address = BigInt(handle as string);
    const [first, offset] = [Number(address >> 12n & 0xffff_ffffn), Number(address & 0xfffn)];
    if (offset + Number(size) <= 4096) return;
    const frame = Number(cpu) >> 12;
    // The grant table is in the first whole page of the heap: the guest gave the page up for it.
    const entry = (ref: number) =>
      [...machine.space.bytes(0x10_1000 + 8 * ref, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    lines.push(
      `buffer at ${cpu}, frames ${hex(frame)}, ${hex(frame + 1)}`,
      `takes references ${hex(first)}, ${hex(first + 1)}`,
      `entry ${hex(first)}: ${entry(first)}`,
      `entry ${hex(first + 1)}: ${entry(first + 1)}`,
      `frame ${hex(frame)}`,
      `a device writes ${size} bytes`,
      `at ${handle}`,
      `map_grant_ref(${hex(first)})`,
      `bytes go to ${cpu}`,
    );
  });
  assertEquals((await machine.run()).verified, true);
  assertEquals(lines.filter((line) => !README.includes(line)), []);
  assertEquals(lines.length, 9);
});

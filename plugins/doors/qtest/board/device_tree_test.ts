import { assertEquals, assertThrows } from "@std/assert";
import { QemuError } from "../qemu/lines.ts";
import { readDeviceTree } from "./device_tree.ts";

/** A tree by hand: `/` with `a = 1`, and below it `bus@1` with `reg = 00 01 02` and no value for `empty`. */
const TREE = [
  ..."d00dfeed 00000000 00000038 00000090 00000028 00000011 00000010 00000000 0000000d 00000058".split(" "),
  ..."00000000 00000000 00000000 00000000".split(" "), // the memory reservation block
  "00000001",
  "00000000", // begin ""
  "00000003",
  "00000004",
  "00000000",
  "00000001", // a = 1
  "00000004", // nop
  "00000001",
  "62757340",
  "31000000", // begin "bus@1"
  "00000003",
  "00000003",
  "00000002",
  "00010200", // reg
  "00000003",
  "00000000",
  "00000006", // empty
  "00000002",
  "00000002",
  "00000009",
  "00000000",
  "00000000",
  "6100726567", // at 0x90: "a\0reg"
  "00656d707479",
  "00",
].join("");

function bytes(): Uint8Array {
  return Uint8Array.from({ length: TREE.length / 2 }, (_, i) => parseInt(TREE.slice(2 * i, 2 * i + 2), 16));
}

Deno.test("nodes are found by path, properties by name", () => {
  const tree = readDeviceTree(bytes());
  assertEquals([...tree.keys()], ["/", "/bus@1"]);
  assertEquals(tree.get("/")!.get("a"), Uint8Array.of(0, 0, 0, 1));
  assertEquals([...tree.get("/bus@1")!], [["reg", Uint8Array.of(0, 1, 2)], ["empty", new Uint8Array(0)]]);
});

Deno.test("what is no tree, or is cut off anywhere, is an error", () => {
  assertThrows(() => readDeviceTree(new Uint8Array(64)), QemuError, "no device tree");
  const whole = bytes();
  for (let length = 0; length < whole.length; length++) {
    try {
      readDeviceTree(whole.slice(0, length));
    } catch (error) {
      if (!(error instanceof QemuError)) throw error;
    }
  }
});

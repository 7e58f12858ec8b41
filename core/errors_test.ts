import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { guarded, InputError, nearest, PluginError } from "./errors.ts";

Deno.test("bad input is one message", () => {
  const error = new InputError({
    file: "a.json",
    path: "platform",
    found: '"drect"',
    expected: "a platform",
    nearest: "direct",
  });
  assertEquals(error.message, 'a.json: platform: found "drect", expected a platform; did you mean "direct"?');
});

Deno.test("a plugin's throw is wrapped once, with the plugin's and the operation's name", async () => {
  const fail = () =>
    guarded("inner", "map", () => {
      throw new TypeError("x is null");
    });
  const error = assertThrows(() => guarded("outer", "run", fail), PluginError);
  assertEquals(error.message, 'plugin "inner" failed in map: x is null');
  assertInstanceOf(error.cause, TypeError);
  await assertRejects(() => guarded("p", "run", () => Promise.reject(new Error("later"))), PluginError, "later");
  assertThrows(() =>
    guarded("p", "create", () => {
      throw new InputError({ file: "f", found: "a", expected: "b" });
    }), InputError);
});

Deno.test("the nearest spelling is near or absent", () => {
  assertEquals(nearest("virtio-blok", ["virtio-blk", "virtio-net"]), "virtio-blk");
  assertEquals(nearest("Platfrom", ["platform", "devices"]), "platform");
  assertEquals(nearest("zzzzzz", ["platform", "devices"]), undefined);
});

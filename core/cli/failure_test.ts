import { assertEquals, assertStringIncludes } from "@std/assert";
import { InputError, PluginError } from "../errors.ts";
import { explain, stackOf } from "./failure.ts";

Deno.test("bad input is one line and exit code 2", () => {
  assertEquals(explain(new InputError({ file: "m.json", path: "seed", found: "x", expected: "y" })), {
    message: "m.json: seed: found x, expected y",
    exitCode: 2,
  });
});

Deno.test("a plugin's bug names the plugin and is exit code 1", () => {
  assertEquals(explain(new PluginError("disk", "create", new Error("oh"))), {
    message: 'plugin "disk" failed in create: oh',
    exitCode: 1,
  });
});

Deno.test("anything else is an internal error", () => {
  assertEquals(explain(new TypeError("oh")), {
    message: "internal error: TypeError: oh (--debug shows where)",
    exitCode: 1,
  });
  assertEquals(explain("oh"), { message: "internal error: oh (--debug shows where)", exitCode: 1 });
});

Deno.test("a refused permission says which and for what, also from inside a plugin", () => {
  const refused = new Deno.errors.NotCapable(
    'Requires write access to "/a b/c", run again with the --allow-write flag',
  );
  const expected = { message: "no permission to write /a b/c; run deno with --allow-write=/a b/c", exitCode: 2 };
  assertEquals(explain(refused), expected);
  assertEquals(explain(new PluginError("disk", "create", refused)), expected);
  assertEquals(explain(new TypeError(refused.message)), expected);
});

Deno.test("a stack shows what was behind an error", () => {
  const stack = stackOf(new PluginError("disk", "create", new Error("the reason")));
  assertStringIncludes(stack, "caused by Error: the reason");
});

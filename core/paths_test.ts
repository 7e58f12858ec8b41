import { assertEquals } from "@std/assert";
import { filePath, fileUrl } from "./paths.ts";

Deno.test("a path and its file URL lead to each other, whatever characters the path has", () => {
  for (
    const path of [
      "/a/b.ts",
      "/with space/100%/a?b#c",
      "/\u00fcml\u00e4ut/\u65e5\u672c",
      "/back\\slash",
      "/tab\tand\nline",
    ]
  ) {
    assertEquals(filePath(fileUrl(path)), path);
  }
});

Deno.test("a relative path starts at its base, and dots are resolved", () => {
  assertEquals(fileUrl("../x/./y.img", "/a/b").href, "file:///a/x/y.img");
  assertEquals(fileUrl("100%.img", "/a").href, "file:///a/100%25.img");
});

Deno.test("an absolute path does not care about the base", () => {
  assertEquals(filePath(fileUrl("/x/y", "/a/b")), "/x/y");
});

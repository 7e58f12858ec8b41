import { assertEquals } from "@std/assert";
import * as rules from "./rules.ts";
import { ROOT } from "./tree.ts";

const project = new rules.Tree(ROOT);

Deno.test("the two halves of a plugin meet in byte layouts only", () => {
  assertEquals(rules.halvesMeetInLayoutsOnly(project), []);
});

Deno.test("core imports no plugin", () => {
  assertEquals(rules.coreImportsNoPlugin(project), []);
});

Deno.test("core names no platform, bus type or device", () => {
  assertEquals(rules.coreNamesNoPlugin(project), []);
});

Deno.test("a plugin imports no other plugin, but for libraries", () => {
  assertEquals(rules.pluginsImportLibrariesOnly(project), []);
});

Deno.test("a plugin reaches out of its folder through public exports only", () => {
  assertEquals(rules.pluginsStayInTheirFolder(project), []);
});

Deno.test("foreign calls stay in one file", () => {
  assertEquals(rules.foreignCallsStayInOneFile(project), []);
});

Deno.test("the product imports three packages of the standard library and itself", () => {
  assertEquals(rules.productDependsOnThreePackages(project), []);
});

Deno.test("every plugin is a package with a name, a version, exports, a module and a README", () => {
  assertEquals(rules.pluginsAreWholePackages(project), []);
});

Deno.test("the top level holds the rooms and nothing else", () => {
  assertEquals(rules.topLevelHoldsTheRoomsOnly(project), []);
});

Deno.test("the kernel stays under its limit of lines", () => {
  assertEquals(rules.kernelStaysSmall(project), []);
});

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { addressTable, type Cell, DECISIONS, tryAll } from "./addresses.ts";
import { GRID_PLATFORMS } from "./platforms.ts";

function check({ decision, platform, expected, seen }: Cell): void {
  const where = `${decision.name}, ${decision.interface}, ${platform.name}`;
  if (expected.outcome === "refused") {
    assertStringIncludes(seen.complaint, expected.complaint!, where);
    assert(seen.address === null && seen.untouched, `${where}: nothing may be moved`);
    return;
  }
  assertEquals(seen.given, expected.given, `${where}: operations`);
  assertEquals(seen.delivered, expected.outcome === "delivered", `${where}: the right bytes`);
  if (seen.address !== null) {
    const asPromised = expected.handles ? platform.isHandle(seen.address, seen.cpu) : seen.address === seen.cpu;
    assert(asPromised, `${where}: told 0x${seen.address.toString(16)} for 0x${seen.cpu.toString(16)}`);
  }
  if (expected.outcome === "delivered") return assertEquals([seen.complaint, seen.faults], ["", 0], where);
  assert(seen.untouched, `${where}: bytes came that are not the disk's`);
  assert(decision.byHand !== undefined || seen.complaint !== "", `${where}: it failed without a word`);
}

Deno.test("who decides the address: every way of deciding, on every platform", async () => {
  const rows = await tryAll();
  console.log(addressTable(rows));
  for (const row of rows) row.forEach(check);
});

Deno.test("the grid covers every row of the decision table but those of foreign buses", () => {
  const covered = new Set(DECISIONS.flatMap(({ rows }) => rows.split(" ")));
  // U14, U15: s390 channels. U16: vDPA, the parent's own row.
  const foreign = ["U14", "U15", "U16"];
  const all = Array.from({ length: 17 }, (_, i) => `U${i + 1}`);
  assertEquals(all.filter((row) => !covered.has(row) && !foreign.includes(row)), []);
  assertEquals(GRID_PLATFORMS.length, 11);
});

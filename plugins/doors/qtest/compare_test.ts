import { assertEquals, assertRejects } from "@std/assert";
import { differences, type Explanation, explanationTable, runOurs, type Scenario, unexplained } from "./compare.ts";

const scenario: Scenario = {
  name: "a probe",
  manifest: { memory: "16MiB", platform: "direct", devices: [{ id: "probe", use: "edu" }] },
  async run(side) {
    const fn = side.device("probe");
    side.see("name of the side", side.name);
    side.see("vendor", fn.vendor);
    side.see("several", [1, -2, 3n, true, "text", null, Uint8Array.of(1, 255), new Uint8Array(0)]);
    const before = side.guest.now;
    side.see("nothing comes", await side.until(() => false, 5));
    side.see("time has passed", side.guest.now - before >= 5e6);
    await side.pause(1);
  },
};

Deno.test("a scenario notes what it sees on our side, as text", async () => {
  assertEquals(Object.fromEntries(await runOurs(scenario)), {
    "name of the side": "ours",
    "vendor": "0x1234",
    "several": "0x1 -2 0x3 true text null 01ff no bytes",
    "nothing comes": "false",
    "time has passed": "true",
  });
});

Deno.test("a label is noted once", async () => {
  const twice: Scenario = { ...scenario, run: (side) => (side.see("a", 1), side.see("a", 1)) };
  await assertRejects(() => runOurs(twice), TypeError, 'a probe: "a" is noted twice');
});

const EXPLAINED: Explanation = {
  what: "a register",
  ours: "reads 1",
  qemu: "reads 2",
  why: "the specification",
  seen: { "a probe": { b: ["0x1", "0x2"] }, "another": { c: ["0x1", "0x2"] } },
};

Deno.test("what is not explained is told, and so is what is explained and no longer so", () => {
  const ours = new Map([["a", "0x1"], ["b", "0x1"], ["only here", "0x5"]]);
  const qemu = new Map([["a", "0x1"], ["b", "0x2"]]);
  const found = differences("a probe", ours, qemu);
  assertEquals(found.map(({ label, ours, qemu }) => [label, ours, qemu]), [
    ["b", "0x1", "0x2"],
    ["only here", "0x5", "nothing"],
  ]);
  assertEquals(unexplained("a probe", found, [EXPLAINED]), [
    'not explained: "only here" is 0x5 here and nothing on QEMU',
  ]);
  assertEquals(unexplained("a probe", [], [EXPLAINED]), ['no longer so: "b" is 0x1 here and 0x2 on QEMU']);
  const changed = [{ scenario: "a probe", label: "b", ours: "0x1", qemu: "0x3" }];
  assertEquals(unexplained("a probe", changed, [EXPLAINED]).length, 2);
});

Deno.test("explanations are a table", () => {
  assertEquals(
    explanationTable([EXPLAINED]),
    "| what | here | QEMU 7.2 | why |\n| --- | --- | --- | --- |\n| a register | reads 1 | reads 2 | the specification |\n",
  );
});

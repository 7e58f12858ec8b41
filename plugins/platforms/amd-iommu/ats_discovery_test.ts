// The kernel finds a device's translation cache where PCI Express puts it, and turns it on and off in Linux's order.

import { assert, assertEquals } from "@std/assert";
import { loadMachine, type Machine, type MachineEvent } from "@iova/core";

const CONFIG_WINDOW = 0xb000_0000;
/** The device at 00:02.0: the IOMMU is where QEMU has it, at 00:01.0. */
const DEVICE = 0x10;
const ATS_CONTROL = CONFIG_WINDOW + DEVICE * 4096 + 0x100 + 6;

function machine(platform: Record<string, unknown>, edu: Record<string, unknown> = {}): Promise<Machine> {
  return loadMachine({
    memory: "16MiB",
    profile: "q35",
    platform: { use: "amd-iommu", with: platform },
    devices: [{ id: "edu0", use: "edu", with: { ats: true, dmaMask: "0xffffffffffffffff", ...edu } }],
    workload: [{ use: "edu-dma", device: "edu0", with: { count: 8 } }],
  });
}

/** The low half of the device table entry's second word: I is bit 0. */
function entryAllowsAts(made: Machine): boolean {
  const table = made.space.read(0xfed8_0000, 4) & ~0xfff;
  return (made.space.read(table + DEVICE * 32 + 12, 4) & 1) === 1;
}

for (const mode of ["strict", "lazy"]) {
  Deno.test(`a cache that the capability tells of is used, invalidated and turned off again (${mode})`, async () => {
    const made = await machine({ mode });
    assertEquals([made.space.read(ATS_CONTROL, 2), entryAllowsAts(made)], [0x8000, true]);
    const report = await made.run();
    const { translationRequests, invalidationsSent, invalidationTimeouts } = report.platformCounters;
    assertEquals([report.verified, report.warnings, invalidationTimeouts], [true, [], 0]);
    assert(translationRequests > 0 && invalidationsSent > 0, JSON.stringify(report.platformCounters));
    assertEquals(made.space.read(ATS_CONTROL, 2), 0, "off once the machine has stopped");
  });
}

Deno.test("the device's cache is off before its entry forbids it", async () => {
  const made = await machine({});
  const seen: string[] = [];
  const note = (what: string) => seen.at(-1) !== what && seen.push(what);
  made.events.listen(({ type }: MachineEvent) => {
    if (type === "invalidate") note(`${made.space.read(ATS_CONTROL, 2) === 0 ? "off" : "on"}, ${entryAllowsAts(made)}`);
  });
  await made.run();
  // After that the table's memory is somebody else's.
  assertEquals(seen.slice(0, 2), ["on, true", "off, false"]);
});

Deno.test("pci=noats leaves it off, and so does an IOMMU that supports no caches, or a device without the capability", async () => {
  for (const [platform, edu] of [[{ noAts: true }, {}], [{ ats: false }, {}], [{}, { ats: false }]]) {
    const made = await machine(platform, edu);
    assertEquals(entryAllowsAts(made), false);
    const report = await made.run();
    assertEquals([report.verified, report.warnings, report.platformCounters.translationRequests], [true, [], 0]);
  }
});

import { assert, assertEquals } from "@std/assert";
import { loadMachine, type WorkloadReport } from "@iova/core";

type Platform = string | { use: string; with: Record<string, unknown> };

async function run(platform: Platform, given: Record<string, unknown> = {}, warned = 0): Promise<WorkloadReport> {
  const machine = await loadMachine({
    memory: "16MiB",
    platform,
    devices: [{ id: "edu0", use: "edu" }],
    workload: [{ use: "edu-dma", device: "edu0", with: given }],
  });
  const { workloads, warnings } = await machine.run();
  assertEquals(warnings.length, warned);
  return workloads[0];
}

for (const platform of ["direct", "strict", "swiotlb"]) {
  Deno.test(`${platform}: round trips are verified`, async () => {
    const { verified, requests, details, failure } = await run(platform, { count: 5, factorial: 13 });
    assertEquals([verified, failure, requests], [true, undefined, 11]);
    assertEquals(details, { version: "1.0", factorial: "13! = 1932053504" });
  });
}

Deno.test("a bad address is let through where nothing translates", async () => {
  const given = { count: 1, badAddress: "0x1000", expect: "reach" };
  const { verified, details } = await run("direct", given);
  assertEquals([verified, details.badRead, details.badWrite], [true, "success", "success"]);
});

Deno.test("a bad address is refused by a platform that translates, and its record is quoted", async () => {
  const { verified, details } = await run("strict", { count: 1, badAddress: "0x123000", expect: "fault" }, 2);
  assertEquals([verified, details.badRead], [true, "unsupported request (NOT_MAPPED at 0x123000)"]);
});

Deno.test("a bad address outside a restricted pool visibly fails", async () => {
  const platform = { use: "swiotlb", with: { restricted: true, pool: "1MiB" } };
  const { verified, details } = await run(platform, { count: 1, badAddress: "0x1000", expect: "fault" });
  assertEquals([verified, details.badWrite], [true, "completer abort (OUTSIDE_RESTRICTED_POOL at 0x1000)"]);
});

Deno.test("a bus that does not do what is expected is named", async () => {
  const { verified, failure } = await run("direct", { count: 1, badAddress: "0x1000", expect: "fault" });
  assertEquals([verified, failure], [false, "0x1000 should be refused; read: success, write: success"]);
});

Deno.test("bytes that come back different are found", async () => {
  const machine = await loadMachine({
    memory: "16MiB",
    platform: "direct",
    devices: [{ id: "edu0", use: "edu" }],
    workload: [{ use: "edu-dma", device: "edu0", with: { count: 3 } }],
  });
  // Whatever the device writes, something else changes a byte of it.
  const { port } = machine.device("edu0");
  const write = port.writeAt.bind(port);
  port.writeAt = (hi, lo, from, offset, length) => {
    const status = write(hi, lo, from, offset, length);
    machine.guest.memory.bytes(lo, 1)[0] ^= 1;
    return status;
  };
  const { verified, workloads } = await machine.run();
  assert(!verified && workloads[0].failure!.includes("round trip 0"), workloads[0].failure);
});

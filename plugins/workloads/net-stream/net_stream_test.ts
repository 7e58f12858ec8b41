import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError, loadMachine, type Manifest, type WorkloadReport } from "@iova/core";
import { Content } from "./content.ts";

type Options = Record<string, unknown>;

async function stream(options: Options, nics: [Options, Options] = [{}, {}]): Promise<WorkloadReport> {
  const devices: Manifest["devices"] = nics.map((given, i) => ({ id: `nic${i}`, use: "virtio-net", with: given }));
  const given = { receiver: "nic1", count: 20, patience: 20, ...options };
  const workload = [{ use: "net-stream", device: "nic0", with: given }];
  const machine = await loadMachine({ memory: "64MiB", platform: "direct", devices, workload });
  const report = await machine.run();
  machine.stop();
  return report.workloads[0];
}

for (const protocol of ["tcp", "udp"]) {
  for (const version of ["ipv4", "ipv6"]) {
    Deno.test(`${protocol} over ${version}: finished, with checksums left undone, and cut, by device or receiver`, async () => {
      const shape = { protocol, version };
      const plain = await stream(shape);
      assertEquals([plain.verified, plain.bytes, plain.details!.partialChecksums], [true, 28000, 0], plain.failure);
      const partial = await stream({ ...shape, offload: "checksum" });
      assertEquals([partial.verified, partial.details!.partialChecksums], [true, 20], partial.failure);
      const long = { ...shape, offload: "segmentation", size: 60000, segment: 1400 };
      const whole = await stream(long);
      assertEquals([whole.verified, whole.details!.framesReceived], [true, 20], whole.failure);
      const cut = await stream(long, [{}, { segmentation: false }]);
      assertEquals([cut.verified, cut.details!.framesReceived, cut.details!.partialChecksums], [true, 20 * 43, 0]);
    });
  }
}

Deno.test("one segment is not cut, and needs no device that cuts", async () => {
  const report = await stream({ offload: "segmentation", size: 1000 }, [{ segmentation: false }, {}]);
  assertEquals([report.verified, report.details!.longestReceived], [true, 1054]);
});

Deno.test("a stream that does not arrive, or not in order, is not verified", async () => {
  const lost = await stream({}, [{ net: "none" }, {}]);
  assertEquals([lost.verified, lost.failure], [false, "28000 of 28000 bytes did not come out"]);
  const unplugged = await stream({}, [{}, { link: false }]);
  assertEquals(unplugged.failure, "no cable is plugged in");
});

Deno.test("what the device cannot do, or cannot carry, is a person's mistake", async () => {
  const cases: [Options, Options, string][] = [
    [{ offload: "checksum" }, { checksum: false }, "workload[0].with.offload: found work that the device does not do"],
    [{ offload: "segmentation", size: 9000 }, { segmentation: false }, "workload[0].with.offload"],
    [{ size: 1500 }, {}, "workload[0].with.size: found 1500 bytes, expected at most 1460"],
    [{ receiver: "disk" }, {}, 'found "disk", expected the id of a network device'],
  ];
  for (const [options, nic, message] of cases) {
    const error = await assertRejects(() => stream(options, [nic, {}]), InputError);
    assertStringIncludes(error.message, message);
  }
});

Deno.test("every byte of the content counts, wherever it stands", () => {
  const content = new Content(7);
  const bytes = new Uint8Array(3000);
  content.write(65000, bytes, 10, 2000);
  assertEquals(content.differs(65000, bytes, 10, 2000), -1);
  for (const at of [0, 520, 521, 1999]) {
    bytes[10 + at] ^= 1;
    assertEquals(content.differs(65000, bytes, 10, 2000), at);
    bytes[10 + at] ^= 1;
  }
  assertEquals(content.differs(65001, bytes, 10, 2000) >= 0, true);
});

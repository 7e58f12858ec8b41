import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError, loadMachine, type Manifest, type WorkloadReport } from "@iova/core";
import { CaptureFile, loadCapture } from "@iova/net";
import { testFrame } from "@iova/net/testing";

const CAPTURE = new URL("../../../examples/lan.pcap", import.meta.url).pathname;
const WHERE = { file: "", optionPath: "" };

type Options = Record<string, unknown>;

async function replay(options: Options, nics: [Options, Options] = [{}, {}]) {
  const devices: Manifest["devices"] = nics.map((given, i) => ({ id: `nic${i}`, use: "virtio-net", with: given }));
  const workload = [{ use: "net-replay", device: "nic0", with: { file: CAPTURE, patience: 20, ...options } }];
  const machine = await loadMachine({ memory: "64MiB", platform: "direct", devices, workload });
  const report = await machine.run();
  machine.stop();
  return report;
}

async function failure(options: Options, nics?: [Options, Options]): Promise<string> {
  const [workload]: readonly WorkloadReport[] = (await replay(options, nics)).workloads;
  assertEquals(workload.verified, false);
  return workload.failure!;
}

/** A capture of `frames`, for the length of a test. */
async function withCapture(frames: Uint8Array[], use: (path: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempFileSync({ suffix: ".pcap" });
  try {
    const file = new CaptureFile({ path, ...WHERE });
    frames.forEach((bytes, i) => file.add(BigInt(i) * 1000n, bytes));
    file.close();
    await use(path);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("the capture comes out byte for byte, with its times and checksums, and is written as it came", async () => {
  const output = Deno.makeTempFileSync({ suffix: ".pcap" });
  try {
    const report = await replay({ receiver: "nic1", output });
    const [{ verified, requests, details }] = report.workloads;
    assertEquals([verified, requests, details!.goodChecksums, details!.badChecksums], [true, 74, 58, 0]);
    const [captured, came] = [loadCapture({ path: CAPTURE, ...WHERE }), loadCapture({ path: output, ...WHERE })];
    assertEquals(came.map(({ bytes }) => bytes), captured.map(({ bytes }) => bytes));
    came.forEach(({ time }, i) => {
      const late = Number(time - captured[i].time);
      assert(late >= 0 && late <= Number(details!.lateMaxNs), `frame ${i + 1} is ${late} ns late`);
    });
  } finally {
    Deno.removeSync(output);
  }
});

Deno.test("with offload the devices complete the checksums that the sender left undone", async () => {
  const report = await replay({ receiver: "nic1", offload: true }, [{}, { checksum: false }]);
  assertEquals([report.verified, report.devices[0].counters.checksums], [true, 54]);
});

Deno.test("without a receiver a device's own frames come back", async () => {
  assertEquals((await replay({}, [{ net: "loopback" }, {}])).verified, true);
});

Deno.test("frames that do not come out are missed", async () => {
  assertEquals(await failure({ receiver: "nic1" }, [{ net: "none" }, {}]), "74 of 74 frames did not come out");
  assertEquals(await failure({ receiver: "nic1" }, [{}, { link: false }]), "no cable is plugged in");
});

Deno.test("a frame that is later than is tolerated is too late", async () => {
  const frames = Array.from({ length: 200 }, () => testFrame({ payload: 1400 }));
  await withCapture(frames, async (file) => {
    const devices = [{}, {}].map((_, i) => ({ id: `nic${i}`, use: "virtio-net" }));
    const workload = [{ use: "net-replay", device: "nic0", with: { file, receiver: "nic1", tolerance: 0 } }];
    const machine = await loadMachine({ memory: "64MiB", platform: "strict", devices, workload });
    const [{ failure }] = (await machine.run()).workloads;
    machine.stop();
    assertStringIncludes(failure!, "ns late, more than 0");
  });
});

Deno.test("what cannot be sent or received is a person's mistake", async () => {
  const cases: [Options, string][] = [
    [{ file: "/nowhere.pcap" }, "which does not exist"],
    [{ receiver: "nic7" }, 'workload[0].with.receiver: found "nic7", expected the id of a network device'],
  ];
  for (const [options, message] of cases) {
    assertStringIncludes((await assertRejects(() => replay(options), InputError)).message, message);
  }
  await withCapture([], async (file) => {
    const error = await assertRejects(() => replay({ file }), InputError);
    assertStringIncludes(error.message, "which has no packets");
  });
  await withCapture([new Uint8Array(2000)], async (file) => {
    const error = await assertRejects(() => replay({ file }, [{ checksum: false }, {}]), InputError);
    assertStringIncludes(error.message, "packet 1 of 2000 bytes, expected 14 to 1518 bytes");
  });
});

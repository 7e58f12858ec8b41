// Two of our network devices on a hub inside a real QEMU, reached through its own socket protocols: what goes in at one
// comes out of the other. QEMU has no guest here; its hub does the forwarding.

import { assertEquals } from "@std/assert";
import { join } from "@std/path/join";
import { ROOT } from "../architecture/tree.ts";

const QEMU = "qemu-system-x86_64";

function hasQemu(): boolean {
  try {
    return new Deno.Command(QEMU, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** What one end of the hub is: QEMU's option, and our device's. */
type End = (folder: string, name: string) => { netdev: string; nic: Record<string, unknown>; wait?: string };

const stream: End = (folder, name) => ({
  netdev: `stream,id=${name},server=on,addr.type=unix,addr.path=${folder}/${name}`,
  nic: { net: "stream", socket: `${folder}/${name}` },
});

/** QEMU connects, once: our device must be there before. */
const streamListening: End = (folder, name) => ({
  netdev: `stream,id=${name},server=off,addr.type=unix,addr.path=${folder}/${name}`,
  nic: { net: "stream", socket: `${folder}/${name}`, listen: true },
});

const dgram: End = (folder, name) => ({
  netdev: `dgram,id=${name},local.type=unix,local.path=${folder}/${name},` +
    `remote.type=unix,remote.path=${folder}/${name}.ours`,
  nic: { net: "dgram", socket: `${folder}/${name}.ours`, remote: `${folder}/${name}` },
  wait: `${folder}/${name}`,
});

/** What goes over an end: as much as one likes over a stream; a socket for datagrams holds ten, and the hub drops the rest. */
const STREAM = { count: 200, size: 60000, offload: "segmentation" };
const FEW = { count: 8, size: 1400, offload: "checksum" };

function workload(sent: Record<string, unknown>): unknown[] {
  const file = join(ROOT, "examples/lan.pcap");
  const replay = { file, receiver: "nic1", offload: true, timing: false, patience: 10000 };
  const forth = sent === STREAM
    ? { use: "net-replay", device: "nic0", with: replay }
    : { use: "net-stream", device: "nic0", with: { ...sent, receiver: "nic1", patience: 10000 } };
  return [forth, { use: "net-stream", device: "nic1", with: { ...sent, receiver: "nic0", patience: 10000 } }];
}

async function appears(path: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    try {
      return void Deno.lstatSync(path);
    } catch {
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }
  throw new Error(`${path} never appeared`);
}

async function across(left: End, right: End, sent: Record<string, unknown>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "iova-hub-" });
  const ends = [left(folder, "a"), right(folder, "b")];
  // The right end first: what QEMU connects to on the left may answer at once, over the right end.
  const netdevs = ends.toReversed().flatMap(({ netdev }) => ["-netdev", netdev]);
  const ports = ["a", "b"].flatMap((name) => ["-netdev", `hubport,id=h${name},hubid=0,netdev=${name}`]);
  const args = ["-machine", "none", "-nodefaults", "-display", "none", ...netdevs, ...ports];
  const devices = ends.map(({ nic }, i) => ({ id: `nic${i}`, use: "virtio-net", with: nic }));
  const manifest = { memory: "64MiB", platform: "strict", devices, workload: workload(sent) };
  Deno.writeTextFileSync(`${folder}/hub.json`, JSON.stringify(manifest));
  const start = () => new Deno.Command(QEMU, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  const ours = ends.find(({ nic }) => nic.listen === true);
  const theirs = ends.flatMap(({ wait, nic }) => wait ?? (nic.listen === true ? [] : String(nic.socket)));
  let qemu: Deno.ChildProcess | null = null;
  try {
    if (ours === undefined) {
      qemu = start();
      for (const path of theirs) await appears(path);
    }
    const run = machine(folder);
    if (ours !== undefined) {
      await appears(String(ours.nic.socket));
      qemu = start();
    }
    const { code, stdout, stderr } = await run;
    const text = new TextDecoder();
    assertEquals(code, 0, `${text.decode(stdout)}${text.decode(stderr)}`);
  } finally {
    qemu?.kill();
    await qemu?.status;
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Runs the machine in `folder` in a process of its own, which may use sockets. */
function machine(folder: string): Promise<Deno.CommandOutput> {
  const flags = ["--frozen", "--no-check", "--unstable-net", "--allow-net", "--allow-read", `--allow-write=${folder}`];
  const args = ["run", ...flags, join(ROOT, "mod.ts"), "run", `${folder}/hub.json`];
  return new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" }, stdin: "null" }).output();
}

const ignore = !hasQemu();

Deno.test({ name: "two devices on QEMU's hub, both by stream", ignore, fn: () => across(stream, stream, STREAM) });

Deno.test({
  name: "two devices on QEMU's hub, one by stream and one by datagram",
  ignore,
  fn: () => across(stream, dgram, FEW),
});

Deno.test({ name: "QEMU may connect to a device that listens", ignore, fn: () => across(streamListening, dgram, FEW) });

// The command as a person gives it, with the permissions that its README names and no others.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { close, open, read } from "@iova/libc";
import { qemuTest } from "@iova/qtest/testing";
import { ROOT } from "../architecture/tree.ts";

const PERMISSIONS = ["--allow-read", "--allow-write=/tmp", "--allow-ffi", "--allow-run=qemu-system-x86_64"];

async function command(permissions: string[], ...args: string[]): Promise<[code: number, out: string, err: string]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--frozen", ...permissions, "mod.ts", "drive", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return [code, text.decode(stdout), text.decode(stderr)];
}

qemuTest("drive runs a manifest's workload on QEMU and prints the usual report", async () => {
  const [code, out, err] = await command(PERMISSIONS, "examples/quickstart.json", "--platform", "amd-iommu");
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "disk0  virtio-blk at 00:04.0");
  assertStringIncludes(out, "✓ verified  on amd-iommu");
});

qemuTest("drive --json prints one JSON document", async () => {
  const [code, out] = await command(PERMISSIONS, "examples/quickstart.json", "--json");
  const report = JSON.parse(out);
  assertEquals([code, report.verified, report.platform], [0, true, "direct"]);
});

qemuTest(
  "a missing permission, a program that is not there and a machine that QEMU has not are one line, and 2",
  async () => {
    const [denied, , whatDenied] = await command(PERMISSIONS.slice(0, 3), "examples/quickstart.json");
    assertEquals(denied, 2);
    assertStringIncludes(whatDenied, "--allow-run");
    const run = [...PERMISSIONS.slice(0, 3), "--allow-run=no-such-qemu"];
    const [missing, , whatMissing] = await command(run, "examples/quickstart.json", "--qemu", "no-such-qemu");
    assertEquals(missing, 2);
    assertStringIncludes(
      whatMissing,
      "error: --qemu: found no-such-qemu, which is not there, expected a QEMU system emulator",
    );
    const [refused, , whatRefused] = await command(PERMISSIONS, "examples/quickstart.json", "--platform", "strict");
    assertEquals(refused, 2);
    assertStringIncludes(whatRefused, '"strict", which QEMU does not have');
  },
);

qemuTest("a QEMU that does not start is one line with its own words, and 1", async () => {
  const [code, , err] = await command(
    PERMISSIONS,
    "examples/quickstart.json",
    "--set",
    "devices.disk0.with.image=/tmp/none",
  );
  assertEquals(code, 1);
  assertStringIncludes(err, 'plugin "qtest" failed in drive: QEMU ended at once');
  assertStringIncludes(err, "Could not open '/tmp/none'");
});

/** What a file about a process says, which Deno itself does not tell; null when there is no such process. */
function processFile(path: string): string | null {
  const fd = open(`/proc/${path}`, 0);
  if (fd < 0) return null;
  const buffer = new Uint8Array(4096);
  const length = read(fd, buffer);
  close(fd);
  return new TextDecoder().decode(buffer.subarray(0, length));
}

qemuTest("a signal that ends the command ends QEMU with it", async () => {
  const folder = Deno.makeTempDirSync({ dir: "/tmp" });
  const image = `${folder}/disk.img`;
  Deno.writeFileSync(image, new Uint8Array(1024 ** 2));
  const manifest = {
    platform: "direct",
    devices: [{ id: "disk0", use: "virtio-blk", with: { image } }],
    workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", count: 1_000_000 } }],
  };
  Deno.writeTextFileSync(`${folder}/machine.json`, JSON.stringify(manifest));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--frozen", ...PERMISSIONS, "mod.ts", "drive", `${folder}/machine.json`],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  while (Deno.readFileSync(image).every((byte) => byte === 0)) await new Promise((resolve) => setTimeout(resolve, 50));
  const qemu = processFile(`${child.pid}/task/${child.pid}/children`)?.trim() ?? "";
  assertMatch(qemu, /^\d+$/);
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 143);
  assertEquals(processFile(`${qemu}/stat`), null);
  Deno.removeSync(folder, { recursive: true });
});

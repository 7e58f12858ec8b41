// A real file system of 64 MiB, block by block in random order through the whole machine: every bit arrives.

import { assertEquals } from "@std/assert";
import { loadMachine, Random } from "@iova/core";
import { inFolder, PLATFORMS, sha256Of } from "./scenario.ts";

/** Whether a program is there and may be run. */
function canRun(program: string): boolean {
  try {
    new Deno.Command(program, { args: ["-V"], stdout: "null", stderr: "null" }).outputSync();
    return true;
  } catch {
    return false;
  }
}

const missing = ["mkfs.ext4", "e2fsck"].filter((program) => !canRun(program));
const why = missing.length === 0 ? "" : ` (ignored: ${missing.join(" and ")} not installed, or not allowed)`;

function run(program: string, ...args: string[]): void {
  const { success, code, stderr, stdout } = new Deno.Command(program, { args }).outputSync();
  if (success) return;
  const text = new TextDecoder();
  throw new Error(`${program} ${args.join(" ")}: ${code}\n${text.decode(stdout)}${text.decode(stderr)}`);
}

/** Files that are the same in every run: 16 large ones, and 300 small ones in folders. */
function makeFiles(folder: string): void {
  const random = new Random(64);
  const content = (words: number) => {
    const data = new Uint32Array(words);
    for (let i = 0; i < words; i++) data[i] = random.next();
    return new Uint8Array(data.buffer);
  };
  Deno.mkdirSync(folder);
  for (let i = 0; i < 16; i++) Deno.writeFileSync(`${folder}/large-${i}`, content(512 * 1024));
  for (let i = 0; i < 300; i++) {
    if (i % 20 === 0) Deno.mkdirSync(`${folder}/folder-${i / 20}`);
    Deno.writeFileSync(`${folder}/folder-${Math.floor(i / 20)}/small-${i}`, content(random.below(4000)));
  }
}

function makeImage(folder: string): void {
  makeFiles(`${folder}/files`);
  const uuid = "69766f61-0000-4000-8000-000000000040";
  const fixed = ["-U", uuid, "-E", `hash_seed=${uuid},root_owner=0:0`];
  run("mkfs.ext4", "-q", "-F", ...fixed, "-d", `${folder}/files`, `${folder}/ext4.img`, "64M");
  run("e2fsck", "-fn", `${folder}/ext4.img`);
}

for (const platform of PLATFORMS) {
  Deno.test({
    name: `a 64 MiB ext4 image copied in random order on ${platform} is bit-identical and passes e2fsck${why}`,
    ignore: missing.length > 0,
    fn: () =>
      inFolder(async (folder) => {
        makeImage(folder);
        const machine = await loadMachine({
          memory: "16MiB",
          platform,
          devices: [{ id: "disk0", use: "virtio-blk", with: { image: "ext4.img", readOnly: true } }],
          workload: [{
            use: "blk-copy",
            device: "disk0",
            with: { to: "copy.img", order: "random", blockSize: "4KiB", depth: 32 },
          }],
        }, { base: folder });
        const report = await machine.run();
        const [{ verified, failure, requests, bytes, details }] = report.workloads;
        assertEquals([failure, verified, requests, bytes], [undefined, true, 16384, 64 * 1024 * 1024]);
        const expected = await sha256Of(`${folder}/ext4.img`);
        assertEquals(await sha256Of(`${folder}/copy.img`), expected);
        assertEquals(details.sha256, expected);
        run("e2fsck", "-fn", `${folder}/copy.img`);
      }),
  });
}

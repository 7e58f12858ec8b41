// A front-end in C that needs no virtual machine: Debian 13's libblkio, in QEMU's own I/O tool and in a benchmark.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { unavailable } from "@iova/libc";
import blk from "@iova/virtio-blk";
import { serveDevice, Server } from "@iova/vhost-user/testing";

const TOOLS = "/tmp/iova-libblkio/iova";
const QEMU_IO = `${TOOLS}/qemu-io.sh`;
const BENCH = `${TOOLS}/blkio-bench.sh`;

function missing(): string | null {
  for (const command of [QEMU_IO, BENCH]) {
    const granted = Deno.permissions.querySync({ name: "run", command }).state === "granted";
    if (!granted) return `needs --allow-run=${command}`;
    try {
      Deno.statSync(command);
    } catch {
      return "needs the tools that tests/qemu/setup_libblkio.sh fetches";
    }
  }
  return unavailable();
}

const reason = missing();
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: reason === null ? name : `${name} (ignored: ${reason})`, ignore: reason !== null, fn });

/** What a tool prints while a disk is served to it. */
async function tool(
  command: string,
  args: (socket: string) => string[],
  check: (image: string) => void,
): Promise<string> {
  const folder = Deno.makeTempDirSync({ prefix: "iova-blkio-" });
  const image = `${folder}/disk.img`;
  const socket = `${folder}/sock`;
  Deno.writeFileSync(image, new Uint8Array(8 << 20));
  const served = serveDevice(blk, { image });
  const server = new Server(served, {});
  assertEquals(server.listen(socket), 0);
  let ended = false;
  const output = new Deno.Command(command, { args: args(socket), stdout: "piped", stderr: "piped" }).output()
    .finally(() => ended = true);
  while (!ended) await server.turnElsewhere(20);
  const { code, stdout, stderr } = await output;
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(code, 0, text);
  const { errors, breakdowns } = served.plugin.counters();
  assertEquals([errors, breakdowns], [0, 0], text);
  server.close();
  served.stop();
  check(image);
  Deno.removeSync(folder, { recursive: true });
  return text;
}

test("QEMU's I/O tool writes and reads through libblkio, and the file has what it wrote", async () => {
  const options = (socket: string) => `driver=virtio-blk-vhost-user,path=${socket},cache.direct=on`;
  const commands = [
    "write -P 0x5a 4k 64k",
    "read -P 0x5a 4k 64k",
    "flush",
    "write -z 8k 4k",
    "read -P 0 8k 4k",
    "length",
  ];
  const text = await tool(
    QEMU_IO,
    (socket) => ["--image-opts", options(socket), ...commands.flatMap((command) => ["-c", command])],
    (image) => {
      const bytes = Deno.readFileSync(image);
      assertEquals([bytes[4095], bytes[4096], bytes[8192], bytes[12288], bytes[69632]], [0, 0x5a, 0, 0x5a, 0]);
    },
  );
  assertStringIncludes(text, "8 MiB");
  assert(!text.includes("failed"), text);
});

test("a benchmark in C keeps 32 requests in flight, whose headers are aligned to nothing", async () => {
  for (const pattern of ["randread", "randwrite"]) {
    const text = await tool(
      BENCH,
      (socket) => ["--runtime=1", "--iodepth=32", `--readwrite=${pattern}`, "virtio-blk-vhost-user", `path=${socket}`],
      () => {},
    );
    assertStringIncludes(text, "kiops");
  }
});

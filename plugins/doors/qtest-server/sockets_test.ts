import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path/from-file-url";

const ROOT = fromFileUrl(new URL("../../../", import.meta.url));
const CLIENT = fromFileUrl(new URL("./testdata/client.ts", import.meta.url));
const MANIFEST = JSON.stringify({ platform: "direct", profile: "pc", memory: "16MiB" });

/** A folder with a manifest and places for two sockets. */
function place() {
  const folder = Deno.makeTempDirSync({ dir: "/tmp" });
  Deno.writeTextFileSync(`${folder}/pc.json`, MANIFEST);
  const [qtest, qmp] = [`${folder}/qtest`, `${folder}/qmp`];
  return { folder, manifest: `${folder}/pc.json`, qtest, qmp, net: `--allow-net=unix:${qtest},unix:${qmp}` };
}

function deno(args: string[], stdin: "piped" | "null" = "null"): Deno.ChildProcess {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...args],
    cwd: ROOT,
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
  return command.spawn();
}

function server({ manifest, qtest, qmp, net }: ReturnType<typeof place>, ...more: string[]): Deno.ChildProcess {
  const permissions = ["--allow-read", `--allow-write=${qtest},${qmp}`, net];
  return deno([...permissions, "mod.ts", "qtest", manifest, "--socket", qtest, "--qmp", qmp, ...more]);
}

async function output(child: Deno.ChildProcess): Promise<[code: number, text: string]> {
  const { code, stdout, stderr } = await child.output();
  return [code, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)];
}

const HEARD = ["OK", "OK 0x12378086"];
const ENDED = ["QMP", '{"return": {}}', "timestamp,event,data return", ""];

Deno.test("the door listens on two sockets of this user's, replaces stale ones, and takes them away with it", async () => {
  const at = place();
  const killed = server(at);
  while (![...Deno.readDirSync(at.folder)].some(({ name }) => name === "qmp")) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  killed.kill("SIGKILL");
  await killed.output();
  const running = server(at);
  const client = deno(["--allow-read", "--allow-write=/tmp", at.net, CLIENT, "connect", at.qtest, at.qmp]);
  const [code, text] = await output(client);
  assertEquals([code, text], [0, [...HEARD, "600", "600", ...ENDED].join("\n")]);
  assertEquals(await output(running), [0, ""]);
  assertEquals([...Deno.readDirSync(at.folder)].map(({ name }) => name), ["pc.json"]);
  Deno.removeSync(at.folder, { recursive: true });
});

Deno.test("a client that says all and closes its side at once hears every answer, the largest one too", async () => {
  const at = place();
  const running = server(at);
  const client = deno(["--allow-read", "--allow-write=/tmp", at.net, CLIENT, "say", at.qtest, at.qmp]);
  assertEquals(await output(client), [0, `${5 + 2 * 64 * 1024 ** 2 + 1 + 10} 0000\nOK little\n\n`]);
  running.kill("SIGTERM");
  assertEquals(await output(running), [0, ""]);
  Deno.removeSync(at.folder, { recursive: true });
});

Deno.test("the door connects to a harness that listens on both", async () => {
  const at = place();
  const client = deno(["--allow-read", "--allow-write=/tmp", at.net, CLIENT, "listen", at.qtest, at.qmp]);
  const reader = client.stdout.getReader();
  const { value } = await reader.read();
  assertStringIncludes(new TextDecoder().decode(value), "listening");
  reader.releaseLock();
  const running = server(at, "--connect");
  const [code, text] = await output(client);
  assertEquals([code, text], [0, [...HEARD, ...ENDED].join("\n")]);
  assertEquals(await output(running), [0, ""]);
  Deno.removeSync(at.folder, { recursive: true });
});

Deno.test("without sockets the protocol is spoken on standard input and output; a signal ends it well", async () => {
  const at = place();
  const child = deno(["--allow-read", "mod.ts", "qtest", at.manifest], "piped");
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("endianness\n"));
  const reader = child.stdout.getReader();
  assertEquals(new TextDecoder().decode((await reader.read()).value), "OK little\n");
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 0);
  await writer.close().catch(() => {});
  await reader.cancel();
  await child.stderr.cancel();
  Deno.removeSync(at.folder, { recursive: true });
});

Deno.test("what cannot be had is one line and exit code 2", async () => {
  const at = place();
  const complaints: [string[], string][] = [
    [["qtest"], "error: qtest: found no manifest, expected one, or --qemu with a command line\n"],
    [
      ["qtest", "--qemu=-machine nonsense"],
      'error: --qemu: found machine type "nonsense", expected one that is there\n',
    ],
    [
      ["qtest", "--qemu=-device foo"],
      "error: --qemu: found -device foo ('foo' is not a valid device model name), expected what QEMU would take\n",
    ],
    [["qtest", at.manifest, "--socket", at.qtest, "--connect"], `error: --socket: found "${at.qtest}" (`],
    [
      ["qtest", at.manifest, "--socket", at.manifest],
      `error: --socket: found "${at.manifest}" (it is no socket), expected`,
    ],
  ];
  for (const [args, message] of complaints) {
    const [code, text] = await output(deno(["--allow-read", "--allow-write=/tmp", at.net, "mod.ts", ...args]));
    assertEquals([code, text.startsWith(message) ? message : text], [2, message]);
  }
  Deno.removeSync(at.folder, { recursive: true });
});

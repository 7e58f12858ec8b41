// The command itself: another process, its worker, its signals.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { close, connectUnix, MessageSocket, unavailable } from "@iova/libc";
import { fromHex } from "@iova/fields/testing";

const MOD = new URL("../../mod.ts", import.meta.url).pathname;
const DENO = Deno.execPath();
const mayRun = Deno.permissions.querySync({ name: "run", command: DENO }).state === "granted";
const ignore = unavailable() !== null || !mayRun;
const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore, fn });

const MANIFEST = {
  memory: "1MiB",
  platform: "direct",
  devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }, { id: "probe", use: "edu" }],
};

/** The command, with its manifest and socket in a folder of its own. */
class Command {
  readonly folder = Deno.makeTempDirSync({ prefix: "iova-serve-" });
  readonly socket = `${this.folder}/sock`;
  readonly child: Deno.ChildProcess;
  output = "";
  readonly #done: Promise<Deno.CommandStatus>;

  constructor(args: readonly string[], manifest: unknown = MANIFEST) {
    Deno.writeTextFileSync(`${this.folder}/machine.json`, JSON.stringify(manifest));
    const permissions = ["--no-check", "--allow-read", "--allow-write=/tmp", "--allow-ffi"];
    this.child = new Deno.Command(DENO, {
      args: ["run", ...permissions, MOD, "serve", `${this.folder}/machine.json`, "--socket", this.socket, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const { stdout, stderr, status } = this.child;
    this.#done = Promise.all([status, this.#read(stdout), this.#read(stderr)]).then(([status]) => status);
  }

  async until(text: string): Promise<void> {
    for (let i = 0; i < 2000 && !this.output.includes(text); i++) await new Promise((done) => setTimeout(done, 10));
    assertStringIncludes(this.output, text);
  }

  async code(): Promise<number> {
    const { code } = await this.#done;
    Deno.removeSync(this.folder, { recursive: true });
    return code;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.output += decoder.decode(bytes);
  }
}

/** Asks for the features. */
function ask(fd: number): number {
  const socket = new MessageSocket(fd);
  socket.send(fromHex("01000000 01000000 00000000"));
  return socket.receive(new Uint8Array(64), 0, 64);
}

test("it serves one connection after the other, prints statistics when signalled, and ends when told to", async () => {
  const command = new Command(["--device", "disk0", "--json"]);
  await command.until("disk0 at ");
  assertEquals(Deno.statSync(command.socket).mode! & 0o777, 0o600);
  for (let i = 0; i < 2; i++) {
    const fd = connectUnix(command.socket);
    assertEquals(ask(fd), 20);
    close(fd);
  }
  // Deno opens its debugger for this signal half a second after it was started, unless its port is held.
  await new Promise((done) => setTimeout(done, 700));
  const fd = connectUnix(command.socket);
  assertEquals(ask(fd), 20);
  command.child.kill("SIGUSR1");
  await command.until('"connections":3');
  assertStringIncludes(command.output, '"GET_FEATURES":1');
  assert(!command.output.includes("Debugger listening"), command.output);
  command.child.kill("SIGTERM");
  assertEquals(await command.code(), 0);
  close(fd);
});

test("with --once it ends with the first connection, and its worker does not keep it", async () => {
  const command = new Command(["--device", "disk0", "--once"]);
  await command.until("disk0 at ");
  close(connectUnix(command.socket));
  assertEquals(await command.code(), 0);
});

test("what a person wrote wrong is one line and exit code 2", async () => {
  for (
    const [args, expected] of [
      [["--device", "disk1"], '--device: found "disk1", expected one of disk0, probe; did you mean "disk0"?'],
      [["--device", "probe"], "expected a virtio device"],
      [["--device", "disk0", "--socket", "/tmp"], "--socket: found /tmp, a file that is no socket"],
      [[], "--device"],
    ] as [string[], string][]
  ) {
    const command = new Command(args);
    assertEquals(await command.code(), 2, command.output);
    assertStringIncludes(command.output, expected);
    assertEquals(command.output.trim().split("\n").length, 1, command.output);
  }
});

test("every message and every access is in the trace", async () => {
  const command = new Command(["--device", "disk0", "--once", "--trace", "/tmp/iova-serve-trace.jsonl"]);
  await command.until("disk0 at ");
  const fd = connectUnix(command.socket);
  assertEquals(ask(fd), 20);
  close(fd);
  assertEquals(await command.code(), 0);
  const [line] = Deno.readTextFileSync("/tmp/iova-serve-trace.jsonl").split("\n");
  assertEquals(JSON.parse(line).request, "GET_FEATURES");
  Deno.removeSync("/tmp/iova-serve-trace.jsonl");
});

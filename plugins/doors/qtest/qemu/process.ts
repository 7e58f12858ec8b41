/**
 * A QEMU process with its qtest socket, and its memory as ours: a memory file that both map.
 *
 * @module
 */

import {
  acceptUnix,
  close,
  Errno,
  errnoName,
  listenUnix,
  type Mapping,
  mapShared,
  memoryFile,
  SystemError,
} from "@iova/libc";
import { InputError } from "@iova/core";
import { join } from "@std/path/join";
import { QtestConnection } from "./connection.ts";
import { QemuError } from "./lines.ts";

/** What to start. */
export interface QemuCommand {
  /** The program. */
  readonly program: string;
  /** Its arguments, besides those for socket and memory. Memory is the object `ram`. */
  readonly args: readonly string[];
  /** Bytes of memory. */
  readonly memory: number;
}

/** Milliseconds that QEMU may take until it has connected. */
const START_MS = 20_000;
/** Bytes that are kept of what QEMU prints. */
const MOST_WORDS = 4096;
/** Flags of every machine: nothing that we did not ask for, no window, and a CPU that is emulated. */
const ALWAYS = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", "tcg"];

/** A running QEMU. */
export class QemuProcess {
  /** The socket. */
  readonly qtest: QtestConnection;
  /** The machine's memory. */
  readonly ram: Mapping;
  readonly #child: Deno.ChildProcess;
  readonly #words: Words;
  readonly #files: readonly number[];

  private constructor(child: Deno.ChildProcess, words: Words, qtest: QtestConnection, ram: Mapping, files: number[]) {
    this.#child = child;
    this.#words = words;
    this.qtest = qtest;
    this.ram = ram;
    this.#files = files;
  }

  /**
   * Starts QEMU and connects. `files` are descriptors that it uses by name ({@linkcode fileName}); they are closed with
   * the process.
   *
   * @throws {QemuError} when it ends at once, with what it printed.
   */
  static async start({ program, args, memory }: QemuCommand, files: readonly number[] = []): Promise<QemuProcess> {
    const folder = await Deno.makeTempDir({ prefix: "iova-qtest-" });
    const held = [...files];
    let child: Deno.ChildProcess | null = null;
    let ram: Mapping | null = null;
    try {
      const fd = must("a memory file", memoryFile("iova-ram", memory));
      held.push(fd);
      ram = mustMap(mapShared(fd, memory, 0));
      const socket = join(folder, "qtest");
      const listener = must(socket, listenUnix(socket));
      held.push(listener);
      const ours = [
        ...["-qtest", `unix:${socket}`, "-qtest-log", "/dev/null", "-m", `${memory / 1024}k`],
        ...["-object", `memory-backend-file,id=ram,size=${memory},mem-path=${fileName(fd)},share=on`],
      ];
      child = spawn(program, [...ALWAYS, ...ours, ...args]);
      const words = new Words(child);
      const connected = await accept(listener, words);
      return new QemuProcess(child, words, new QtestConnection(connected, () => words.text), ram, held);
    } catch (error) {
      if (child !== null) kill(child);
      await child?.status;
      ram?.release();
      held.forEach(close);
      throw error;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  /** What it has printed so far. */
  get words(): string {
    return this.#words.text;
  }

  /** Whether it has ended. */
  get over(): boolean {
    return this.#words.over;
  }

  /** Kills it and leaves everything else to {@linkcode QemuProcess.stop}: what a crash looks like. */
  async kill(): Promise<void> {
    kill(this.#child);
    await this.#child.status;
  }

  /** Kills it and gives everything back. Twice is harmless. */
  async stop(): Promise<void> {
    if (!this.ram.live) return;
    this.qtest.close();
    kill(this.#child);
    this.ram.release();
    this.#files.forEach(close);
    await this.#child.status;
    await this.#words.ended;
  }
}

/**
 * Asks a program for its version.
 *
 * @throws {InputError} when there is no such program, or it is no QEMU.
 */
export async function qemuVersion(program: string): Promise<readonly [major: number, minor: number]> {
  let text = "";
  try {
    const { stdout } = await new Deno.Command(program, { args: ["--version"], stdin: "null", stderr: "null" }).output();
    text = new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw noQemu(program, "which is not there");
  }
  const match = /QEMU emulator version (\d+)\.(\d+)/.exec(text);
  if (match === null) throw noQemu(program, "which does not say that it is a QEMU");
  return [Number(match[1]), Number(match[2])];
}

function noQemu(program: string, what: string): InputError {
  return new InputError({ file: "--qemu", found: `${program}, ${what}`, expected: "a QEMU system emulator" });
}

/** The name by which another process of the same user opens one of our descriptors. */
export function fileName(fd: number): string {
  return `/proc/${Deno.pid}/fd/${fd}`;
}

/** The last of what a process prints. */
class Words {
  text = "";
  /** Whether the process has ended. */
  over = false;
  readonly ended: Promise<void>;

  constructor(child: Deno.ChildProcess) {
    this.ended = this.#listen(child);
  }

  async #listen(child: Deno.ChildProcess): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      this.text = (this.text + decoder.decode(chunk, { stream: true })).slice(-MOST_WORDS);
    }
    await child.status;
    this.over = true;
  }
}

function spawn(program: string, args: string[]): Deno.ChildProcess {
  return new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
}

async function accept(listener: number, words: Words): Promise<number> {
  const until = performance.now() + START_MS;
  for (;;) {
    const fd = acceptUnix(listener);
    if (fd >= 0) return fd;
    if (fd !== -Errno.EAGAIN && fd !== -Errno.EINTR) throw new QemuError(`accept: ${errnoName(fd)}`);
    if (words.over) throw new QemuError(`QEMU ended at once: ${words.text.trim() || "it said nothing"}`);
    if (performance.now() > until) throw new QemuError(`QEMU did not connect within ${START_MS} ms: ${words.text}`);
    await new Promise((wake) => setTimeout(wake, 2));
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch { /* it has ended already */ }
}

function must(what: string, result: number): number {
  if (result < 0) throw new SystemError(what, result);
  return result;
}

function mustMap(result: Mapping | number): Mapping {
  if (typeof result === "number") throw new SystemError("mapping the machine's memory", result);
  return result;
}

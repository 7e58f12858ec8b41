/** A session in the test's own process, with a client on each protocol. */

import { type DeviceEntry, loadMachine, type Manifest } from "@iova/core";
import type { ClockMode } from "../board.ts";
import type { Peer } from "../peer.ts";
import { Backends } from "../qemu/backends.ts";
import type { DebuggedDrive } from "../qemu/blkdebug.ts";
import { machineOf } from "../qemu/machines.ts";
import { Session } from "../session.ts";

/** A client: what it is sent, and a way to send. */
export class Client implements Peer {
  readonly bytes: AsyncIterable<Uint8Array>;
  crowded: Promise<void> | null = null;
  received = "";
  closed = false;
  #queue: Uint8Array[] = [];
  #wake: () => void = () => {};
  #over = false;
  #heard: () => void = () => {};

  constructor() {
    this.bytes = this.#stream();
  }

  /** What the client types. */
  type(text: string | Uint8Array): void {
    this.#queue.push(typeof text === "string" ? new TextEncoder().encode(text) : text);
    this.#wake();
  }

  /** Hangs up. */
  leave(): void {
    this.#over = true;
    this.#wake();
  }

  send(text: string): void {
    this.received += text;
    this.#heard();
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  /** Waits until what was received satisfies `enough`, and takes it. */
  async hear(enough: (text: string) => boolean): Promise<string> {
    while (!enough(this.received)) await new Promise<void>((heard) => this.#heard = heard);
    const text = this.received;
    this.received = "";
    return text;
  }

  async *#stream(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) yield next;
      else if (this.#over) return;
      else await new Promise<void>((wake) => this.#wake = wake);
    }
  }
}

/** A session that serves both clients. */
export interface World {
  readonly session: Session;
  readonly qtest: Client;
  readonly qmp: Client;
  /** Sends a line of the qtest protocol and returns the lines up to its answer. */
  ask(line: string): Promise<string[]>;
  /** Sends a QMP command and returns its answer. */
  // deno-lint-ignore no-explicit-any
  command(execute: string, given?: Record<string, unknown>): Promise<any>;
  /** Messages of the monitor that were no answers, so far. */
  // deno-lint-ignore no-explicit-any
  readonly events: any[];
  /** Ends it and waits until everything has ended. */
  end(): Promise<void>;
}

/** Opens a session on a `pc`, or on another machine. */
export async function world(
  { devices = [], clock = "step", stopped = false, debugged = {}, ...more }:
    & Partial<Manifest>
    & {
      devices?: DeviceEntry[];
      clock?: ClockMode;
      stopped?: boolean;
      debugged?: Record<string, DebuggedDrive>;
    } = {},
): Promise<World> {
  const manifest = { platform: "direct", profile: "pc", memory: "128MiB", devices, ...more };
  const machine = await loadMachine(manifest, { bare: true });
  const backends = new Backends();
  for (const [name, drive] of Object.entries(debugged)) backends.debugged.set(name, drive);
  const type = machineOf(typeof manifest.profile === "string" ? manifest.profile : undefined);
  const session = new Session({ machine, type, backends, clock, stopped });
  const [qtest, qmp] = [new Client(), new Client()];
  const work = [session.run(), session.serveQtest(qtest), session.serveQmp(qmp)];
  const events: unknown[] = [];
  const answers: unknown[] = [];
  const sort = (text: string) => {
    for (const line of text.split("\r\n").filter((line) => line !== "")) {
      const message = JSON.parse(line);
      ("event" in message || "QMP" in message ? events : answers).push(message);
    }
  };
  const command = async (execute: string, given?: Record<string, unknown>) => {
    qmp.type(JSON.stringify({ execute, ...(given && { arguments: given }) }));
    while (answers.length === 0) sort(await qmp.hear((text) => text.endsWith("\r\n")));
    // Events that belong to the command follow in the same breath.
    await new Promise((resolve) => setTimeout(resolve, 0));
    sort(await qmp.hear(() => true));
    return answers.shift();
  };
  await command("qmp_capabilities");
  return {
    session,
    qtest,
    qmp,
    events,
    command,
    async ask(line) {
      qtest.type(line + "\n");
      const heard = await qtest.hear((text) => /^(OK|FAIL|ERR).*\n/m.test(text));
      return heard.trimEnd().split("\n");
    },
    async end() {
      session.end();
      for (const client of [qtest, qmp]) client.leave();
      await Promise.all(work);
      machine.stop();
    },
  };
}

/** A generator of its own for each seed. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    return ((state ^ state >>> 13) >>> 0) % below;
  };
}

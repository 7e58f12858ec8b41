/**
 * One opening of the door: a bare machine, the qtest protocol on one connection, a monitor on another.
 *
 * @module
 */

import type { Machine } from "@iova/core";
import { Board, type ClockMode } from "./board.ts";
import { LineSplitter } from "./lines.ts";
import type { Peer } from "./peer.ts";
import type { Backends } from "./qemu/backends.ts";
import { armGates } from "./qemu/blkdebug.ts";
import type { MachineType } from "./qemu/machines.ts";
import { commandsOn, type Desk, stop, typeOf } from "./qmp/commands.ts";
import { Monitor } from "./qmp/monitor.ts";
import { Qom } from "./qmp/qom.ts";
import { answer, type Bench, MOST_BYTES } from "./qtest/commands.ts";
import { InterruptTap } from "./qtest/interrupt_tap.ts";

/** A line holds two digits for each byte that it writes, and a few words. */
const MOST_LINE = 2 * MOST_BYTES + 256;
/** Milliseconds after which a session that sleeps looks at its clock again. */
const MOST_SLEEP = 1000;
const GUEST_RESET = { guest: true, reason: "guest-reset" } as const;

/** What a session is made from. */
export interface SessionParts {
  /** A bare machine. */
  readonly machine: Machine;
  /** Its type, in QEMU's list. */
  readonly type: MachineType;
  /** What stands behind devices that are plugged in later. */
  readonly backends: Backends;
  /** Whose time it is. */
  readonly clock: ClockMode;
  /** It waits for `cont`. */
  readonly stopped: boolean;
}

/** See the module's text. */
export class Session {
  /** Resolves when somebody has ended it. */
  readonly over: Promise<void>;
  readonly #board: Board;
  readonly #bench: Bench;
  readonly #desk: Desk;
  #end!: () => void;
  /** Ends the wait of {@linkcode Session.run}. */
  #wake: () => void = () => {};
  #qtest: Peer | null = null;
  #out = "";
  readonly #monitors = new Set<Monitor>();
  #events: [name: string, data?: Record<string, unknown>][] = [];
  #hostReset = false;
  #ended = false;
  #quits = false;
  #failure: unknown;

  /** Powers it on. */
  constructor({ machine, type, backends, clock, stopped }: SessionParts) {
    this.over = new Promise((resolve) => this.#end = resolve);
    const board = this.#board = new Board(machine, clock);
    board.running = !stopped;
    const types = new Map<string, string>();
    const qom = new Qom(board, `${type.name}-machine`, (id) => typeOf({ board, types }, id));
    const tap = new InterruptTap(machine.interrupts, (line) => void (this.#out += line + "\n"));
    this.#bench = { board, qom, tap };
    this.#desk = {
      board,
      type,
      qom,
      backends,
      types,
      prelaunch: stopped,
      again: [],
      event: (name, data) => this.#event(name, data),
      quit: () => void (this.#quits = true),
    };
    armGates(machine, backends.debugged.values(), (again) => {
      this.#desk.again.push(again);
      stop(this.#desk);
    });
    machine.events.listen(({ type }) => {
      if (type === "reset" && !this.#hostReset) this.#event("RESET", GUEST_RESET);
    });
  }

  /** Ends it; what there is to tell is told first. */
  end(): void {
    this.#ended = true;
    this.#flush();
    this.#end();
    this.#wake();
  }

  /** Lets the machine go by itself until the session is over. */
  async run(): Promise<void> {
    const { scheduler } = this.#board.machine;
    while (!this.#ended) {
      this.#settle();
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((wake) => {
        this.#wake = wake;
        if (this.#ended) wake();
        void scheduler.work().then(wake);
        const { idleFor } = this.#board;
        if (idleFor < Infinity) timer = setTimeout(wake, Math.min(idleFor, MOST_SLEEP));
      });
      clearTimeout(timer);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends it because of a bug, which {@linkcode Session.run} throws. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.end();
  }

  /** Speaks the qtest protocol with a client until it goes. */
  async serveQtest(peer: Peer): Promise<void> {
    this.#qtest = peer;
    this.#bench.tap.forgetLevels();
    const lines = new LineSplitter(MOST_LINE);
    for await (const chunk of peer.bytes) {
      for (const line of lines.push(chunk)) {
        if (this.#ended) break;
        this.#line(line);
        // Whoever does not read has nothing more done, as under QEMU.
        if (peer.crowded !== null) await peer.crowded;
      }
    }
    this.#qtest = null;
  }

  /** Serves a monitor's client until it goes. */
  async serveQmp(peer: Peer): Promise<void> {
    const commands = commandsOn(this.#desk);
    const monitor = new Monitor(peer, {
      execute: async (name, given) => {
        // The event of a reset that a client asks for says so itself.
        this.#hostReset = true;
        try {
          return await commands.execute(name, given);
        } finally {
          this.#hostReset = false;
          // What the command itself has made happen is told before its answer, as QEMU does.
          this.#flush();
        }
      },
      answered: () => {
        this.#settle();
        if (this.#quits) this.end();
      },
    });
    this.#monitors.add(monitor);
    await monitor.serve();
    this.#monitors.delete(monitor);
  }

  #line(line: string | null): void {
    // Interrupts that the command itself raises are said before its answer, those of what it has started after it.
    const text = line === null ? "FAIL Line too long" : answer(this.#bench, line);
    this.#out += text + "\n";
    this.#settle();
  }

  #settle(): void {
    this.#board.settle();
    this.#flush();
  }

  #flush(): void {
    this.#qtest?.send(this.#out);
    this.#out = "";
    const events = this.#events;
    this.#events = [];
    for (const [name, data] of events) for (const monitor of this.#monitors) monitor.event(name, data);
  }

  #event(name: string, data?: Record<string, unknown>): void {
    this.#events.push([name, data]);
  }
}

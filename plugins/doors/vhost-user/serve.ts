/**
 * The command: a worker serves, waiting in the kernel, while this thread hears signals, prints and writes traces.
 *
 * @module
 */

import { type DoorContext, InputError, type InputProblem, type LoadOptions, type MachineEvent } from "@iova/core";
import { close, holdLocalPort, signalEvent, unavailable } from "@iova/libc";

/** What is chosen on the command line. */
export interface ServeOptions {
  readonly device: string;
  readonly socket: string;
  readonly pollUs: number;
  readonly once: boolean;
  readonly sealed: boolean;
}

/** What the worker is told to do. */
export interface ServeJob {
  readonly manifest: string;
  readonly load: Omit<LoadOptions, "listen" | "progress">;
  readonly options: ServeOptions;
  /** Devices of the manifest, and where to serve each of them. */
  readonly devices: readonly string[];
  readonly sockets: readonly string[];
  /** Whether events are wanted. */
  readonly trace: boolean;
  /** Requests of this thread, by {@linkcode Control}. */
  readonly control: SharedArrayBuffer;
}

/** Words that this thread sets and the worker looks at after each turn. */
export const Control = { STOP: 0, STATISTICS: 1, REFRESH: 2 } as const;

/** What the worker says. */
export type ServeNews =
  | { readonly type: "ready"; readonly wakeup: number }
  | { readonly type: "log"; readonly text: string }
  | { readonly type: "event"; readonly event: MachineEvent }
  | { readonly type: "statistics"; readonly device: string; readonly values: Record<string, number> }
  | { readonly type: "input"; readonly problem: InputProblem }
  | { readonly type: "permission"; readonly message: string }
  | { readonly type: "failure"; readonly message: string }
  | { readonly type: "ended" };

const WORDS = 3;
/** Both ask for statistics: for the first one Deno itself has a use as well. */
const STATISTICS_SIGNALS = ["SIGUSR1", "SIGUSR2"] as const;
const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** Where Deno's debugger would listen. */
const DEBUGGER_PORT = 9229;

/** Serves until a signal, or until the first connection has ended. @returns the exit code. */
export async function serve(context: DoorContext, options: ServeOptions): Promise<number> {
  const reason = unavailable();
  if (reason !== null) {
    throw new InputError({
      file: "serve",
      found: `no way to the C library: ${reason}`,
      expected: "Linux and --allow-ffi",
    });
  }
  const [devices, sockets] = lists(options);
  const { listen, progress: _, ...load } = context.load;
  const control = new SharedArrayBuffer(4 * WORDS);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const job = { manifest: context.names[0], load, options, devices, sockets, trace: listen !== undefined, control };
  const station = new Station(context, new Int32Array(control));
  try {
    return await new Promise<number>((done, fail) => {
      worker.onmessage = ({ data }: MessageEvent<ServeNews>) => {
        try {
          if (data.type === "event") listen?.(data.event);
          else if (station.hear(data)) done(0);
        } catch (error) {
          fail(error);
        }
      };
      worker.onerror = (event) => fail(new Error(event.message));
      worker.postMessage(job satisfies ServeJob);
    });
  } finally {
    station.close();
    worker.terminate();
  }
}

/** The devices and their sockets. */
function lists({ device, socket }: ServeOptions): [devices: string[], sockets: string[]] {
  const [devices, sockets] = [device.split(","), socket.split(",")];
  if (devices.length !== sockets.length) {
    const expected = `${devices.length}, one for each device`;
    throw new InputError({ file: "--socket", found: `${sockets.length} sockets`, expected });
  }
  return [devices, sockets];
}

/** What this thread does with what it hears, from the worker and from outside. */
class Station {
  #wakeup = -1;
  readonly #stop = () => this.#request(Control.STOP);
  readonly #statistics = () => this.#request(Control.STATISTICS);
  readonly #refresh = () => this.#request(Control.REFRESH);

  // SIGUSR1 makes Deno open its debugger, beside calling listeners. This program listens on no network: while it holds the
  // port, nobody can.
  readonly #debugger = holdLocalPort(DEBUGGER_PORT);

  constructor(readonly context: DoorContext, readonly control: Int32Array) {
    for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, this.#stop);
    for (const signal of STATISTICS_SIGNALS) Deno.addSignalListener(signal, this.#statistics);
    Deno.addSignalListener("SIGHUP", this.#refresh);
  }

  /** True when the worker has ended. */
  hear(news: ServeNews): boolean {
    switch (news.type) {
      case "ready":
        this.#wakeup = news.wakeup;
        // What was asked for before there was anybody to wake.
        if (this.control.some((word) => word !== 0)) signalEvent(news.wakeup);
        return false;
      case "log":
        if (!this.context.quiet) console.error(`serve: ${news.text}`);
        return false;
      case "statistics":
        this.#print(news.device, news.values);
        return false;
      case "input":
        throw new InputError(news.problem);
      case "permission":
        throw new Deno.errors.NotCapable(news.message);
      case "failure":
        throw new Error(news.message);
      default:
        return news.type === "ended";
    }
  }

  close(): void {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, this.#stop);
    for (const signal of STATISTICS_SIGNALS) Deno.removeSignalListener(signal, this.#statistics);
    Deno.removeSignalListener("SIGHUP", this.#refresh);
    if (this.#debugger >= 0) close(this.#debugger);
  }

  #request(word: number): void {
    Atomics.store(this.control, word, 1);
    if (this.#wakeup >= 0) signalEvent(this.#wakeup);
  }

  #print(device: string, values: Record<string, number>): void {
    if (this.context.json) return console.log(JSON.stringify({ device, ...values }));
    console.error(device);
    const width = Math.max(...Object.keys(values).map((name) => name.length));
    for (const [name, value] of Object.entries(values)) console.error(`  ${name.padEnd(width)}  ${value}`);
  }
}

/**
 * A QMP monitor (QEMU, docs/interop/qmp-spec): greeting, negotiation, commands, events.
 *
 * @module
 */

import type { Peer } from "../peer.ts";
import { generic, QmpError } from "./errors.ts";
import { JsonStream, type Parsed, spacedJson } from "./json_stream.ts";

/** The version that the monitor gives: that of the protocol and the machines. */
export const VERSION: {
  readonly qemu: { readonly micro: number; readonly minor: number; readonly major: number };
  readonly package: string;
} = { qemu: { micro: 0, minor: 2, major: 7 }, package: "iova" };

/** Carries commands out. */
export interface Commands {
  /** Runs a command; its result, or what it throws as a {@linkcode QmpError}. */
  execute(name: string, given: Record<string, unknown>): unknown | Promise<unknown>;
  /** Is called after each answer: what the command has started may go on. */
  answered(): void;
}

/** One client's monitor. */
export class Monitor {
  readonly #peer: Peer;
  readonly #commands: Commands;
  #negotiated = false;

  /** Greets the client. */
  constructor(peer: Peer, commands: Commands) {
    this.#peer = peer;
    this.#commands = commands;
    this.#say({ QMP: { version: VERSION, capabilities: [] } });
  }

  /** Serves the client until it goes. */
  async serve(): Promise<void> {
    const stream = new JsonStream();
    for await (const chunk of this.#peer.bytes) {
      for (const parsed of stream.push(chunk)) await this.#handle(parsed);
    }
  }

  /** Tells the client of an event, once it has negotiated. */
  event(name: string, data?: Record<string, unknown>): void {
    if (!this.#negotiated) return;
    const now = Date.now();
    const timestamp = { seconds: Math.floor(now / 1000), microseconds: now % 1000 * 1000 };
    this.#say({ timestamp, event: name, ...(data !== undefined && { data }) });
  }

  async #handle(parsed: Parsed): Promise<void> {
    let id: unknown;
    try {
      if ("mistake" in parsed) throw generic(parsed.mistake);
      const request = checkRequest(parsed.value);
      id = request.id;
      const result = await this.#run(request.execute, request.arguments);
      this.#say({ return: result, ...(id !== undefined && { id }) });
    } catch (error) {
      if (!(error instanceof QmpError)) throw error;
      this.#say({ ...(id !== undefined && { id }), error: { class: error.kind, desc: error.message } });
    }
    this.#commands.answered();
  }

  #run(name: string, given: Record<string, unknown>): unknown {
    const negotiates = name === "qmp_capabilities";
    if (!this.#negotiated && !negotiates) {
      throw new QmpError("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (!negotiates) return this.#commands.execute(name, given);
    if (this.#negotiated) {
      throw new QmpError("CommandNotFound", "Capabilities negotiation is already complete, command ignored");
    }
    checkCapabilities(given);
    this.#negotiated = true;
    return {};
  }

  #say(message: unknown): void {
    this.#peer.send(spacedJson(message) + "\r\n");
  }
}

interface Request {
  readonly execute: string;
  readonly arguments: Record<string, unknown>;
  readonly id?: unknown;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @throws {QmpError} when a message is no request. */
function checkRequest(value: unknown): Request {
  if (!isObject(value)) throw generic("QMP input must be a JSON object");
  const { execute, arguments: given = {}, id, ...rest } = value;
  const [extra] = Object.keys(rest);
  if (extra !== undefined) throw generic(`QMP input member '${extra}' is unexpected`);
  if (execute === undefined) throw generic("QMP input lacks member 'execute'");
  if (typeof execute !== "string") throw generic("QMP input member 'execute' must be a string");
  if (!isObject(given)) throw generic("QMP input member 'arguments' must be an object");
  return { execute, arguments: given, ...(id !== undefined && { id }) };
}

function checkCapabilities({ enable, ...rest }: Record<string, unknown>): void {
  const [extra] = Object.keys(rest);
  if (extra !== undefined) throw generic(`Parameter '${extra}' is unexpected`);
  if (enable === undefined) return;
  if (!Array.isArray(enable)) throw generic("Invalid parameter type for 'enable', expected: array");
  for (const [index, name] of enable.entries()) {
    if (typeof name !== "string") throw generic(`Invalid parameter type for 'enable[${index}]', expected: string`);
    throw generic(
      name === "oob"
        ? "Capability 'oob' disabled for this monitor"
        : `Parameter 'enable[${index}]' does not accept value '${name}'`,
    );
  }
}

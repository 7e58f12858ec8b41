/**
 * QEMU's qtest protocol as text (QEMU softmmu/qtest.c): one line for each command, one for its answer, and lines that say
 * of themselves when an interrupt line changes. Pure functions and a buffer; nothing here touches a socket.
 *
 * @module
 */

import type { Width } from "@iova/core";

/** Bytes of the longest line that is accepted; an answer to `read` has two digits for each byte. */
export const MAX_LINE = 1 << 20;

/** What went wrong with the other process. Its message says what was asked and what came. */
export class QemuError extends Error {
  /** The name of the type. */
  override name = "QemuError";
}

/** A line from QEMU. */
export type QtestLine =
  /** The command succeeded; `value` is what follows, empty when nothing does. */
  | { readonly kind: "ok"; readonly value: string }
  /** The command was refused. */
  | { readonly kind: "fail"; readonly message: string }
  /** An intercepted interrupt line changed. */
  | { readonly kind: "irq"; readonly line: number; readonly asserted: boolean };

/** Reads a line. @throws {QemuError} when it is none of the protocol's. */
export function parseLine(text: string): QtestLine {
  if (text === "OK") return { kind: "ok", value: "" };
  if (text.startsWith("OK ")) return { kind: "ok", value: text.slice(3) };
  const irq = /^IRQ (raise|lower) (\d{1,9})$/.exec(text);
  if (irq !== null) return { kind: "irq", line: Number(irq[2]), asserted: irq[1] === "raise" };
  if (text.startsWith("FAIL ") || text.startsWith("ERR ")) return { kind: "fail", message: text };
  throw new QemuError(`no line of the qtest protocol: ${shorten(text)}`);
}

/** A value as `in` and `read` answer it, below 2^53. @throws {QemuError} when it is no number. */
export function parseValue(text: string): number {
  const value = /^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(value)) throw new QemuError(`expected a number, found ${shorten(text)}`);
  return value;
}

/** Bytes as `read` answers them. @throws {QemuError} when they are not `length` bytes in hexadecimal. */
export function parseBytes(text: string, length: number): Uint8Array {
  if (text.length !== 2 + 2 * length || !/^0x[0-9a-f]*$/i.test(text)) {
    throw new QemuError(`expected ${length} bytes in hexadecimal, found ${shorten(text)}`);
  }
  return Uint8Array.from({ length }, (_, i) => parseInt(text.slice(2 + 2 * i, 4 + 2 * i), 16));
}

/** The letter by which commands name a width. */
export const SUFFIX: Readonly<Record<Width, string>> = { 1: "b", 2: "w", 4: "l" };

/** A number as commands take it. */
export function hex(value: number | bigint): string {
  return "0x" + value.toString(16);
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 80 ? text.slice(0, 80) + "…" : text);
}

/** Cuts what comes from a socket into lines. */
export class LineBuffer {
  #bytes = new Uint8Array(4096);
  #length = 0;
  #searched = 0;
  readonly #decoder = new TextDecoder();

  /** Takes in bytes. @throws {QemuError} when a line gets too long. */
  push(bytes: Uint8Array): void {
    if (this.#length + bytes.length > MAX_LINE) throw new QemuError(`a line of more than ${MAX_LINE} bytes`);
    if (this.#length + bytes.length > this.#bytes.length) this.#grow(this.#length + bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The next whole line without its end, or null. */
  next(): string | null {
    const end = this.#bytes.subarray(0, this.#length).indexOf(NEWLINE, this.#searched);
    if (end < 0) {
      this.#searched = this.#length;
      return null;
    }
    const last = end > 0 && this.#bytes[end - 1] === RETURN ? end - 1 : end;
    const line = this.#decoder.decode(this.#bytes.subarray(0, last));
    this.#bytes.copyWithin(0, end + 1, this.#length);
    this.#length -= end + 1;
    this.#searched = 0;
    return line;
  }

  #grow(size: number): void {
    const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

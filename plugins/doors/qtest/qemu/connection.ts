/**
 * The qtest socket: commands are answered before the call returns, so that a register read is a function that returns a
 * value. Every wait has a deadline.
 *
 * @module
 */

import { close, Errno, errnoName, Poll, pollOne, read, write } from "@iova/libc";
import { LineBuffer, parseLine, QemuError, type QtestLine } from "./lines.ts";

/** Milliseconds that one answer may take. */
export const ANSWER_MS = 10_000;

/** A connection to QEMU's qtest server. */
export class QtestConnection {
  /** Hears of every change of an intercepted interrupt line. */
  onInterrupt: (line: number, asserted: boolean) => void = () => {};
  /** Commands so far. */
  commands = 0;
  readonly #fd: number;
  readonly #deadline: number;
  /** Says why QEMU does not answer any more: what it printed. */
  readonly #lastWords: () => string;
  readonly #lines = new LineBuffer();
  readonly #encoder = new TextEncoder();
  readonly #in = new Uint8Array(new ArrayBuffer(1 << 16));
  #out = new Uint8Array(new ArrayBuffer(1 << 12));
  #open = true;

  /** Over a connected socket that does not block, which is the connection's from now on. */
  constructor(fd: number, lastWords: () => string = () => "", deadline: number = ANSWER_MS) {
    this.#fd = fd;
    this.#lastWords = lastWords;
    this.#deadline = deadline;
  }

  /**
   * Sends a command and waits for its answer; what follows `OK`.
   *
   * @throws {QemuError} when QEMU refuses it, does not answer in time, or is gone.
   */
  command(text: string): string {
    if (!this.#open) throw new QemuError(`${text}: the connection is closed`);
    this.commands++;
    this.#send(text);
    const until = performance.now() + this.#deadline;
    for (;;) {
      for (let line = this.#lines.next(); line !== null; line = this.#lines.next()) {
        const answer = this.#take(line);
        if (answer === null) continue;
        if (answer.kind === "fail") throw new QemuError(`${text}: ${answer.message}`);
        return answer.value;
      }
      const left = until - performance.now();
      if (left <= 0) throw this.#dead(`${text}: no answer within ${this.#deadline} ms`);
      this.#receive(Math.ceil(left), text);
    }
  }

  /** Takes in what QEMU says of itself, waiting up to `wait` milliseconds for it. */
  poll(wait: number): void {
    if (!this.#open) return;
    this.#receive(wait, "");
    for (let line = this.#lines.next(); line !== null; line = this.#lines.next()) {
      if (this.#take(line) !== null) throw this.#dead(`an answer to no question: ${line}`);
    }
  }

  /** Closes the socket. Twice is harmless. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    close(this.#fd);
  }

  /** Deals with an interrupt at once; any other line is returned. */
  #take(text: string): Exclude<QtestLine, { kind: "irq" }> | null {
    const line = parseLine(text);
    if (line.kind !== "irq") return line;
    this.onInterrupt(line.line, line.asserted);
    return null;
  }

  #send(text: string): void {
    if (text.includes("\n")) throw new TypeError("a command is one line");
    if (3 * text.length + 1 > this.#out.length) this.#out = new Uint8Array(new ArrayBuffer(6 * text.length));
    const { written } = this.#encoder.encodeInto(text + "\n", this.#out);
    for (let from = 0; from < written;) {
      const sent = write(this.#fd, this.#out.subarray(from, written));
      if (sent >= 0) from += sent;
      else if (sent === -Errno.EAGAIN) this.#await(Poll.OUT, this.#deadline, text);
      else if (sent !== -Errno.EINTR) throw this.#failed(text, sent);
    }
  }

  #receive(wait: number, text: string): void {
    if (!this.#await(Poll.IN, wait, text)) return;
    const got = read(this.#fd, this.#in);
    if (got > 0) this.#lines.push(this.#in.subarray(0, got));
    else if (got !== -Errno.EAGAIN && got !== -Errno.EINTR) throw this.#failed(text, got);
  }

  #await(events: number, wait: number, text: string): boolean {
    const ready = pollOne(this.#fd, events, wait);
    if (ready < 0 && ready !== -Errno.EINTR) throw this.#failed(text, ready);
    return ready > 0;
  }

  /** `result` is what a call on the socket gave: a negative errno, or 0 for its end. */
  #failed(text: string, result: number): QemuError {
    const closed = result === 0 || result === -Errno.EPIPE || result === -Errno.ECONNRESET;
    return this.#dead(`${text || "waiting"}: ${closed ? "QEMU has closed the connection" : errnoName(result)}`);
  }

  /** After this nothing on the socket can be trusted: an answer that is late would be taken for the next one. */
  #dead(what: string): QemuError {
    this.close();
    const words = this.#lastWords().trim();
    return new QemuError(words === "" ? what : `${what}; it said: ${words}`);
  }
}

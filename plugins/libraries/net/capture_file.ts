/**
 * Capture files on disk. What is wrong with one is a person's input, told with file, option and place.
 *
 * @module
 */

import { formatSize, InputError } from "@iova/core";
import { type CapturedPacket, CaptureProblem } from "./capture_packet.ts";
import { readCapture } from "./capture_read.ts";
import { type CaptureEncoder, ENCODERS, formatOf } from "./capture_write.ts";

/** Which file, and where a person asked for it. */
export interface CaptureRequest {
  /** The file. */
  readonly path: string;
  /** The manifest, for messages. */
  readonly file: string;
  /** JSON path of the option that names it, for messages. */
  readonly optionPath: string;
}

/** The largest file that is read: it is held in memory as a whole. */
const MAX_FILE = 256 * 1024 * 1024;

/** Reads a capture. @throws {InputError} when it cannot be read, or is malformed anywhere. */
export function loadCapture(request: CaptureRequest): CapturedPacket[] {
  const { path } = request;
  const bytes = attempt(request, "a capture that can be read", () => {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) throw problem(request, "which is no regular file", "a capture file");
    if (size > MAX_FILE) throw problem(request, `which has ${formatSize(size)}`, `at most ${formatSize(MAX_FILE)}`);
    return Deno.readFileSync(path);
  });
  try {
    return readCapture(bytes);
  } catch (error) {
    if (!(error instanceof CaptureProblem)) throw error;
    throw problem(request, `at byte ${error.at}: ${error.what}`, error.expected);
  }
}

/** Bytes that are collected before they are written. */
const BUFFER = 256 * 1024;

/** A capture that is being written. */
export class CaptureFile {
  /** Packets written. */
  packets = 0;
  /** A write failed, and everything after it: the disk is full, say. */
  failed = false;
  readonly #file: Deno.FsFile;
  readonly #encoder: CaptureEncoder;
  readonly #buffer = new Uint8Array(BUFFER);
  #used = 0;
  #closed = false;

  /** Makes the file, or empties it; its name says in which format. @throws {InputError} when it cannot be written. */
  constructor(request: CaptureRequest) {
    const { path } = request;
    this.#file = attempt(
      request,
      "a file that can be written",
      () => Deno.openSync(path, { write: true, create: true, truncate: true }),
    );
    this.#encoder = ENCODERS[formatOf(path)];
    this.#put(this.#encoder.header());
  }

  /** Adds a packet that was seen `time` nanoseconds after 1970. */
  add(time: bigint, bytes: Uint8Array): void {
    this.#put(this.#encoder.packet(time, bytes));
    this.packets++;
  }

  /** Writes what is left, and closes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#write(this.#buffer.subarray(0, this.#used));
    this.#file.close();
  }

  #put(bytes: Uint8Array): void {
    if (this.#used + bytes.length > BUFFER) {
      this.#write(this.#buffer.subarray(0, this.#used));
      this.#used = 0;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #write(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length && !this.failed;) at += this.#file.writeSync(bytes.subarray(at));
    } catch {
      this.failed = true;
    }
  }
}

function problem({ path, file, optionPath }: CaptureRequest, found: string, expected: string): InputError {
  return new InputError({ file, path: optionPath, found: `"${path}", ${found}`, expected });
}

function attempt<T>(request: CaptureRequest, expected: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || error instanceof InputError) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    const found = missing
      ? "which does not exist"
      : `which cannot be opened (${error instanceof Error ? error.message : error})`;
    throw problem(request, found, expected);
  }
}

/**
 * The commands of QEMU's qtest protocol (QEMU, docs/devel/testing/qtest): a table of small functions, each from the words
 * of a line to the line that answers.
 *
 * @module
 */

import { HypercallRegisters, type Width } from "@iova/core";
import type { Qom } from "../qmp/qom.ts";
import type { Board } from "../board.ts";
import { CpuMemory } from "./cpu_memory.ts";
import type { InterruptTap } from "./interrupt_tap.ts";
import { base64, bytesOfBase64, bytesOfHex, hex, hexBytes, signed, unsigned } from "./words.ts";

/** Most bytes that one command reads or writes. */
export const MOST_BYTES: number = 64 * 1024 ** 2;
/** Registers that a hypercall gives back: r4 to r12. */
const RESULTS = 9;

/** What commands work on. */
export interface Bench {
  /** The machine. */
  readonly board: Board;
  /** Objects by path. */
  readonly qom: Qom;
  /** Interrupt inputs. */
  readonly tap: InterruptTap;
}

type Command = (bench: Bench, words: readonly string[]) => string;

const OK = "OK";
const WIDTHS = { b: 1, w: 2, l: 4 } as const;
const NO_ADDRESS = 2 ** 52;

/** The answer to a line, without its end. */
export function answer(bench: Bench, line: string): string {
  const words = line.split(" ");
  const [name] = words;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) return unknown(name);
  try {
    return command(bench, words);
  } catch (error) {
    if (error instanceof WordError) return `FAIL Invalid arguments for '${name}'`;
    throw error;
  }
}

function unknown(name: string): string {
  return `FAIL Unknown command '${name}'`;
}

/** A word that QEMU would stop over. */
class WordError extends Error {}

function word(words: readonly string[], index: number): string {
  if (words[index] === undefined) throw new WordError();
  return words[index];
}

function number(words: readonly string[], index: number): bigint {
  const value = unsigned(word(words, index));
  if (value === null) throw new WordError();
  return value;
}

/** An address; those beyond physical memory are all alike. */
function address(words: readonly string[]): number {
  const value = number(words, 1);
  return value >= BigInt(NO_ADDRESS) ? NO_ADDRESS : Number(value);
}

function size(words: readonly string[], least: number): number {
  const value = number(words, 2);
  if (value > BigInt(MOST_BYTES) || value < BigInt(least)) throw new WordError();
  return Number(value);
}

function port(words: readonly string[]): number {
  const value = number(words, 1);
  if (value > 0xffffn) throw new WordError();
  return Number(value);
}

const out = (width: Width): Command => ({ board }, words) => {
  const value = BigInt.asUintN(8 * width, number(words, 2));
  board.machine.io.write(port(words), width, Number(value));
  return OK;
};

const input = (width: Width): Command => ({ board }, words) =>
  `${OK} ${hex(board.machine.io.read(port(words), width), 4)}`;

/** `bytes` bytes, in the CPU's byte order. */
const write = (bytes: 1 | 2 | 4 | 8): Command => ({ board }, words) => {
  const buffer = new DataView(new ArrayBuffer(8));
  const value = number(words, 2);
  if (board.bigEndian) buffer.setBigUint64(0, value << BigInt(64 - 8 * bytes));
  else buffer.setBigUint64(0, value, true);
  new CpuMemory(board.machine.space).write(address(words), new Uint8Array(buffer.buffer, 0, bytes));
  return OK;
};

const read = (bytes: 1 | 2 | 4 | 8): Command => ({ board }, words) => {
  const buffer = new DataView(new ArrayBuffer(8));
  new CpuMemory(board.machine.space).read(address(words), new Uint8Array(buffer.buffer, 0, bytes));
  const value = board.bigEndian ? buffer.getBigUint64(0) >> BigInt(64 - 8 * bytes) : buffer.getBigUint64(0, true);
  return `${OK} ${hex(value, 16)}`;
};

function readBlock({ board }: Bench, words: readonly string[], least: number): Uint8Array {
  const bytes = new Uint8Array(size(words, least));
  new CpuMemory(board.machine.space).read(address(words), bytes);
  return bytes;
}

/** What is shorter than an empty number is an error of the protocol's own. */
function data(words: readonly string[]): string | null {
  const text = word(words, 3);
  return text.length < 3 ? null : text;
}

const INVALID_SIZE = "ERR invalid argument size";

function writeBlock({ board }: Bench, words: readonly string[], bytes: Uint8Array): string {
  new CpuMemory(board.machine.space).write(address(words), bytes);
  return OK;
}

/** Inputs are of the part at a path, which may have none. */
function intercept({ qom, tap }: Bench, words: readonly string[], direction: "in" | "out"): string {
  const node = qom.resolve(word(words, 1));
  if (node === null) return "FAIL Unknown device";
  const inputs = direction === "in" ? node.inputs ?? null : null;
  return tap.watch(node.path, inputs) ? OK : "FAIL IRQ intercept already enabled";
}

function setInput({ qom, tap }: Bench, words: readonly string[]): string {
  const [, path, name] = [0, 1, 2].map((index) => word(words, index));
  const [input, level] = [3, 4].map((index) => signed(word(words, index)));
  if (input === null || level === null) throw new WordError();
  const node = qom.resolve(path);
  if (node === null) return "FAIL Unknown device";
  if (node.inputs !== undefined && name === "unnamed-gpio-in") tap.drive(node.inputs, Number(input), level !== 0n);
  return OK;
}

function stepClock({ board }: Bench, words: readonly string[]): string {
  if (!board.steps) return unknown(words[0]);
  if (words[1] === undefined) return `${OK} ${board.stepToNextTimer()}`;
  const nanoseconds = signed(words[1]);
  if (nanoseconds === null) throw new WordError();
  return `${OK} ${board.advance(board.now + Number(nanoseconds))}`;
}

function setClock({ board }: Bench, words: readonly string[]): string {
  if (!board.steps) return unknown(words[0]);
  const nanoseconds = signed(word(words, 1));
  if (nanoseconds === null) throw new WordError();
  return `${OK} ${board.advance(Number(nanoseconds))}`;
}

function rtas({ board: { facts } }: Bench, words: readonly string[]): string {
  if (facts?.rtas === undefined) return unknown(words[0]);
  const name = word(words, 1);
  const [nargs, args, nret, rets] = [2, 3, 4, 5].map((index) => Number(number(words, index)));
  const status = facts.rtas(name, nargs, args, nret, rets);
  return `${OK} ${BigInt.asUintN(64, BigInt(status))}`;
}

const registers = new HypercallRegisters();

/** An extension: a hypercall with its argument registers; the answer is its status and the registers after it. */
function hypercall({ board }: Bench, words: readonly string[]): string {
  const call = number(words, 1);
  for (let i = 0; i < registers.lo.length; i++) registers.set(i, i + 2 < words.length ? number(words, i + 2) : 0);
  const status = call > 0xffff_ffffn ? -2 : board.machine.guest.hypercall(Number(call), registers);
  const results = Array.from({ length: RESULTS }, (_, i) => hex(registers.get(i), 16));
  return [OK, status, ...results].join(" ");
}

const COMMANDS: Readonly<Record<string, Command>> = {
  outb: out(WIDTHS.b),
  outw: out(WIDTHS.w),
  outl: out(WIDTHS.l),
  inb: input(WIDTHS.b),
  inw: input(WIDTHS.w),
  inl: input(WIDTHS.l),
  writeb: write(1),
  writew: write(2),
  writel: write(4),
  writeq: write(8),
  readb: read(1),
  readw: read(2),
  readl: read(4),
  readq: read(8),
  read: (bench, words) => `${OK} ${hexBytes(readBlock(bench, words, 1))}`,
  b64read: (bench, words) => `${OK} ${base64(readBlock(bench, words, 0))}`,
  write(bench, words) {
    const length = size(words, 0);
    const text = data(words);
    return text === null ? INVALID_SIZE : writeBlock(bench, words, bytesOfHex(text, length));
  },
  b64write(bench, words) {
    const length = size(words, 0);
    const text = data(words);
    return text === null ? INVALID_SIZE : writeBlock(bench, words, bytesOfBase64(text).subarray(0, length));
  },
  memset({ board }, words) {
    const [length, byte] = [number(words, 2), number(words, 3)];
    const bytes = length > BigInt(NO_ADDRESS) ? NO_ADDRESS : Number(length);
    new CpuMemory(board.machine.space).fill(address(words), bytes, Number(byte & 0xffn));
    return OK;
  },
  irq_intercept_in: (bench, words) => intercept(bench, words, "in"),
  irq_intercept_out: (bench, words) => intercept(bench, words, "out"),
  set_irq_in: setInput,
  clock_step: stepClock,
  clock_set: setClock,
  endianness: ({ board }) => `${OK} ${board.bigEndian ? "big" : "little"}`,
  // Nothing here is a module of its own.
  module_load: (_bench, words) => (word(words, 2), "FAIL"),
  rtas,
  hcall: hypercall,
};

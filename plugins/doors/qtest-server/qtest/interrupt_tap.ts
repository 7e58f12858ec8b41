/**
 * Interrupt inputs that a client watches or drives: `IRQ raise 5` when input 5 of the part that it watches goes up.
 *
 * @module
 */

import type { Interrupts } from "@iova/core";
import type { InterruptInputs } from "@iova/chipset";

/** See the module's text. */
export class InterruptTap {
  readonly #interrupts: Interrupts;
  readonly #say: (line: string) => void;
  /** What is watched, by its path; null: nothing yet. */
  #watched: { readonly path: string; readonly inputs: InterruptInputs | null } | null = null;
  readonly #levels = new Map<number, boolean>();
  readonly #forced = new Map<number, boolean>();

  /** `say` sends a line to the client. */
  constructor(interrupts: Interrupts, say: (line: string) => void) {
    this.#interrupts = interrupts;
    this.#say = say;
    interrupts.watchers.push((line, asserted) => this.#changed(line, asserted));
  }

  /** Watches a part, which may have no inputs; false when another one is watched already. */
  watch(path: string, inputs: InterruptInputs | null): boolean {
    this.#watched ??= { path, inputs };
    return this.#watched.path === path;
  }

  /** A new client has come: for it every input is down. */
  forgetLevels(): void {
    this.#levels.clear();
  }

  /** Holds an input at a level, beside whatever else drives it. */
  drive({ firstLine, count }: InterruptInputs, input: number, asserted: boolean): void {
    if (input < 0 || input >= count) return;
    const line = firstLine + input;
    if ((this.#forced.get(line) ?? false) === asserted) return;
    this.#forced.set(line, asserted);
    this.#interrupts.drive(line, asserted);
  }

  #changed(line: number, asserted: boolean): void {
    const inputs = this.#watched?.inputs;
    if (!inputs) return;
    const input = line - inputs.firstLine;
    if (input < 0 || input >= inputs.count || (this.#levels.get(input) ?? false) === asserted) return;
    this.#levels.set(input, asserted);
    this.#say(`IRQ ${asserted ? "raise" : "lower"} ${input}`);
  }
}

/**
 * Colours, where there is somebody to see them.
 *
 * @module
 */

/** Ways to set a piece of text apart. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
}

function ansi(on: number, off: number): (text: string) => string {
  return (text) => `\x1b[${on}m${text}\x1b[${off}m`;
}

const same = (text: string) => text;

/** No colours. */
export const PLAIN: Style = { bold: same, dim: same, good: same, bad: same, warn: same };

/** ANSI colours. */
export const COLORED: Style = {
  bold: ansi(1, 22),
  dim: ansi(2, 22),
  good: ansi(32, 39),
  bad: ansi(31, 39),
  warn: ansi(33, 39),
};

/** Colours on a terminal, unless somebody asked for none. */
export function styleFor(output: { isTerminal(): boolean }, noColor: boolean): Style {
  return output.isTerminal() && !noColor && !Deno.noColor ? COLORED : PLAIN;
}

/** The columns that `text` takes, without its colours. */
export function width(text: string): number {
  // deno-lint-ignore no-control-regex
  return [...text.replace(/\x1b\[\d+m/g, "")].length;
}

/**
 * What QEMU is told of one device of a manifest.
 *
 * @module
 */

import type { ResolvedDevice } from "@iova/core";
import type { BoardType } from "../board/board.ts";

/** A value of a QEMU property. */
export type Property = string | number | bigint | boolean;

/** The medium of a disk, in the words of our plugins. */
export interface MediumOptions {
  /** A raw image, relative to the manifest. Either this or `ram`. */
  readonly image?: string;
  /** Memory of this size. */
  readonly ram?: number;
  /** Whether it refuses writes. */
  readonly readOnly?: boolean;
}

/** What a recipe is given. */
export interface RecipeContext {
  /** The device. */
  readonly device: ResolvedDevice;
  /** Its options, read. */
  // deno-lint-ignore no-explicit-any
  readonly options: any;
  /** The machine that it goes into. */
  readonly board: BoardType;
  /** Makes a node of the block layer over a file, or over memory of some size; its name. */
  medium(of: MediumOptions): string;
  /** Adds arguments that stand before the device: a network, say. */
  argument(...words: string[]): void;
  /** A path of an option, resolved against the manifest. */
  path(name: string): string;
  /** A number for a name, the same for every device of the machine. */
  number(name: string): number;
  /** Refuses an option's value that QEMU has nothing for. @throws {InputError} always. */
  refuse(option: string, expected: string): never;
}

/** A device in QEMU's words. */
export interface RecipeDevice {
  /** QEMU's name of the model; absent: the machine has the function itself, at `builtIn`. */
  readonly driver?: string;
  /** Its properties, but for id and place. */
  readonly properties?: Readonly<Record<string, Property>>;
  /** The requester id of a function that the machine has; absent: the device is put onto the PCI bus. */
  readonly builtIn?: number;
  /** Devices that hang below it, each with all its properties. */
  readonly below?: readonly Readonly<Record<string, Property>>[];
  /** Its registers are in the CPU's byte order, not in the bus's. Absent: as on the bus. */
  readonly cpuEndian?: boolean;
}

/** Turns a device into QEMU's words. */
export type Recipe = (context: RecipeContext) => RecipeDevice;

/** An object in JSON, as QEMU's command line takes it; big integers as they are. */
export function qemuJson(value: Readonly<Record<string, Property | Readonly<Record<string, Property>>>>): string {
  const text = (item: unknown): string => {
    if (typeof item === "bigint") return String(item);
    if (typeof item !== "object" || item === null) return JSON.stringify(item);
    return `{${Object.entries(item).map(([key, inner]) => `${JSON.stringify(key)}:${text(inner)}`).join(",")}}`;
  };
  return text(value);
}

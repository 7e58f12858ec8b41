/**
 * The PIIX3's IDE controller: part of `pc`, a device of its own on other machines; and the drives behind it.
 *
 * @module
 */

import { parseSize } from "@iova/core";
import type { Property, Recipe, RecipeContext } from "./recipe.ts";

/** Where `pc` has the controller: 00:01.1. */
const BUILT_IN = 1 << 3 | 1;
const PLACES = ["primaryMaster", "primarySlave", "secondaryMaster", "secondarySlave"] as const;

/** See the module's text. */
export const ide: Recipe = (context) => {
  const { device, board, refuse } = context;
  const inMachine = board.machine === "pc";
  if (inMachine && device.at !== undefined && !/^0?1\.1$/.test(device.at)) refuse("at", 'no place, or "01.1"');
  const bus = inMachine ? "ide" : device.id;
  const below = PLACES.flatMap((place, index) => {
    const drive = describe(context, place, index);
    return drive === null ? [] : [driveDevice(context, drive, index, bus)];
  });
  return inMachine ? { builtIn: BUILT_IN, below } : { driver: "piix3-ide", below };
};

/** A drive as a manifest has it; sizes may still be text. */
type GivenDrive = Readonly<Record<string, string | number | boolean | undefined>>;

/** The drive at a place: its own object, or for the first the short form; null when there is none. */
function describe({ options }: RecipeContext, place: (typeof PLACES)[number], index: number): GivenDrive | null {
  const { image, ram, readOnly, serial } = options;
  if (options[place] !== undefined) return options[place];
  return index === 0 && (image !== undefined || ram !== undefined) ? { image, ram, readOnly, serial } : null;
}

function driveDevice(
  { medium, refuse }: RecipeContext,
  given: GivenDrive,
  index: number,
  bus: string,
): Record<string, Property> {
  const { kind = "disk", image, ram } = given;
  if (kind === "disk" && (image === undefined) === (ram === undefined)) refuse(PLACES[index], "one of image and ram");
  const readOnly = kind !== "disk" || given.readOnly === true;
  const source = image !== undefined ? { image: String(image) } : ram !== undefined ? { ram: bytes(ram) } : null;
  return {
    driver: kind === "disk" ? "ide-hd" : "ide-cd",
    bus: `${bus}.${index >> 1}`,
    unit: index & 1,
    serial: given.serial ?? `QM${String(index + 1).padStart(5, "0")}`,
    ...(source !== null && { drive: medium({ ...source, readOnly }) }),
    ...named(given, { firmware: "ver", model: "model", rotationRate: "rotation_rate", wwn: "wwn" }),
    ...named(given, { cylinders: "cyls", heads: "heads", sectors: "secs" }),
  };
}

/** The options that are given, under QEMU's names. */
function named(given: GivenDrive, names: Readonly<Record<string, string>>): Record<string, Property> {
  const known = Object.entries(names).filter(([ours]) => given[ours] !== undefined);
  return Object.fromEntries(known.map(([ours, theirs]) => [theirs, given[ours]!]));
}

function bytes(size: string | number | boolean): number {
  return typeof size === "number" ? size : parseSize(String(size)) ?? 0;
}

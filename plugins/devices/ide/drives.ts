/**
 * The drives of a manifest: what a person says about them, and what the device half makes of it.
 *
 * @module
 */

import { type BlockBackend, mediumOptions, openMedium } from "@iova/block";
import { type DeviceContext, formatSize, InputError, option, type OptionsOf, readOptions } from "@iova/core";
import type { DriveOptions } from "./device.ts";
import { CD_BLOCK } from "./layout.ts";

/** The four places, by number: twice the channel, plus the device. */
export const PLACES = ["primaryMaster", "primarySlave", "secondaryMaster", "secondarySlave"] as const;
/** One of {@linkcode PLACES}. */
export type Place = (typeof PLACES)[number];

/** What a person says about a drive. */
export const driveSchema = {
  kind: option.choice("A disk, or a CD-ROM drive.", ["disk", "cdrom"], { default: "disk" }),
  ...mediumOptions,
  serial: option.string("Serial number; QM00001 to QM00004 when it is not given.", { maxLength: 20 }),
  firmware: option.string("Firmware revision.", { default: "2.5+", maxLength: 8 }),
  model: option.string("Model; QEMU HARDDISK or QEMU DVD-ROM when it is not given.", { maxLength: 40 }),
  wwn: option.address("World wide name; 0: none.", { default: 0n }),
  rotationRate: option.integer("0 unknown, 1 a solid state disk, else turns a minute.", { default: 0, max: 0xfffe }),
  cylinders: option.integer("Of the translation; all three or none.", { min: 1, max: 65535 }),
  heads: option.integer("Of the translation.", { min: 1, max: 16 }),
  sectors: option.integer("Of a track.", { min: 1, max: 255 }),
} as const;

/** A drive as a manifest has it. */
export type GivenDrive = OptionsOf<typeof driveSchema>;

/** Where a drive stands in the manifest, and how its paths are resolved. */
export type DriveContext = Pick<DeviceContext, "where" | "resolvePath">;

/** What texts of IDENTIFY are made of. */
const PRINTABLE = /^[ -~]*$/;

/** Reads a drive's object. @throws {InputError} when something is wrong with it. */
export function readDrive(context: DriveContext, key: string, value: unknown): GivenDrive {
  const at = { file: context.where.file, path: optionsPath(context, key) };
  const given = readOptions(driveSchema, value, at);
  const problem = (found: string, expected: string) => {
    throw new InputError({ ...at, found, expected });
  };
  for (const name of ["serial", "firmware", "model"] as const) {
    const text = given[name] ?? "";
    if (PRINTABLE.test(text)) continue;
    throw new InputError({ ...at, path: `${at.path}.${name}`, found: `"${text}"`, expected: "printable ASCII" });
  }
  const translation = [given.cylinders, given.heads, given.sectors].filter((part) => part !== undefined).length;
  if (translation % 3 !== 0) problem(`${translation} of cylinders, heads, sectors`, "all three, or none");
  if (given.kind === "cdrom" && given.ram !== undefined && given.ram % CD_BLOCK !== 0) {
    throw new InputError({
      file: at.file,
      path: `${at.path}.ram`,
      found: formatSize(given.ram),
      expected: `a multiple of ${CD_BLOCK} bytes`,
    });
  }
  return given;
}

/** Opens a drive's medium; null for a CD-ROM without a disc. @throws {InputError} when it cannot be had. */
export function openDrive(context: DriveContext, key: string, given: GivenDrive): BlockBackend | null {
  const { kind, image, ram } = given;
  if (kind === "cdrom" && image === undefined && ram === undefined) return null;
  return openMedium(context, { ...given, readOnly: given.readOnly || kind === "cdrom" }, optionsPath(context, key));
}

function optionsPath({ where }: DriveContext, key: string): string {
  return `${where.path}.with${key === "" ? "" : `.${key}`}`;
}

/** The drive at place `place` over `backend`. */
export function driveOptions(place: number, given: GivenDrive, backend: BlockBackend | null): DriveOptions {
  const { kind, firmware, wwn, rotationRate, readOnly, cylinders, heads, sectors } = given;
  const serial = given.serial ?? `QM${String(place + 1).padStart(5, "0")}`;
  const model = given.model ?? (kind === "disk" ? "QEMU HARDDISK" : "QEMU DVD-ROM");
  const who = { serial, firmware, model, wwn, rotationRate };
  if (kind === "cdrom") return { kind, backend, ...who };
  const geometry = cylinders === undefined ? {} : { geometry: { cylinders, heads: heads!, sectors: sectors! } };
  return { kind, backend: backend!, readOnly: readOnly || backend!.readOnly, ...who, ...geometry };
}

/**
 * The options of the hardware half.
 *
 * @module
 */

import { InputError, type MachineServices, option, type OptionsOf } from "@iova/core";

/** What an IOMMU is like. `mod.ts` takes these into the plugin's options. */
export const HARDWARE_OPTIONS = {
  personality: option.choice("As the specification has it, or as QEMU 7.2 does.", ["spec", "qemu"], {
    default: "spec",
  }),
  iotlb: option.integer("Entries of the IOTLB, a power of two; 0: none.", { default: 1024, max: 1 << 20 }),
  iotlbWays: option.integer("Entries in which a translation may stand, a power of two.", {
    default: 4,
    min: 1,
    max: 64,
  }),
  iotlbPolicy: option.choice("Which of them goes when all are taken.", ["lru", "fifo", "random"], { default: "lru" }),
  walkCache: option.integer("Entries of the cache of page directory entries, a power of two; 0: none.", {
    default: 64,
    max: 1 << 16,
  }),
  dteCache: option.boolean("Whether device table entries are cached.", { default: true }),
  npCache: option.boolean("Whether not-present pages are cached in the IOTLB, and the capability block says so.", {
    default: false,
  }),
  hostLevels: option.integer("Levels that host page tables may have (EFR.HATS).", { default: 6, min: 4, max: 6 }),
  ats: option.boolean("Whether devices may have translation caches (IotlbSup).", { default: true }),
  pri: option.boolean("Whether devices may send page requests (EFR.PPRSup).", { default: true }),
  accessDirty: option.boolean("Whether accessed and dirty bits are kept (EFR.HASup, HDSup).", { default: false }),
  htRangeIgnore: option.boolean("Whether bus addresses fd_0000_0000h to ff_ffff_ffffh are ordinary ones.", {
    default: false,
  }),
  exclude: option.string(
    "Devices that the IVRS table leaves out and the IOMMU lets pass, such as `00:05.0, 01:00.0-01:1f.7`.",
    { default: "" },
  ),
  ivhd: option.choice("Which IVHD blocks the IVRS table has.", ["10h", "10h+11h", "10h+11h+40h"], {
    default: "10h+11h+40h",
  }),
  deviceBeyondTable: option.choice("What is logged for a device beyond the device table.", [
    "ILLEGAL_DEV_TABLE_ENTRY",
    "IO_PAGE_FAULT",
  ], { default: "ILLEGAL_DEV_TABLE_ENTRY" }),
  badMode: option.choice("What is logged for a paging mode that is reserved or has too many levels.", [
    "ILLEGAL_DEV_TABLE_ENTRY",
    "IO_PAGE_FAULT",
  ], { default: "ILLEGAL_DEV_TABLE_ENTRY" }),
} as const;

/** See {@linkcode HARDWARE_OPTIONS}. */
export type HardwareOptions = OptionsOf<typeof HARDWARE_OPTIONS>;

/** The options that nothing was said about. */
export const DEFAULT_HARDWARE_OPTIONS: HardwareOptions = Object.fromEntries(
  Object.entries(HARDWARE_OPTIONS).map(([name, spec]) => [name, spec.default]),
) as HardwareOptions;

/** A range of DeviceIDs, both inclusive. */
export interface DeviceRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Reads what no option type can say by itself.
 *
 * @throws {InputError} when a size is no power of two, or a device is not written as bus:device.function.
 */
export function readExcluded(options: HardwareOptions, where: MachineServices["where"]): DeviceRange[] {
  checkPower(options, "iotlb", where);
  checkPower(options, "iotlbWays", where);
  checkPower(options, "walkCache", where);
  const words = options.exclude.split(",").map((word) => word.trim()).filter((word) => word !== "");
  return words.map((word) => readRange(word, where)).sort((a, b) => a.first - b.first);
}

function checkPower(
  options: HardwareOptions,
  name: "iotlb" | "iotlbWays" | "walkCache",
  where: MachineServices["where"],
) {
  const value = options[name];
  if ((value & (value - 1)) === 0) return;
  throw new InputError({
    file: where.file,
    path: `${where.path}.${name}`,
    found: String(value),
    expected: "a power of two",
  });
}

function readRange(word: string, where: MachineServices["where"]): DeviceRange {
  const ids = word.split("-").map(readDeviceId);
  const [first, last = first] = ids;
  if (ids.length <= 2 && first !== null && last !== null && first <= last) return { first, last };
  throw new InputError({
    file: where.file,
    path: `${where.path}.exclude`,
    found: `"${word}"`,
    expected: "a device such as 00:05.0, or two with a hyphen between them",
  });
}

function readDeviceId(text: string): number | null {
  const match = /^([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i.exec(text.trim());
  if (match === null) return null;
  const [bus, device, fn] = match.slice(1).map((digits) => parseInt(digits, 16));
  return device > 31 ? null : bus << 8 | device << 3 | fn;
}

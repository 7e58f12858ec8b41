/**
 * The options of the operating system's half: what a kernel takes from its command line.
 *
 * @module
 */

import { InputError, option, type OptionsOf } from "@iova/core";

/** `mod.ts` takes these into the plugin's options. */
export const GUEST_OPTIONS = {
  mode: option.choice(
    "When translations are flushed: at every unmap (Linux iommu.strict=1), or 255 at a time and after 10 ms.",
    ["strict", "lazy"],
    { default: "strict" },
  ),
  domain: option.choice(
    "What devices are attached to: translated addresses, physical ones (iommu.passthrough=1), or nothing at all.",
    ["translated", "identity", "blocked"],
    { default: "translated" },
  ),
  shared: option.boolean("Whether all devices share one domain, as one IOMMU group does.", { default: false }),
  pageTableLevels: option.integer("Levels of a fresh page table; it grows as addresses need.", {
    default: 3,
    min: 1,
    max: 6,
  }),
  forceDac: option.boolean("Whether addresses above 4 GiB are used from the start (iommu.forcedac=1).", {
    default: false,
  }),
  noAts: option.boolean("Leave translation caches off that devices have by their ATS capability (pci=noats).", {
    default: false,
  }),
  atsDevices: option.string(
    "Devices whose ATS somebody else has switched on, such as `00:01.0, 00:02.0`, or `all`.",
    { default: "" },
  ),
} as const;

/** See {@linkcode GUEST_OPTIONS}. */
export type GuestOptions = OptionsOf<typeof GUEST_OPTIONS>;

/**
 * Whether a device's ATS is switched on.
 *
 * @throws {InputError} when a device is not written as bus:device.function.
 */
export function readAtsDevices(
  { atsDevices }: GuestOptions,
  where: { readonly file: string; readonly path: string },
): (deviceId: number) => boolean {
  if (atsDevices.trim() === "all") return () => true;
  const words = atsDevices.split(",").map((word) => word.trim()).filter((word) => word !== "");
  const ids = new Set(words.map((word) => readDevice(word, where)));
  return (deviceId) => ids.has(deviceId);
}

function readDevice(word: string, { file, path }: { readonly file: string; readonly path: string }): number {
  const match = /^([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7])$/i.exec(word);
  if (match === null) {
    throw new InputError({
      file,
      path: `${path}.atsDevices`,
      found: `"${word}"`,
      expected: "a device such as 00:01.0, or all",
    });
  }
  const [bus, device, fn] = match.slice(1).map((digits) => parseInt(digits, 16));
  return bus << 8 | device << 3 | fn;
}

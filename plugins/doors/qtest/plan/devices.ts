/**
 * The devices that QEMU has as well, by the name of our plugin.
 *
 * @module
 */

import { ide } from "./ide.ts";
import type { Property, Recipe, RecipeContext } from "./recipe.ts";

/** See the module's text. */
export const RECIPES: Readonly<Record<string, Recipe>> = {
  edu: ({ options }) => ({ driver: "edu", properties: { dma_mask: options.dmaMask }, cpuEndian: true }),
  ide,
  "virtio-blk": (context) => {
    const { queueSize, serial } = context.options;
    return {
      driver: "virtio-blk-pci",
      properties: {
        ...virtioProperties(context),
        drive: disk(context),
        "queue-size": queueSize,
        "num-queues": 1,
        ...(serial !== "" && { serial }),
      },
    };
  },
};

/** A disk's medium, by the options `image`, `ram` and `readOnly`. */
function disk({ options, medium, refuse }: RecipeContext): string {
  const { image, ram } = options;
  if ((image === undefined) === (ram === undefined)) refuse("image", "one of image and ram");
  return medium(options);
}

/** What every virtio function has in common. */
function virtioProperties({ options, refuse }: RecipeContext): Record<string, Property> {
  const { transport = "modern", vectors, indirect, eventIndex, packed, accessPlatform } = options;
  for (const name of ["inOrder", "notificationData", "notifConfigData"]) {
    if (options[name]) refuse(name, "false: QEMU 7.2 does not offer it");
  }
  return {
    "disable-modern": transport === "legacy",
    "disable-legacy": transport === "modern" ? "on" : "off",
    "iommu_platform": accessPlatform && transport === "modern",
    vectors,
    "indirect_desc": indirect,
    "event_idx": eventIndex,
    packed,
  };
}

/**
 * The devices that QEMU has as well, by the name of our plugin.
 *
 * @module
 */

import { ide } from "./ide.ts";
import type { Recipe } from "./recipe.ts";
import { virtioBlk, virtioNet } from "./virtio.ts";

/** See the module's text. */
export const RECIPES: Readonly<Record<string, Recipe>> = {
  edu: ({ options }) => ({ driver: "edu", properties: { dma_mask: options.dmaMask }, cpuEndian: true }),
  ide,
  "virtio-blk": virtioBlk,
  "virtio-net": virtioNet,
};

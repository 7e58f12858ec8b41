/**
 * Platform `strict`: the unforgiving one. It copies every buffer when it is mapped, hands out no address twice, lets a
 * device touch exactly the bytes it was lent in the direction it was lent them, poisons what is given back, and reports
 * whatever the DMA API calls undefined. A driver that passes here passes anywhere.
 *
 * @module
 */

import { API_VERSION, definePlatform, option, type PlatformPlugin } from "@iova/core";
import { StrictGuest } from "./guest_bridge.ts";
import { StrictDmaOps } from "./guest.ts";
import { StrictBridge } from "./hardware.ts";
import { StrictRegisters } from "./layout.ts";

const options = {
  entries: option.integer("Most mappings at once; a map beyond that fails.", { default: 65536, min: 1, max: 1048576 }),
  poison: option.integer("The byte that memory is filled with when it is given back.", {
    default: 0xdb,
    min: 0,
    max: 255,
  }),
} as const;

/** The plugin. */
const strict: PlatformPlugin = definePlatform({
  name: "strict",
  kind: "platform",
  api: API_VERSION,
  summary: "Copies on map, never reuses an address, poisons on unmap, and forgives nothing.",
  options,
  create({ reserveRegisters, warn }, { entries, poison }) {
    const hardware = new StrictBridge(entries, warn);
    const registers = reserveRegisters(StrictRegisters.size, "strict", hardware);
    let guest: StrictGuest | null = null;
    return {
      translator: (host) => hardware.attach(host),
      dmaOps: (context) => new StrictDmaOps(context, guest ??= new StrictGuest(context.guest, registers, poison)),
      stop: () => guest?.stop(warn),
    };
  },
});

export default strict;

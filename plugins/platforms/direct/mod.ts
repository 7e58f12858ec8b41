/**
 * Platform `direct`: bus addresses are physical addresses, or a constant off. Nothing is translated per buffer, nothing
 * is copied, and nothing keeps a device from reaching all memory at any time.
 *
 * @module
 */

import { API_VERSION, definePlatform, formatAddress, InputError, option, type PlatformPlugin } from "@iova/core";
import { directDmaOps } from "./guest.ts";
import { OffsetTranslator } from "./hardware.ts";

const PAGE = 4096n;

const options = {
  offset: option.address("What the bridge subtracts: bus address = physical address + offset. A multiple of 4 KiB.", {
    default: 0n,
  }),
} as const;

/** The plugin. */
const direct: PlatformPlugin = definePlatform({
  name: "direct",
  kind: "platform",
  api: API_VERSION,
  summary: "Bus addresses are physical addresses, or a constant off.",
  options,
  create({ where }, { offset }) {
    if (offset % PAGE !== 0n) {
      const { file, path } = where;
      throw new InputError({
        file,
        path: `${path}.with.offset`,
        found: formatAddress(offset),
        expected: "a multiple of 4096",
      });
    }
    return {
      translator: (host) => offset === 0n ? null : new OffsetTranslator(host, offset),
      dmaOps: (context) => directDmaOps(context, offset),
    };
  },
});

export default direct;

/** A platform for tests of the loader and the command line: nothing between device and memory. */

import type { DmaHandle, PhysAddr } from "../address.ts";
import { BaseDmaOps } from "../dma_ops_base.ts";
import { option } from "../options.ts";
import { definePlatform } from "../plugin.ts";

class PlainDmaOps extends BaseDmaOps {
  protected map(out: DmaHandle, cpu: PhysAddr): boolean {
    out.setNumber(cpu);
    return true;
  }
  protected unmap(): void {}
}

export default definePlatform({
  name: "plain",
  kind: "platform",
  api: 1,
  summary: "Nothing between device and memory.",
  options: {
    depth: option.integer("How many levels.", { default: 4, min: 1, max: 9 }),
    offset: option.address("Where memory starts.", { default: 0n }),
    window: option.size("Bytes that a device sees.", { default: 65536 }),
  },
  create: (services, { depth }) => {
    if (depth === 9) services.warn("P1", "nine levels are many");
    return { translator: () => null, dmaOps: (context) => new PlainDmaOps(context) };
  },
});

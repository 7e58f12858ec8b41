/**
 * Check `dma-debug`: finds drivers that break the rules of the DMA API, with the checks and the words of Linux's own DMA
 * debugging, and devices that leave the buffers they were lent.
 *
 * @module
 */

import { API_VERSION, type CheckPlugin, defineCheck, option } from "@iova/core";
import { CheckedDmaOps } from "./checked_ops.ts";
import { SharedBooks, Tracker } from "./tracker.ts";
import { DeviceWatch } from "./watch.ts";

const options = {
  entries: option.integer("Mappings that can be followed at once; beyond that the check switches itself off.", {
    default: 1048576,
    min: 1,
  }),
  limit: option.integer("How often one kind of problem is reported for one device.", { default: 64, min: 1 }),
  devices: option.boolean("Watch what devices do as well (E1, E2, E4, E7); every access becomes an event.", {
    default: true,
  }),
} as const;

/** The plugin. */
const dmaDebug: CheckPlugin = defineCheck({
  name: "dma-debug",
  kind: "check",
  api: API_VERSION,
  summary: "Finds drivers that break the DMA API's rules, and devices that leave their buffers.",
  options,
  create({ events }, { entries, limit, devices }) {
    const books = new SharedBooks(entries, limit);
    const trackers: Tracker[] = [];
    const watch = new DeviceWatch();
    const unwatch = devices ? events.listen((event) => watch.see(event)) : () => {};
    return {
      wrapDmaOps(ops, context) {
        const tracker = new Tracker(context, books);
        trackers.push(tracker);
        watch.add(tracker);
        return new CheckedDmaOps(ops, tracker);
      },
      finish() {
        unwatch();
        for (const tracker of trackers) tracker.finish();
      },
    };
  },
});

export default dmaDebug;

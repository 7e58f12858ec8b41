/**
 * What the device tree tells the guest about backends.
 *
 * @module
 */

import type { FirmwareTable } from "@iova/core";

/** The node that `compatible = "xen,grant-dma"` marks. */
const XEN_IOMMU_PHANDLE = 1;
const CELLS = 4;

/** The host bridge's `iommu-map`: for each requester its id, the node, its backend domain, and 1. Cells are big-endian. */
export function iommuMap(entries: Iterable<readonly [requester: number, domid: number]>): FirmwareTable {
  const rows = [...entries].sort(([a], [b]) => a - b);
  const bytes = new Uint8Array(rows.length * CELLS * 4);
  const view = new DataView(bytes.buffer);
  rows.forEach(([requester, domid], i) =>
    [requester, XEN_IOMMU_PHANDLE, domid, 1].forEach((cell, j) => view.setUint32((i * CELLS + j) * 4, cell))
  );
  return { name: "iommu-map", bytes };
}

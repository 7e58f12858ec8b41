/**
 * What the two halves agree on besides Xen's own interface: where the frame tables are, and what the guest is told at boot.
 *
 * @module
 */

import type { PhysAddr } from "@iova/core";
import { defineStruct, type Struct } from "@iova/fields";

/** Where the machine-to-physical array is in the guest's address space: 64 bits for each machine frame, read-only. */
export const M2P_BASE: PhysAddr = 2 ** 51;
/** Bytes of an entry of the p2m or the m2p table. */
export const ENTRY_BYTES = 8;
/** Entries in one page of the p2m table. */
export const P2M_PER_PAGE = 512;

type StartInfoFields = { p2m: bigint; maxMachineFrame: bigint; p2mPages: number; maxOrder: number };

const toGuest = { writtenBy: "domain builder", readBy: "guest" } as const;

/**
 * What the domain builder leaves in the guest's memory. The guest is started with its address, and with nothing else. Xen's
 * own structure of this name has more in it, and says some of this by hypercall.
 */
export const StartInfo: Struct<StartInfoFields> = defineStruct({
  name: "start_info",
  source: "this plugin",
  size: 32,
  endian: "little",
  fields: [
    {
      name: "p2m",
      at: 0,
      bytes: 8,
      doc: "Pseudo-physical address of a list of 64-bit frame numbers, one for each 512 frames, 0 where there is no " +
        "memory; each names a page of 512 entries (`P2mEntry` of `@iova/xen`).",
      ...toGuest,
    },
    { name: "maxMachineFrame", at: 8, bytes: 8, doc: "First machine frame after the last that there is.", ...toGuest },
    { name: "p2mPages", at: 16, bytes: 4, doc: "Entries of the list.", ...toGuest },
    { name: "maxOrder", at: 20, bytes: 4, doc: "Largest order of an extent that the guest may ask for.", ...toGuest },
    { at: 24, bytes: 8, reserved: true },
  ],
});

/**
 * What the guest's own work costs, in nanoseconds of virtual time. Hypercalls are priced by the hypervisor.
 *
 * @module
 */

import type { DmaCosts } from "@iova/core";

/** Placeholders: the allocator's bitmap search, and three cycles at 3.5 GHz, rounded up, for each entry written to a list page. */
export const GUEST_COSTS: DmaCosts & { listEntry: number } = { map: 20, unmap: 10, sync: 1, listEntry: 1 };

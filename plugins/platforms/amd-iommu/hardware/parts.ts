/**
 * The parts of one IOMMU, as its chapters hand them to each other.
 *
 * @module
 */

import type { DeviceTable } from "./device_table.ts";
import type { EventLog } from "./event_log.ts";
import type { Lookup } from "./lookup.ts";
import type { HardwareOptions } from "./options.ts";
import type { Personality } from "./personality.ts";
import type { RegisterFile } from "./register_file.ts";
import type { PageWalker } from "./walk.ts";

/** The parts that requests of every kind need. */
export interface RequestParts {
  readonly registers: RegisterFile;
  readonly table: DeviceTable;
  readonly lookup: Lookup;
  readonly walker: PageWalker;
  readonly events: EventLog;
  readonly options: HardwareOptions;
  readonly personality: Personality;
}

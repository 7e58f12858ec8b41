/**
 * A domain: whose it is, what kind of guest it is, its grant table and its mappings.
 *
 * @module
 */

import { FrameMap } from "./frame_map.ts";
import { Maptrack } from "./maptrack.ts";
import { GrantTable } from "./table.ts";
import type { TablePage } from "./table_page.ts";

/** How a domain comes to be. */
export interface DomainSpec {
  /** Below 0x7ff0. */
  readonly id: number;
  /** `pv`: machine frames are the guest's own business; `hvm`: auto-translated (HVM, PVH, Arm). */
  readonly kind: "pv" | "hvm";
  /** Arm has no version 2 tables. Default `x86`. */
  readonly arch?: "x86" | "arm";
  /** Most shared frames. Default 64. */
  readonly maxGrantFrames?: number;
  /** Most maptrack frames. Default 1024. */
  readonly maxMaptrackFrames?: number;
}

/** See the module's text. */
export class Domain {
  /** See {@linkcode DomainSpec.id}. */
  readonly id: number;
  /** See {@linkcode DomainSpec.kind}. */
  readonly kind: "pv" | "hvm";
  /** See {@linkcode DomainSpec.arch}. */
  readonly arch: "x86" | "arm";
  /** What it grants. */
  readonly table: GrantTable;
  /** What it has mapped. */
  readonly maptrack: Maptrack;
  /** What grants the CPU's mappings show: address-space frame → machine frame. */
  readonly hostMappings: FrameMap = new FrameMap();
  /** Machine frames that the devices of a PV domain reach through grants, with how often. */
  readonly deviceMappings: FrameMap = new FrameMap();
  /** Why the hypervisor stopped it; null while it runs. */
  crashed: string | null = null;

  /** Made by `Hypervisor.createDomain`. */
  constructor(spec: DomainSpec, freePages: TablePage[]) {
    this.id = spec.id;
    this.kind = spec.kind;
    this.arch = spec.arch ?? "x86";
    this.table = new GrantTable(spec.maxGrantFrames ?? 64, freePages);
    this.maptrack = new Maptrack(spec.maxMaptrackFrames ?? 1024);
  }
}

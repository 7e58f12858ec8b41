/**
 * The three hypervisors. They differ in nothing but this table.
 *
 * - `lopar`: the text of LoPAR 2.9 (functions "H_GET_TCE" to "H_PUT_TCE_INDIRECT", "ibm,create-pe-dma-window", EEH).
 * - `qemu-tcg`: QEMU's own handlers (hw/ppc/spapr_iommu.c, spapr_rtas_ddw.c).
 * - `kvm`: Linux's in-kernel handlers (arch/powerpc/kvm/book3s_64_vio.c), which leave what they will not do to QEMU.
 *
 * @module
 */

import { HStatus, LIST_ENTRIES, RtasStatus } from "../layout.ts";

/** Which hypervisor. */
export type ProfileName = "lopar" | "qemu-tcg" | "kvm";

/** Where hypervisors differ. */
export interface Rules {
  /** Whether low bits of an IOBA are dropped; otherwise an unaligned one is a bad parameter. LoPAR is silent. */
  readonly roundsIoba: boolean;
  /** Whether a call checks its whole range first; otherwise entries before the first bad one are stored. */
  readonly checksRange: boolean;
  /** What a count of 0 gives. */
  readonly nothing: number;
  /** Most entries of `H_STUFF_TCE`; more than the table has is always refused. */
  readonly stuffMost: number;
  /** Status of a longer one. */
  readonly stuffTooLong: number;
  /** Whether `H_STUFF_TCE` may map (one page everywhere). */
  readonly stuffMaps: boolean;
  /** A page outside the partition, named with R or W set: refused, stored, or left to the emulator (which stores it). */
  readonly foreignPage: "refuse" | "accept" | "punt";
  /** A list page outside RAM: refused, read as zeros, or left to the emulator. */
  readonly foreignList: "refuse" | "zeros" | "punt";
  /** How often the list is read: copied before anything is checked, entry by entry, or again after the checks. */
  readonly list: "copy" | "once" | "twice";
  /** Whether the page of an unmapped entry in a list must lie in the partition all the same. */
  readonly checksUnmapped: boolean;
  /** `H_GET_TCE` tells of a mapped page that is not the caller's with `H_PARTIAL`. */
  readonly tellsPartial: boolean;
  /** Status of `H_PUT_TCE_INDIRECT` with a negative LIOBN: the multi-table option, which nobody here has. */
  readonly manyTables: number;
  /** RTAS status of a window that there is no room for. */
  readonly noWindow: number;
  /** Whether removing the last other window brings the default one back. */
  readonly restoresDefault: boolean;
  /** Whether a fault stops the partitionable endpoint. */
  readonly freezes: boolean;
  /** Whether every call is answered by a user-space emulator: it costs more. */
  readonly userSpace: boolean;
}

/** The differences, one column each. */
export const PROFILES: Readonly<Record<ProfileName, Rules>> = {
  lopar: {
    roundsIoba: false,
    checksRange: true,
    nothing: HStatus.SUCCESS,
    stuffMost: LIST_ENTRIES,
    stuffTooLong: HStatus.P4,
    stuffMaps: true,
    foreignPage: "refuse",
    foreignList: "refuse",
    list: "copy",
    checksUnmapped: false,
    tellsPartial: true,
    manyTables: HStatus.FUNCTION,
    noWindow: RtasStatus.PARAMETER,
    restoresDefault: true,
    freezes: true,
    userSpace: false,
  },
  "qemu-tcg": {
    roundsIoba: true,
    checksRange: false,
    nothing: HStatus.PARAMETER,
    stuffMost: Infinity,
    stuffTooLong: HStatus.PARAMETER,
    stuffMaps: true,
    foreignPage: "accept",
    foreignList: "zeros",
    list: "once",
    checksUnmapped: false,
    tellsPartial: false,
    manyTables: HStatus.PARAMETER,
    noWindow: RtasStatus.HARDWARE,
    restoresDefault: false,
    freezes: false,
    userSpace: true,
  },
  kvm: {
    roundsIoba: false,
    checksRange: true,
    nothing: HStatus.SUCCESS,
    stuffMost: Infinity,
    stuffTooLong: HStatus.PARAMETER,
    stuffMaps: false,
    foreignPage: "punt",
    foreignList: "punt",
    list: "twice",
    checksUnmapped: true,
    tellsPartial: false,
    manyTables: HStatus.PARAMETER,
    noWindow: RtasStatus.HARDWARE,
    restoresDefault: false,
    freezes: false,
    userSpace: false,
  },
};

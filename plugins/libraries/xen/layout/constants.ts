/**
 * Numbers of the Xen interface (xen/include/public/xen.h, grant_table.h, memory.h).
 *
 * @module
 */

/** Bytes in a Xen page, whatever the guest's own page size. */
export const XEN_PAGE_SIZE = 4096;
/** log2 of {@linkcode XEN_PAGE_SIZE}. */
export const XEN_PAGE_SHIFT = 12;

/** Reserved domain ids; ordinary ones are below `SELF`. */
export const DomId = {
  /** The caller. */
  SELF: 0x7ff0,
  IO: 0x7ff1,
  XEN: 0x7ff2,
  COW: 0x7ff3,
  INVALID: 0x7ff4,
  ANY: 0x7ff5,
  IDLE: 0x7fff,
} as const;

/** Hypercall numbers. */
export const XenHypercall = {
  /** Register 0: {@linkcode XenMem} command; 1: address of its structure. */
  MEMORY_OP: 12,
  /** Register 0: {@linkcode GntTabOp}; 1: address of an array of its structures; 2: elements. */
  GRANT_TABLE_OP: 20,
} as const;

/** Grant table commands: register 0 of {@linkcode XenHypercall}'s `GRANT_TABLE_OP`. */
export const GntTabOp = {
  MAP_GRANT_REF: 0,
  UNMAP_GRANT_REF: 1,
  SETUP_TABLE: 2,
  DUMP_TABLE: 3,
  TRANSFER: 4,
  COPY: 5,
  QUERY_SIZE: 6,
  UNMAP_AND_REPLACE: 7,
  SET_VERSION: 8,
  GET_STATUS_FRAMES: 9,
  GET_VERSION: 10,
  SWAP_GRANT_REF: 11,
  CACHE_FLUSH: 12,
} as const;

/** Memory commands. */
export const XenMem = { ADD_TO_PHYSMAP: 7, EXCHANGE: 11 } as const;

/** `space` of {@linkcode XenMem}'s `ADD_TO_PHYSMAP` for grant-table frames. */
export const XENMAPSPACE_GRANT_TABLE = 1;
/** Bit of the index that selects status frames. */
export const XENMAPIDX_STATUS = 0x8000_0000;

/** Status of one grant operation: a signed 16-bit number. */
export const GntStatus = {
  OKAY: 0,
  /** Undefined error. */
  GENERAL_ERROR: -1,
  /** Unrecognised domain id. */
  BAD_DOMAIN: -2,
  /** Unrecognised or inappropriate reference. */
  BAD_GNTREF: -3,
  /** Unrecognised or inappropriate handle. */
  BAD_HANDLE: -4,
  BAD_VIRT_ADDR: -5,
  /** Inappropriate device address. */
  BAD_DEV_ADDR: -6,
  NO_DEVICE_SPACE: -7,
  PERMISSION_DENIED: -8,
  /** The page is invalid for the operation. */
  BAD_PAGE: -9,
  /** A copy crosses a page. */
  BAD_COPY_ARG: -10,
  ADDRESS_TOO_BIG: -11,
  /** Paged out, or pinned: try again. */
  EAGAIN: -12,
  /** Out of handles. */
  NO_SPACE: -13,
} as const;
/** One of {@linkcode GntStatus}'s values. */
export type GntStatus = typeof GntStatus[keyof typeof GntStatus];

const STATUS_NAMES = new Map<number, string>(Object.entries(GntStatus).map(([name, value]) => [value, name]));

/** A status as Xen's headers spell it: `GNTST_bad_page`. */
export function gntStatusName(status: number): string {
  return `GNTST_${(STATUS_NAMES.get(status) ?? String(status)).toLowerCase()}`;
}

/** Flags of a map operation. */
export const GntMap = {
  /** Make the page reachable for the mapper's devices. */
  DEVICE_MAP: 1,
  /** Make it reachable for the mapper's CPUs. */
  HOST_MAP: 2,
  READONLY: 4,
  APPLICATION_MAP: 8,
  /** `host_addr` is the machine address of a page-table entry. */
  CONTAINS_PTE: 16,
} as const;

/** Flags of a copy operation: which side is a reference rather than a frame. */
export const GntCopy = { SOURCE_GREF: 1, DEST_GREF: 2 } as const;

/** Bits of a grant entry's flags (GTF). */
export const Gtf = {
  TYPE_MASK: 0x003,
  INVALID: 0,
  PERMIT_ACCESS: 1,
  ACCEPT_TRANSFER: 2,
  TRANSITIVE: 3,
  READONLY: 0x004,
  /** Of an `ACCEPT_TRANSFER` entry. */
  TRANSFER_COMMITTED: 0x004,
  READING: 0x008,
  /** Of an `ACCEPT_TRANSFER` entry. */
  TRANSFER_COMPLETED: 0x008,
  WRITING: 0x010,
  SUB_PAGE: 0x100,
} as const;

/** References that outlive a version change and that allocators leave alone. */
export const RESERVED_ENTRIES = 8;
/** References in one version 1 frame. */
export const V1_PER_FRAME = 512;
/** References in one version 2 frame. */
export const V2_PER_FRAME = 256;
/** Status words in one status frame. */
export const STATUS_PER_FRAME = 2048;
/** No handle. */
export const INVALID_HANDLE = 0xffff_ffff;

/** Bit of a p2m entry: the machine frame is another domain's (a mapped grant). It is bit 63: bit 31 of the high half. */
export const P2M_FOREIGN_HIGH: number = 1 << 31;
/** Bit of a p2m entry: register space, machine frame = pseudo-physical frame. It is bit 62: bit 30 of the high half. */
export const P2M_IDENTITY_HIGH: number = 1 << 30;

/** Linux error numbers that hypercalls return negated. */
export const XenErrno = {
  EPERM: 1,
  ESRCH: 3,
  EAGAIN: 11,
  ENOMEM: 12,
  EFAULT: 14,
  EBUSY: 16,
  EINVAL: 22,
  ERANGE: 34,
  ENOSYS: 38,
} as const;

/** Bit 63 marks a grant address on the bus: the sign bit of the high half. */
export const GRANT_ADDRESS_HIGH: number = 1 << 31;

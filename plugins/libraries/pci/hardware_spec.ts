/**
 * What a device plugin says about its PCI function.
 *
 * @module
 */

import type { AtsOptions, RegisterBlock, Width } from "@iova/core";

/** A base address register and the registers behind it. */
export interface PciBarSpec {
  /** 0 to 5. One of 64 bits takes the next index as well. */
  index: number;
  /** The address space that it lies in. */
  kind: "memory" | "io";
  /** Bytes: a power of two; memory at least 16, I/O 4 to 256. */
  size: number;
  /** Bits of the address. Default 32; I/O is always 32. */
  width?: 32 | 64;
  /** Reads have no side effects. Default false. */
  prefetchable?: boolean;
  /** The registers; offsets count from the start of the BAR. */
  block: RegisterBlock;
}

/** A capability. It gets its place by the function, in the order of the list, before MSI and MSI-X. */
export interface PciCapabilitySpec {
  /** Capability id (`CapabilityId`). */
  id: number;
  /** Its bytes after id and next pointer. They are copied into configuration space. */
  body: Uint8Array;
  /** The bits of `body` that the guest may write. Absent: none. */
  writable?: Uint8Array;
  /**
   * Called before the guest reads any of its bytes. `body` is the capability's live bytes in configuration space, lent
   * for the call; `offset` counts from the start of `body` and may be −2 or −1. Absent: the bytes are as they are.
   */
  reading?(body: Uint8Array, offset: number, width: Width): void;
  /** Called after the guest has written any of its bytes; see {@linkcode PciCapabilitySpec.reading}. */
  written?(body: Uint8Array, offset: number, width: Width): void;
}

/** An extended capability (PCI Express 5.0 §7.6.3). It gets its place by the function, in the order of the list. */
export interface PciExtendedCapabilitySpec {
  /** Extended capability id (`ExtendedCapabilityId`). */
  id: number;
  /** Its version. Default 1. */
  version?: number;
  /** Its bytes after the header. They are copied into configuration space. */
  body: Uint8Array;
  /** The bits of `body` that the guest may write. Absent: none. */
  writable?: Uint8Array;
  /** Called after the guest has written any of its bytes; `body` is lent for the call. */
  written?(body: Uint8Array): void;
}

/** Where a function's MSI-X table and pending bits are. They answer in front of the BAR's own registers. */
export interface PciMsixSpec {
  /** 1 to 2048. */
  vectors: number;
  /** The BAR that holds both. When the function declares none of that index, a memory BAR is made for them. */
  bar: number;
  /** Offset of the table in the BAR, a multiple of 8. Default 0. */
  tableOffset?: number;
  /** Offset of the pending bits in the BAR, a multiple of 8. Default: half of the BAR that is made, else behind the table. */
  pbaOffset?: number;
}

/** A PCI function, as its device plugin declares it. */
export interface PciFunctionSpec {
  /** The manifest id: the port's name, and what messages call it. */
  id: string;
  /** Place on the bus, `device[.function]` in hexadecimal, such as `03.0`. Absent: the first free device. */
  at?: string;
  /** Vendor id, 16 bits. */
  vendor: number;
  /** Device id, 16 bits. */
  device: number;
  /** Revision, 8 bits. Default 0. */
  revision?: number;
  /** Class, subclass and programming interface, 24 bits: `0x010000` is a SCSI controller. */
  classCode: number;
  /** Subsystem vendor id. Default: {@linkcode PciFunctionSpec.vendor}. */
  subsystemVendor?: number;
  /** Subsystem id. Default 0. */
  subsystem?: number;
  /** Base address registers. Default: none. */
  bars?: PciBarSpec[];
  /** Capabilities besides MSI and MSI-X. Default: none. */
  capabilities?: PciCapabilitySpec[];
  /** Extended capabilities: configuration space then has 4 KiB, reached through memory where a chipset offers it. Default: none. */
  extended?: PciExtendedCapabilitySpec[];
  /** It can have a translation cache (PCI Express 5.0 §10.5.1), which the guest turns on. Absent: it cannot. */
  ats?: AtsOptions;
  /** One message interrupt by the MSI capability. Absent: none. */
  msi?: true;
  /** Message interrupts by MSI-X. Absent: none. */
  msix?: PciMsixSpec;
  /** 1 to 4 for INTA to INTD. Default 0: no INTx. */
  interruptPin?: 0 | 1 | 2 | 3 | 4;
}

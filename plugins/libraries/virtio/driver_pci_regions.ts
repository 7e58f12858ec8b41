/**
 * Where a virtio PCI function says that its registers are. Its word is checked: registers that a capability puts outside its
 * BAR would be somebody else's memory.
 *
 * @module
 */

import type { PhysAddr } from "@iova/core";
import type { PciDevice } from "@iova/pci";
import { CAP_VENDOR, CfgType, CommonCfg, VirtioPciCap, VirtioPciNotifyCap } from "./layout_pci.ts";

/** Registers behind a BAR. */
export interface PciRegion {
  /** First byte, as the CPU sees it. */
  readonly address: PhysAddr;
  /** Bytes. */
  readonly length: number;
}

/** All of them. */
export interface PciRegions {
  readonly common: PciRegion;
  readonly notify: PciRegion;
  readonly isr: PciRegion;
  /** The device configuration; of no length when there is none. */
  readonly device: PciRegion;
  /** Bytes between the doorbells of queues. */
  readonly multiplier: number;
}

/** BARs above this are reserved, and a capability that names one is ignored (§4.1.4). */
const LAST_BAR = 5;
/** Bytes of the common configuration that every device has: what follows belongs to features. */
const COMMON_LENGTH = CommonCfg.at.queue_notif_config_data;

/**
 * Looks through the vendor capabilities; of several of one type the first that is usable counts.
 *
 * @throws {RangeError} when one that every device needs is missing.
 */
export function findRegions(fn: PciDevice): PciRegions {
  const found = new Map<number, PciRegion>();
  let multiplier = 0;
  for (let at = fn.findCapability(CAP_VENDOR); at !== 0; at = fn.findCapability(CAP_VENDOR, at)) {
    const { cfg_type, ...place } = VirtioPciCap.decode(fn.configBytes(at, VirtioPciCap.size));
    const region = regionOf(fn, place);
    if (region === null || found.has(cfg_type)) continue;
    found.set(cfg_type, region);
    if (cfg_type !== CfgType.NOTIFY_CFG) continue;
    const tail = fn.configBytes(at + VirtioPciCap.size, VirtioPciNotifyCap.size);
    multiplier = VirtioPciNotifyCap.decode(tail).notify_off_multiplier;
  }
  const needed = (type: number, name: string, length: number): PciRegion => {
    const region = found.get(type);
    if (region !== undefined && region.length >= length) return region;
    throw new RangeError(`no modern virtio device: it has no ${name} registers`);
  };
  return {
    common: needed(CfgType.COMMON_CFG, "common", COMMON_LENGTH),
    notify: needed(CfgType.NOTIFY_CFG, "notification", 2),
    isr: needed(CfgType.ISR_CFG, "interrupt status", 1),
    device: found.get(CfgType.DEVICE_CFG) ?? { address: 0, length: 0 },
    multiplier,
  };
}

/** The region that a capability names, if it lies in a memory BAR. */
function regionOf(fn: PciDevice, place: { bar: number; offset: number; length: number }): PciRegion | null {
  const { bar: index, offset, length } = place;
  const bar = index <= LAST_BAR ? fn.bars.get(index) : undefined;
  if (bar === undefined || bar.kind !== "memory" || bar.address === 0 || offset + length > bar.size) return null;
  return { address: bar.address + offset, length };
}

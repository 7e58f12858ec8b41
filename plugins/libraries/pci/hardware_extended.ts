/**
 * Extended capabilities: a list of their own behind the first 256 bytes of configuration space (PCI Express 5.0 §7.6).
 *
 * @module
 */

import type { AtsOptions, BusPort } from "@iova/core";
import type { ConfigSpace } from "./hardware_config.ts";
import type { PciExtendedCapabilitySpec } from "./hardware_spec.ts";
import { AtsCapability, CONFIG_SIZE, ExtendedCapabilityHeader, ExtendedCapabilityId } from "./layout.ts";

/** Bytes of configuration space with extended capabilities. */
export const EXTENDED_CONFIG_SIZE = 4096;
const HEADER = ExtendedCapabilityHeader.size;

/** Lays the list out. @throws {RangeError} when it does not fit: a bug in a device plugin. */
export function layExtended(config: ConfigSpace, list: readonly PciExtendedCapabilitySpec[], owner: string): void {
  let at = CONFIG_SIZE;
  list.forEach(({ id, version = 1, body, writable, written }, i) => {
    const size = Math.ceil((HEADER + body.length) / 4) * 4;
    if (at + size > EXTENDED_CONFIG_SIZE) {
      throw new RangeError(`${owner}: extended capabilities do not fit ${EXTENDED_CONFIG_SIZE} bytes`);
    }
    const next = i + 1 < list.length ? at + size : 0;
    config.define(at, ExtendedCapabilityHeader.encode({ id, version, next }));
    config.define(at + HEADER, body, writable);
    if (written !== undefined) {
      const live = config.bytes.subarray(at + HEADER, at + HEADER + body.length);
      config.watch(at + HEADER, body.length, { written: () => written(live) });
    }
    at += size;
  });
}

/** The capability by which a guest turns a function's translation cache on and off. */
export function atsCapability(port: BusPort, options: AtsOptions): PciExtendedCapabilitySpec {
  let enabled = false;
  const { at, mask } = AtsCapability;
  return {
    id: ExtendedCapabilityId.ATS,
    // Queue depth 0 stands for 32 invalidations.
    body: AtsCapability.encode({ pageAligned: 1 }).subarray(HEADER),
    writable: AtsCapability.encode({ smallestUnit: 0x1f, enable: 1 }).subarray(HEADER),
    written(body) {
      const control = new DataView(body.buffer, body.byteOffset).getUint16(at.enable - HEADER, true);
      const wanted = (control & mask.enable) !== 0;
      if (wanted === enabled) return;
      enabled = wanted;
      if (wanted) port.enableAts(options);
      else port.disableAts();
    },
  };
}

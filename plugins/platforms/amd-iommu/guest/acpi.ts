/**
 * What the kernel needs of firmware's ACPI tables to find an IOMMU: IVRS and, for its configuration space, MCFG.
 *
 * @module
 */

import type { FirmwareTable } from "@iova/core";
import type { FirmwareTables } from "../guest.ts";
import { MCFG_HEADER_SIZE, McfgAllocation } from "../layout.ts";
import { parseIvrs } from "./ivrs.ts";

/**
 * Finds both.
 *
 * @throws {Error} when one is missing or says nothing of an IOMMU.
 */
export function readFirmware(tables: readonly FirmwareTable[]): FirmwareTables {
  const find = (name: string) => tables.find((table) => table.name === name)?.bytes;
  const ivrs = find("IVRS");
  const description = ivrs === undefined ? null : parseIvrs(ivrs);
  if (ivrs === undefined || description === null) throw new Error("firmware has no IVRS table that describes an IOMMU");
  const mcfg = find("MCFG");
  if (mcfg === undefined || mcfg.length < MCFG_HEADER_SIZE + McfgAllocation.size) {
    throw new Error("firmware has no MCFG table that says where configuration space is");
  }
  const { base } = McfgAllocation.decode(mcfg.subarray(MCFG_HEADER_SIZE));
  return { ivrs, configuration: Number(base) + description.deviceId * 0x1000 };
}

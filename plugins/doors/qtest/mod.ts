/**
 * Door `drive`: our drivers against QEMU's hardware. QEMU is started with its qtest socket and a CPU that does nothing of
 * its own; the drivers, `DmaOps`, checks and workloads of a manifest run unchanged over its devices and IOMMUs.
 *
 * @module
 */

import { API_VERSION, defineDoor, type DoorPlugin, option, PluginError } from "@iova/core";
import { drive } from "./drive.ts";
import { QemuError } from "./qemu/lines.ts";

export { drive, driveMachine, type DrivenMachine, type DriveOptions } from "./drive.ts";
export type { Board } from "./board/board.ts";
export { QtestConnection } from "./qemu/connection.ts";
export { QemuError } from "./qemu/lines.ts";
export { type QemuCommand, QemuProcess } from "./qemu/process.ts";

const options = {
  qemu: option.string("The QEMU program. Default: qemu-system-x86_64 or qemu-system-ppc64, as the platform needs."),
} as const;

/** The door. */
const qtest: DoorPlugin = defineDoor({
  name: "qtest",
  kind: "door",
  api: API_VERSION,
  summary: "Run a manifest's workloads with our drivers on QEMU's hardware.",
  command: "drive",
  usage: "<manifest>",
  about: `Needs --allow-read, --allow-write=/tmp, --allow-run=qemu-system-x86_64 (or what --qemu names) and --allow-ffi.
Platforms: direct and swiotlb (pc), amd-iommu (q35), pseries-tce (pseries). Devices: those that QEMU has.`,
  options,
  async run({ names: [manifest], load, report }, { qemu }) {
    try {
      return report(await drive(manifest, { ...load, ...(qemu !== undefined && { qemu }) }));
    } catch (error) {
      throw error instanceof QemuError ? new PluginError("qtest", "drive", error) : error;
    }
  },
});

export default qtest;

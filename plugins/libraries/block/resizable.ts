/**
 * Block devices whose medium can be given another size while a driver uses them: what a script, a monitor command or
 * another room asks a machine's device for.
 *
 * @module
 */

import type { Device } from "@iova/core";

/** A device half that can be resized. */
export interface ResizableDevice extends Device {
  /**
   * Gives the medium `size` bytes and tells the driver, if the device has a way to. False when it cannot be: it is no
   * multiple of the device's block size, the medium is read-only, or its host refuses.
   */
  resize(size: number): boolean;
}

/** The device as one that can be resized; null when it cannot. */
export function asResizable(device: Device): ResizableDevice | null {
  return "resize" in device && typeof device.resize === "function" ? device as ResizableDevice : null;
}

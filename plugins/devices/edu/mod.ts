/**
 * edu, QEMU's documented teaching device (PCI 1234:11e8), and its driver: a probe that moves any bytes to any bus address.
 *
 * @module
 */

import {
  API_VERSION,
  defineDevice,
  type Device,
  type DeviceContext,
  type DevicePlugin,
  option,
  type OptionsOf,
} from "@iova/core";
import { pciBus } from "@iova/pci";
import { EduModel } from "./device.ts";
import { EduDriver } from "./driver.ts";
import { DEFAULT_DMA_MASK, EDU_BAR_SIZE, EDU_DEVICE, EDU_VENDOR } from "./layout.ts";

export { EduDriver, type TransferResult } from "./driver.ts";

const options = {
  dmaMask: option.address("The address lines that the device has, as a mask. The driver sets it as the DMA mask.", {
    default: DEFAULT_DMA_MASK,
  }),
  ats: option.boolean("Has an ATS capability: its guest may turn a translation cache on. QEMU's edu has none.", {
    default: false,
  }),
  dmaDelay: option.duration("Virtual time from the start of a transfer to its end.", { default: 100e6 }),
} as const;

/** The plugin. */
const edu: DevicePlugin = defineDevice({
  name: "edu",
  kind: "device",
  api: API_VERSION,
  summary: "QEMU's teaching device (1234:11e8): factorials, interrupts, and a DMA engine to probe a bus with.",
  options,
  bus: "pci",
  create: plugIn,
  driver: (context, { dmaMask }) => new EduDriver(context, dmaMask),
});

export default edu;

/** Base class FFh: fits no other (PCI code and ID assignment). */
const CLASS_CODE = 0x00ff00;

function plugIn(context: DeviceContext, { dmaMask, dmaDelay, ats }: OptionsOf<typeof options>): Device {
  const { id, bus, at, scheduler, events } = context;
  const fn = pciBus(bus).addFunction({
    id,
    ...(at !== undefined && { at }),
    vendor: EDU_VENDOR,
    device: EDU_DEVICE,
    revision: 0x10,
    classCode: CLASS_CODE,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
    interruptPin: 1,
    msi: true,
    ...(ats && { ats: {} }),
    bars: [{
      index: 0,
      kind: "memory",
      size: EDU_BAR_SIZE,
      block: {
        read: (offset, width) => model.read(offset, width),
        write: (offset, width, value) => model.write(offset, width, value),
      },
    }],
  });
  const model = new EduModel({
    id,
    port: fn.port,
    scheduler,
    events,
    dmaMask,
    dmaDelay,
    interrupt: (asserted) => asserted ? fn.assertIntx() : fn.deassertIntx(),
    message: () => void fn.msi!.raise(),
    warn: (warning, message) => context.warn(warning, message, id),
  });
  return {
    port: fn.port,
    counters: () => {
      const { transfers, bytes, faults, outOfBounds, clamped, factorials } = model;
      return { requests: transfers, bytes, faults, outOfBounds, clamped, factorials };
    },
    reset: () => {
      model.reset();
      fn.reset();
    },
    unplug: () => {
      model.halt();
      fn.remove();
    },
    stop: () => model.halt(),
  };
}

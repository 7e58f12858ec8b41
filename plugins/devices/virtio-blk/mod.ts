/**
 * A virtio block device on PCI (virtio 1.4 §5.2), and its driver.
 *
 * @module
 */

import { type BlockBackend, openImage, RamBackend } from "@iova/block";
import {
  API_VERSION,
  defineDevice,
  type DeviceContext,
  type DevicePlugin,
  formatSize,
  InputError,
  option,
  type OptionsOf,
} from "@iova/core";
import { driverTransport, plugVirtio, usesPhysicalAddresses, VirtioDevice, virtioOptions } from "@iova/virtio";
import { BlockModel } from "./device.ts";
import { VirtioBlockDriver } from "./driver.ts";
import { BLOCK_DEVICE, BlockConfig } from "./layout.ts";

const options = {
  image: option.path("The disk: a raw image. Either this or `ram`."),
  ram: option.size("The disk: memory of this size, lost at the end. Either this or `image`.", { min: 512 }),
  readOnly: option.boolean("Refuse writes.", { default: false }),
  queueSize: option.integer("Entries of the queue: a power of two, unless the ring is packed.", {
    default: 128,
    min: 4,
    max: 1024,
  }),
  serial: option.string("Serial number.", { default: "", maxLength: 20 }),
  requestMemory: option.choice(
    "Where a request's header, status and indirect table lie: in memory that is mapped once, or mapped for every " +
      "request, as Linux does.",
    ["coherent", "streaming"],
    { default: "coherent" },
  ),
  ...virtioOptions,
} as const;

/** PCI class code: mass storage, SCSI controller (what QEMU gives a virtio disk). */
const CLASS_CODE = 0x010000;

/** The device plugin. */
const virtioBlk: DevicePlugin = defineDevice({
  name: "virtio-blk",
  kind: "device",
  api: API_VERSION,
  summary: "virtio block device, over a raw image or memory",
  options,
  bus: ["pci", "virtio-mmio"],
  physicallyAddressed: (given) => usesPhysicalAddresses(given),
  create(context, given) {
    checkQueueSize(context, given);
    const backend = openMedium(context, given);
    try {
      return plugIn(context, given, backend);
    } catch (error) {
      backend.close();
      throw error;
    }
  },
  driver(context, given) {
    return new VirtioBlockDriver(driverTransport(context, given), context, given);
  },
});

export default virtioBlk;

type Given = OptionsOf<typeof options>;

function plugIn(context: DeviceContext, given: Given, backend: BlockBackend) {
  const { id, scheduler, events } = context;
  const { readOnly, queueSize, serial, transport, vectors } = given;
  let model!: BlockModel;
  const plug = plugVirtio(context, {
    type: BLOCK_DEVICE,
    classCode: CLASS_CODE,
    transport,
    vectors,
    configSize: BlockConfig.size,
    make(port) {
      model = new BlockModel({ id, port, backend, readOnly, queueSize, serial, events });
      return new VirtioDevice({ ...given, id, port, scheduler, events, model });
    },
  });
  return {
    port: plug.port,
    counters: () => ({
      requests: model.requests,
      bytes: model.bytes,
      errors: model.errors,
      flushes: model.flushes,
      breakdowns: plug.device.breakdowns,
      ringReads: plug.device.ringStats.reads,
      ringWrites: plug.device.ringStats.writes,
    }),
    reset: () => plug.powerOn(),
    unplug: () => plug.remove(),
    stop: () => backend.close(),
  };
}

function openMedium({ where, resolvePath }: DeviceContext, { image, ram, readOnly }: Given): BlockBackend {
  if ((image === undefined) === (ram === undefined)) {
    throw new InputError({
      file: where.file,
      path: `${where.path}.with`,
      found: image === undefined ? "neither image nor ram" : "both image and ram",
      expected: "one of the two: the disk is a file, or memory",
    });
  }
  if (image !== undefined) {
    return openImage({ path: resolvePath(image), readOnly, file: where.file, optionPath: `${where.path}.with.image` });
  }
  if (ram! % 512 !== 0) {
    const path = `${where.path}.with.ram`;
    throw new InputError({ file: where.file, path, found: formatSize(ram!), expected: "a multiple of 512 bytes" });
  }
  return new RamBackend(ram!, { readOnly });
}

function checkQueueSize({ where }: DeviceContext, { queueSize, packed }: Given): void {
  if (packed || (queueSize & (queueSize - 1)) === 0) return;
  const path = `${where.path}.with.queueSize`;
  throw new InputError({ file: where.file, path, found: String(queueSize), expected: "a power of two" });
}

/**
 * A virtio block device (virtio 1.4 §5.2), and its driver.
 *
 * @module
 */

import { type BlockBackend, mediumOptions, openMedium, type ResizableDevice } from "@iova/block";
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
import {
  checkVirtioOptions,
  driverTransport,
  plugVirtio,
  usesPhysicalAddresses,
  VirtioDevice,
  virtioOptions,
} from "@iova/virtio";
import { BlockModel } from "./device.ts";
import { VirtioBlockDriver } from "./driver.ts";
import { BLOCK_DEVICE, BlockConfig } from "./layout.ts";

const options = {
  ...mediumOptions,
  queues: option.integer("Queues.", { default: 1, min: 1, max: 64 }),
  queueSize: option.integer("Entries of each queue: a power of two, or any number with packed rings.", {
    default: 128,
    min: 4,
    max: 1024,
  }),
  serial: option.string("Serial number.", { default: "", maxLength: 20 }),
  blockSize: option.size("Bytes of a block, a power of two: the driver reads and writes whole ones.", {
    default: 512,
    min: 512,
    max: 2 ** 20,
  }),
  physicalBlockSize: option.size("Bytes of a physical block, a power of two. Left out: a block.", {
    min: 512,
    max: 2 ** 20,
  }),
  minIo: option.size("Smallest good I/O, whole blocks; 0: nothing is said.", { default: 0, max: 2 ** 24 }),
  optIo: option.size("Best I/O, whole blocks; 0: nothing is said.", { default: 0, max: 2 ** 31 }),
  sizeMax: option.size("Longest data segment; 0: no limit.", { default: 0, max: 2 ** 31 }),
  segMax: option.integer("Most data segments of a request; 0: what the queue holds.", { default: 0, max: 1022 }),
  discard: option.boolean("Offer and use DISCARD.", { default: true }),
  writeZeroes: option.boolean("Offer and use WRITE_ZEROES.", { default: true }),
  secureErase: option.boolean("Offer and use SECURE_ERASE.", { default: false }),
  maxSegments: option.integer("Most segments of one such request.", { default: 1, min: 1, max: 256 }),
  writeCache: option.boolean("Writes may stay in the host's cache until a flush.", { default: true }),
  configWce: option.boolean("The driver may turn that on and off.", { default: true }),
  latency: option.duration("How long the medium takes for a read, a write or a flush.", { default: 0 }),
  ...virtioOptions,
  requestMemory: option.choice(
    "Where a request's header, status and indirect table lie: in memory that is mapped once, or mapped for every " +
      "request, as Linux does.",
    ["coherent", "streaming"],
    { default: "coherent" },
  ),
} as const;

/** PCI class code: mass storage, SCSI controller (what QEMU gives a virtio disk). */
const CLASS_CODE = 0x010000;

/** The device plugin. */
const virtioBlk: DevicePlugin = defineDevice({
  name: "virtio-blk",
  kind: "device",
  api: API_VERSION,
  summary: "virtio block device, over a raw image, an overlay or memory",
  options,
  bus: ["pci", "virtio-mmio"],
  physicallyAddressed: (given) => usesPhysicalAddresses(given),
  create(context, given) {
    checkVirtioOptions(context, given);
    checkOptions(context, given);
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

function plugIn(context: DeviceContext, given: Given, backend: BlockBackend): ResizableDevice {
  const { id, scheduler, events } = context;
  const { transport, vectors } = given;
  let model!: BlockModel;
  const plug = plugVirtio(context, {
    type: BLOCK_DEVICE,
    classCode: CLASS_CODE,
    transport,
    vectors,
    configSize: BlockConfig.size,
    make(port) {
      model = new BlockModel({ ...traits(given), id, port, backend, scheduler, events });
      return model.device = new VirtioDevice({ ...given, id, port, scheduler, events, model });
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
    resize: (size) => model.resize(size),
    stop: () => backend.close(),
  };
}

/** The options that the model knows; one that was left out is no option at all. */
function traits({ physicalBlockSize, ...given }: Given) {
  return { ...given, ...(physicalBlockSize !== undefined && { physicalBlockSize }) };
}

function checkOptions({ where }: DeviceContext, given: Given): void {
  const { queueSize, packed, blockSize, physicalBlockSize = blockSize, ram, minIo, optIo, sizeMax, segMax, serial } =
    given;
  const check = (good: boolean, option: keyof Given, found: string, expected: string) => {
    if (!good) throw new InputError({ file: where.file, path: `${where.path}.with.${option}`, found, expected });
  };
  check(packed || isPowerOfTwo(queueSize), "queueSize", String(queueSize), "a power of two");
  check(/^[ -~]*$/.test(serial), "serial", `"${serial}"`, "printable ASCII");
  check(isPowerOfTwo(blockSize), "blockSize", formatSize(blockSize), "a power of two");
  const physical = isPowerOfTwo(physicalBlockSize) && physicalBlockSize >= blockSize;
  check(physical, "physicalBlockSize", formatSize(physicalBlockSize), "a power of two, at least a block");
  check(ram === undefined || ram % 512 !== 0 || ram % blockSize === 0, "ram", formatSize(ram ?? 0), "whole blocks");
  check(minIo % blockSize === 0, "minIo", formatSize(minIo), "whole blocks");
  check(optIo % blockSize === 0, "optIo", formatSize(optIo), "whole blocks");
  check(
    segMax <= queueSize - 2,
    "segMax",
    String(segMax),
    `at most ${queueSize - 2}, as the queue has ${queueSize} entries`,
  );
  const most = (sizeMax || Infinity) * (segMax || queueSize - 2);
  check(most >= blockSize, "sizeMax", formatSize(sizeMax), `segments that hold a block, ${formatSize(blockSize)}`);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

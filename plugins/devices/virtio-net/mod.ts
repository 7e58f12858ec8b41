/**
 * A virtio network device (virtio 1.4 §5.1), and its driver.
 *
 * @module
 */

import {
  API_VERSION,
  defineDevice,
  type Device,
  type DeviceContext,
  type DevicePlugin,
  InputError,
  option,
  type OptionsOf,
} from "@iova/core";
import { type NetBackend, netOptions, openNet } from "@iova/net";
import {
  checkVirtioOptions,
  driverTransport,
  plugVirtio,
  usesPhysicalAddresses,
  VirtioDevice,
  virtioOptions,
} from "@iova/virtio";
import { NetModel } from "./device.ts";
import { VirtioNetDriver } from "./driver.ts";
import { MAC_SIZE, NET_DEVICE } from "./layout.ts";

const options = {
  ...netOptions,
  mac: option.string("Its address, as 52:54:00:12:34:56. Default: made from the device's id.", { maxLength: 17 }),
  mtu: option.integer("Longest payload of a frame that the driver shall send; offers MTU.", { min: 68, max: 65535 }),
  speed: option.integer("Mbit/s, full duplex; offers SPEED_DUPLEX.", { min: 1, max: 0x7fffffff }),
  link: option.boolean("The cable is plugged in when the machine starts.", { default: true }),
  pairs: option.integer("Pairs of queues; more than one offers MQ, and the driver uses them.", {
    default: 1,
    min: 1,
    max: 128,
  }),
  queueSize: option.integer("Entries of a receive or transmit queue: a power of two, unless the ring is packed.", {
    default: 128,
    min: 4,
    max: 1024,
  }),
  mergeable: option.boolean("Offer MRG_RXBUF: a received frame may lie in several buffers.", { default: true }),
  checksum: option.boolean("Offer CSUM and GUEST_CSUM: checksums may be left undone.", { default: true }),
  segmentation: option.boolean("Offer segmentation of TCP and UDP in both directions.", { default: true }),
  control: option.boolean("Offer the control queue, and what is done through it.", { default: true }),
  rxBuffer: option.size("Bytes of one of the driver's receive buffers; at least what a frame needs.", {
    default: 2048,
    min: 64,
    max: 65664,
  }),
  requestMemory: option.choice(
    "Where headers and indirect tables lie: in memory that is mapped once, or mapped for every frame, as Linux does.",
    ["coherent", "streaming"],
    { default: "coherent" },
  ),
  controlBuffers: option.choice(
    "Where the driver's commands lie. `stack`: where drivers had them once, a mistake to study.",
    ["heap", "stack"],
    { default: "heap" },
  ),
  scatterlists: option.choice(
    "How the driver maps transmitted frames: buffer by buffer, or as a list that it fills again. `stale-marks`: without " +
      "taking old end marks away, a mistake to study.",
    ["none", "clean", "stale-marks"],
    { default: "none" },
  ),
  ...virtioOptions,
  vectors: option.integer("MSI-X vectors on PCI; 0: an interrupt line.", { default: 4, min: 0, max: 2048 }),
} as const;

/** PCI class code: network, Ethernet controller. */
const CLASS_CODE = 0x020000;

/** The device plugin. */
const virtioNet: DevicePlugin = defineDevice({
  name: "virtio-net",
  kind: "device",
  api: API_VERSION,
  summary: "virtio network device: hubs, captures, sockets",
  options,
  bus: ["pci", "virtio-mmio"],
  physicallyAddressed: (given) => usesPhysicalAddresses(given),
  create(context, given) {
    checkVirtioOptions(context, given);
    checkQueueSize(context, given);
    const mac = given.mac === undefined ? macOf(context.id) : parseMac(context, given.mac);
    const backend = openNet(context, given);
    try {
      return plugIn(context, given, backend, mac);
    } catch (error) {
      backend.close();
      throw error;
    }
  },
  driver(context, given) {
    return VirtioNetDriver.create(driverTransport(context, given), context, given);
  },
});

export default virtioNet;

type Given = OptionsOf<typeof options>;

/** The device half, with what a script can do to it. */
export interface NetDevice extends Device {
  /** Plugs the cable in, or pulls it. */
  setLink(up: boolean): void;
  /** Asks the driver to announce itself, as after a migration. */
  announce(): void;
}

function plugIn(context: DeviceContext, given: Given, backend: NetBackend, mac: Uint8Array): NetDevice {
  const { id, scheduler, events } = context;
  const { transport, vectors } = given;
  let model!: NetModel;
  const plug = plugVirtio(context, {
    type: NET_DEVICE,
    classCode: CLASS_CODE,
    transport,
    vectors,
    make(port) {
      model = new NetModel({ ...given, id, port, backend, events, mac });
      return new VirtioDevice({ ...given, id, port, scheduler, events, model });
    },
  });
  model.attach(plug.device);
  return {
    port: plug.port,
    counters: () => ({
      ...model.counters(),
      breakdowns: plug.device.breakdowns,
      ringReads: plug.device.ringStats.reads,
      ringWrites: plug.device.ringStats.writes,
      ...backend.counters(),
    }),
    reset: () => plug.powerOn(),
    unplug() {
      plug.remove();
      backend.close();
    },
    stop: () => backend.close(),
    setLink: (up) => model.setLink(up),
    announce: () => model.announce(),
  };
}

function checkQueueSize({ where }: DeviceContext, { queueSize, packed }: Given): void {
  if (packed || (queueSize & (queueSize - 1)) === 0) return;
  const path = `${where.path}.with.queueSize`;
  throw new InputError({ file: where.file, path, found: String(queueSize), expected: "a power of two" });
}

/** A locally administered address in QEMU's range whose last half comes from the device's id. */
function macOf(id: string): Uint8Array {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return Uint8Array.of(0x52, 0x54, 0, hash >>> 16, hash >>> 8, hash);
}

function parseMac({ where }: DeviceContext, text: string): Uint8Array {
  const parts = text.split(":");
  const sane = parts.length === MAC_SIZE && parts.every((part) => /^[0-9a-f]{2}$/i.test(part));
  const bytes = Uint8Array.from(parts, (part) => parseInt(part, 16));
  if (sane && (bytes[0] & 1) === 0) return bytes;
  throw new InputError({
    file: where.file,
    path: `${where.path}.with.mac`,
    found: `"${text}"`,
    expected: "six bytes like 52:54:00:12:34:56, the first of them even",
  });
}

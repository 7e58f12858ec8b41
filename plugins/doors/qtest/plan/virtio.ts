/**
 * Virtio functions: what all of them have in common, disks, and network cards with what they are connected to.
 *
 * @module
 */

import { type Property, qemuJson, type Recipe, type RecipeContext } from "./recipe.ts";

/** What every virtio device has in common, and what its function has on PCI. */
function common({ options, refuse, board, argument }: RecipeContext): Record<string, Property> {
  const { transport = "modern", vectors, indirect, eventIndex, packed, accessPlatform } = options;
  for (const name of ["inOrder", "notificationData", "notifConfigData"]) {
    if (options[name]) refuse(name, "false: QEMU 7.2 does not offer it");
  }
  const device = {
    "iommu_platform": accessPlatform && transport === "modern",
    "indirect_desc": indirect,
    "event_idx": eventIndex,
    packed,
  };
  if (board.bus === "virtio-mmio") {
    // Of all slots at once.
    argument("-global", `virtio-mmio.force-legacy=${transport !== "modern"}`);
    return device;
  }
  return {
    "disable-modern": transport === "legacy",
    "disable-legacy": transport === "modern" ? "on" : "off",
    vectors,
    ...device,
  };
}

/** QEMU's name of a kind of device, by the bus that it is on. */
function model(kind: string, { board }: RecipeContext): string {
  return `${kind}-${board.bus === "pci" ? "pci" : "device"}`;
}

/** A disk. */
export const virtioBlk: Recipe = (context) => {
  const { options: { image, ram, readOnly, queueSize, serial, queues = 1 }, medium, refuse } = context;
  if ((image === undefined) === (ram === undefined)) refuse("image", "one of image and ram");
  return {
    driver: model("virtio-blk", context),
    properties: {
      ...common(context),
      drive: medium({ image, ram, readOnly }),
      "queue-size": queueSize,
      "num-queues": queues,
      ...(serial !== "" && { serial }),
    },
  };
};

/** The least size of a network queue that QEMU takes; the driver makes its own shorter. */
const LEAST_QUEUE = 256;

/** A network card, on a hub of QEMU's or at a socket. */
export const virtioNet: Recipe = (context) => {
  const { device: { id }, options, refuse, argument } = context;
  const { mac, mtu, speed, pairs, queueSize, mergeable, checksum, segmentation, control, record } = options;
  if (pairs > 1) refuse("pairs", "1: QEMU's hubs have one queue");
  const netdev = `${id}-net`;
  argument("-netdev", qemuJson({ id: netdev, ...connection(context) }));
  if (record !== undefined) {
    argument(
      "-object",
      qemuJson({ "qom-type": "filter-dump", id: `${id}-record`, netdev, file: context.path(record) }),
    );
  }
  return {
    driver: model("virtio-net", context),
    properties: {
      ...common(context),
      netdev,
      ...(context.board.bus === "pci" && { romfile: "" }),
      ...(mac !== undefined && { mac }),
      ...(mtu !== undefined && { "host_mtu": mtu }),
      ...(speed !== undefined && { speed, duplex: "full" }),
      ...(queueSize > LEAST_QUEUE && { "rx_queue_size": queueSize }),
      "mrg_rxbuf": mergeable,
      ...each(checksum, ["csum", "guest_csum"]),
      ...each(segmentation, ["gso", "guest_tso4", "guest_tso6", "host_tso4", "host_tso6", "guest_ufo", "host_ufo"]),
      ...each(control, ["ctrl_vq", "ctrl_rx", "ctrl_vlan", "ctrl_rx_extra", "ctrl_mac_addr", "ctrl_guest_offloads"]),
    },
  };
};

function each(value: boolean, names: readonly string[]): Record<string, boolean> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

type Connection = Readonly<Record<string, Property | Readonly<Record<string, Property>>>>;

/** What the option `net` means in QEMU's words. */
function connection({ device: { id }, options, path, number, refuse }: RecipeContext): Connection {
  const { net, hub, socket, remote, listen } = options;
  const unix = (at: string) => ({ type: "unix", path: path(at) });
  switch (net) {
    case "hub":
      return { type: "hubport", hubid: number(`hub ${hub}`) };
    case "none":
      return { type: "hubport", hubid: number(`nobody beside ${id}`) };
    case "stream":
      return { type: "stream", server: listen, addr: unix(socket) };
    case "dgram":
      return { type: "dgram", local: unix(socket), remote: unix(remote) };
    default:
      return refuse("net", "hub, stream, dgram or none: QEMU has no other");
  }
}

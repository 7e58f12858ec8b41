/**
 * A machine as a tree, for reports.
 *
 * @module
 */

import { formatSize } from "../address.ts";
import type { Device } from "../plugin.ts";
import { formatRequester, type TreeNode } from "./report.ts";
import type { ResolvedBridge, ResolvedDevice, ResolvedMachine } from "../manifest/resolved.ts";

/** What the tree says of a device. */
interface Plugged {
  readonly resolved: ResolvedDevice;
  readonly device: Device;
  readonly bypass: boolean;
}

/** The machine as a tree; `on` gives the devices on a bus. */
export function machineTree(machine: ResolvedMachine, on: (busId: string) => Plugged[]): TreeNode {
  const busNode = (label: string, detail: string, bridges: readonly ResolvedBridge[]): TreeNode => ({
    label,
    detail,
    children: [...on(label).map(deviceNode), ...bridges.map(bridgeNode)],
  });
  const bridgeNode = ({ id, platform, bridges }: ResolvedBridge) =>
    busNode(id, "bus below a bridge" + (platform ? ` with ${platform.plugin.name}` : ""), bridges);
  const { manifest, memory, platform, bus, busTree } = machine;
  return {
    label: manifest.name ?? "machine",
    detail: `${formatSize(memory)}, platform ${platform.plugin.name}`,
    children: [busNode(busTree.id, bus ? `${bus.plugin.name} ${bus.plugin.kind}` : "no bus", busTree.bridges)],
  };
}

function deviceNode({ resolved: { id, use, platform }, device, bypass }: Plugged): TreeNode {
  const way = bypass ? ", physically addressed" : platform ? `, behind ${platform.plugin.name}` : "";
  return { label: id, detail: `${use.plugin.name} at ${formatRequester(device.port.requester)}${way}`, children: [] };
}

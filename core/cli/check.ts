/**
 * `check`: validates a manifest and prints the machine that it means, every default filled in. Runs nothing.
 *
 * @module
 */

import { formatSize } from "../address.ts";
import type { ResolvedBridge, ResolvedDevice, ResolvedMachine, ResolvedUse } from "../manifest/loader.ts";
import { resolveSource } from "../manifest/source.ts";
import type { Plugin } from "../plugin.ts";
import type { TreeNode } from "../report/report.ts";
import type { Arguments, Command } from "./command.ts";
import { Exit } from "./failure.ts";
import { toJson } from "./json.ts";
import { optionText } from "./option_text.ts";
import { readOverrides } from "./overrides.ts";
import { styleFor } from "./style.ts";
import { drawTree } from "./table.ts";
import { formatTime } from "./units.ts";

/** The command. */
export const command: Command = {
  usage: "<manifest>",
  names: [1, 1],
  about: "Needs --allow-read. Opens no image and makes no device: what only they can know is not checked.",
  options: {
    set: { value: "path=value", many: true, help: "Replace a value of the manifest first." },
    json: { help: "Print one JSON document." },
  },
  async run(args: Arguments): Promise<number> {
    const machine = await resolveSource(args.names[0], { set: readOverrides(args) });
    if (args.flag("json")) console.log(toJson(machineJson(machine)));
    else console.log(drawTree(machineTree(machine), styleFor(Deno.stdout, args.flag("no-color"))).join("\n"));
    return Exit.OK;
  },
};

/** The resolved machine as a tree: whatever names a plugin carries its options. */
export function machineTree(machine: ResolvedMachine): TreeNode {
  const { manifest, memory, seed, bus, busTree, workload, checks, invalidation, leases } = machine;
  const root = bus === undefined
    ? leaf(busTree.id, "no bus")
    : useNode(busTree.id, bus, ["root bus", bypass(busTree), busTree.acs && "acs"]);
  const policy = `${invalidation.policy}, deadline ${formatTime(invalidation.deadline)}`;
  return {
    label: manifest.name ?? machine.file,
    detail: `${formatSize(memory)}, seed ${seed}`,
    children: [
      useNode("platform", machine.platform),
      { ...root, children: [...root.children, ...busNodes(machine, busTree.id, busTree.bridges)] },
      ...workload.map(({ device, use, index }) =>
        useNode(`workload ${index}`, use, [device !== undefined && `on ${device}`])
      ),
      ...checks.map((check, i) => useNode(`check ${i}`, check)),
      leaf("invalidation", policy),
      leaf("leases", leases),
    ],
  };
}

function busNodes(machine: ResolvedMachine, id: string, bridges: readonly ResolvedBridge[]): TreeNode[] {
  return [
    ...machine.devices.filter(({ busId }) => busId === id).map(deviceNode),
    ...bridges.map((bridge): TreeNode => ({
      label: bridge.id,
      detail: facts("bridge", [at(bridge), bypass(bridge), bridge.acs && "acs"]),
      children: [...own(bridge), ...busNodes(machine, bridge.id, bridge.bridges)],
    })),
  ];
}

function deviceNode(device: ResolvedDevice): TreeNode {
  const node = useNode(device.id, device.use, [at(device), bypass(device)]);
  return { ...node, children: [...own(device), ...node.children] };
}

function own({ platform }: ResolvedBridge | ResolvedDevice): TreeNode[] {
  return platform === undefined ? [] : [useNode("platform", platform)];
}

type Fact = string | false | undefined;

function at(entry: { at?: string }): Fact {
  return entry.at !== undefined && `at ${entry.at}`;
}

function bypass(entry: { bypass?: boolean }): Fact {
  return entry.bypass !== undefined && (entry.bypass ? "untranslated" : "translated");
}

function facts(what: string, more: readonly Fact[]): string {
  return [what, ...more.filter((fact) => typeof fact === "string")].join(", ");
}

function leaf(label: string, detail: string): TreeNode {
  return { label, detail, children: [] };
}

function useNode(
  label: string,
  { plugin, options, specifier }: ResolvedUse<Plugin>,
  more: readonly Fact[] = [],
): TreeNode {
  const origin = specifier !== plugin.name && `from ${specifier}`;
  const children = Object.keys(plugin.options).map((name) =>
    leaf(name, optionText(plugin.options[name], options[name]))
  );
  return { label, detail: facts(plugin.name, [origin, ...more]), children };
}

/** The resolved machine as plain data: plugins by name. */
function machineJson(machine: ResolvedMachine): unknown {
  const use = ({ plugin, options, specifier }: ResolvedUse<Plugin>) => ({
    use: specifier,
    plugin: plugin.name,
    with: options,
  });
  const platform = (entry: ResolvedBridge | ResolvedDevice) => entry.platform && { platform: use(entry.platform) };
  const bridge = (entry: ResolvedBridge): unknown => ({
    ...entry,
    ...platform(entry),
    bridges: entry.bridges.map(bridge),
  });
  const { manifest, busTree, ...rest } = machine;
  return {
    name: manifest.name,
    ...rest,
    platform: use(machine.platform),
    bus: { ...busTree, ...(machine.bus && use(machine.bus)), bridges: busTree.bridges.map(bridge) },
    devices: machine.devices.map((device) => ({ ...device, ...platform(device), ...use(device.use) })),
    workload: machine.workload.map(({ device, use: named }) => ({ device, ...use(named) })),
    checks: machine.checks.map(use),
  };
}

/**
 * The commands of the monitor: a table of small functions.
 *
 * @module
 */

import { InputError, type Machine, PlaceError } from "@iova/core";
import type { Board } from "../board.ts";
import type { Backends } from "../qemu/backends.ts";
import { blockCommand } from "../qemu/blkdebug.ts";
import { deviceEntry, DRIVERS, typeOfPlugin } from "../qemu/drivers.ts";
import { MACHINES, type MachineType } from "../qemu/machines.ts";
import { generic, QmpError } from "./errors.ts";
import { type Commands, VERSION } from "./monitor.ts";
import { checkParameters, type Parameters } from "./parameters.ts";
import { PERIPHERAL, type Qom } from "./qom.ts";

/** What commands work on. */
export interface Desk {
  /** The machine. */
  readonly board: Board;
  /** Its type. */
  readonly type: MachineType;
  /** Objects by path. */
  readonly qom: Qom;
  /** What stands behind devices. */
  readonly backends: Backends;
  /** Whether the machine was started stopped and never ran. */
  prelaunch: boolean;
  /** What is tried again when it goes on: flushes whose failure has stopped it. */
  readonly again: (() => void)[];
  /** QEMU's type of each device that was plugged in by name, by id. */
  readonly types: Map<string, string>;
  /** Tells every monitor, before the answer to the command. */
  event(name: string, data?: Record<string, unknown>): void;
  /** Ends the program. */
  quit(): void;
}

type Given = Record<string, unknown>;
interface Command {
  readonly parameters: Parameters;
  /** Others are somebody else's to know. */
  readonly open?: boolean;
  run(desk: Desk, given: Given): unknown | Promise<unknown>;
}

/** The monitor's commands on a desk. */
export function commandsOn(desk: Desk): Pick<Commands, "execute"> {
  return {
    async execute(name, given) {
      const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
      if (command === undefined) {
        throw new QmpError("CommandNotFound", `The command ${name} has not been found`);
      }
      checkParameters(given, command.parameters, command.open);
      return await command.run(desk, given);
    },
  };
}

const plain = (run: Command["run"], parameters: Parameters = {}): Command => ({ parameters, run });
const HOST_RESET = { guest: false, reason: "host-qmp-system-reset" } as const;
const HOST_QUIT = { guest: false, reason: "host-qmp-quit" } as const;

const COMMANDS: Readonly<Record<string, Command>> = {
  "query-version": plain(() => VERSION),
  "query-name": plain(() => ({})),
  "query-kvm": plain(() => ({ enabled: false, present: false })),
  "query-status": plain(status),
  "query-commands": plain(() => ["qmp_capabilities", ...Object.keys(COMMANDS)].sort().map((name) => ({ name }))),
  "query-qmp-schema": plain(schema),
  "query-machines": plain(() => MACHINES.map(machineInfo)),
  "query-target": plain(({ board }) => ({ arch: board.bigEndian ? "ppc64" : "x86_64" })),
  "query-memory-size-summary": plain(({ board }) => ({ "base-memory": board.machine.resolved.memory })),
  "query-pci": plain(() => []),
  "query-block": plain(({ backends }) =>
    backends.driveIds.map((device) => ({ device, locked: false, removable: false, type: "unknown" }))
  ),
  "qom-list-types": plain(listTypes, { implements: "?string", abstract: "?boolean" }),
  "qom-list": plain(({ qom }, { path }) => listObjects(qom, path as string), { path: "string" }),
  "qom-get": plain(({ qom }, given) => getProperty(qom, given), { path: "string", property: "string" }),
  "device-list-properties": plain(listProperties, { typename: "string" }),
  "device_add": { parameters: { driver: "string", id: "?string", bus: "?string" }, open: true, run: addDevice },
  "device_del": plain(deleteDevice, { id: "string" }),
  "blockdev-add": { parameters: { driver: "string", "node-name": "?string" }, open: true, run: addNode },
  "blockdev-del": plain(({ backends }, given) => (backends.removeNode(given["node-name"] as string), {}), {
    "node-name": "string",
  }),
  "netdev_add": {
    parameters: { type: "string", id: "string" },
    open: true,
    run: ({ backends }, given) => (backends.addNet(given), {}),
  },
  "netdev_del": plain(({ backends }, { id }) => (backends.removeNet(id as string), {}), { id: "string" }),
  "set_link": plain(setLink, { name: "string", up: "boolean" }),
  "block_resize": plain(resize, { device: "?string", "node-name": "?string", size: "integer" }),
  "stop": plain(stop),
  "cont": plain(resume),
  "system_reset": plain(({ board, event }) => {
    board.machine.reset();
    event("RESET", HOST_RESET);
    return {};
  }),
  "quit": plain((desk) => {
    desk.event("SHUTDOWN", HOST_QUIT);
    desk.quit();
    return {};
  }),
  "human-monitor-command": plain(humanCommand, { "command-line": "string", "cpu-index": "?integer" }),
};

function status({ board, prelaunch }: Desk): unknown {
  return {
    status: board.running ? "running" : prelaunch ? "prelaunch" : "paused",
    singlestep: false,
    running: board.running,
  };
}

/** Stops the machine, if it runs. */
export function stop(desk: Desk): unknown {
  if (desk.board.running) {
    desk.board.running = false;
    desk.event("STOP");
  }
  return {};
}

function resume(desk: Desk): unknown {
  if (!desk.board.running) {
    desk.board.running = true;
    desk.prelaunch = false;
    desk.event("RESUME");
    for (const again of desk.again.splice(0)) again();
  }
  return {};
}

function machineInfo({ name, alias, cpu, cpus }: MachineType): unknown {
  return {
    name,
    ...(alias !== undefined && { alias }),
    ...(alias === "pc" && { "is-default": true }),
    ...(cpu !== "" && { "default-cpu-type": cpu }),
    "cpu-max": cpus,
    "hotpluggable-cpus": false,
    "numa-mem-supported": false,
    deprecated: false,
  };
}

function typeList(): { name: string; parent?: string; abstract?: boolean }[] {
  const devices = [...Object.keys(DRIVERS), "piix3-ide", "ide-hd", "ide-cd", "amd-iommu"];
  return [
    { name: "object" },
    { name: "device", parent: "object", abstract: true },
    { name: "pci-device", parent: "device", abstract: true },
    ...devices.map((name) => ({ name, parent: "pci-device" })),
    ...MACHINES.map(({ name }) => ({ name: `${name}-machine`, parent: "machine" })),
  ];
}

function listTypes(_desk: Desk, { implements: base, abstract = false }: Given): unknown {
  const known = typeList();
  const isA = (type: { name: string; parent?: string }): boolean => {
    if (base === undefined || type.name === base) return true;
    const parent = known.find(({ name }) => name === type.parent);
    return type.parent === base || (parent !== undefined && isA(parent));
  };
  return known.filter((type) => (abstract === true || !type.abstract) && isA(type));
}

function listProperties(_desk: Desk, { typename }: Given): unknown {
  const driver = DRIVERS[typename as string];
  if (driver === undefined) {
    throw new QmpError("DeviceNotFound", `Device '${typename}' not found`);
  }
  return ["addr", ...Object.keys(driver.properties)].map((name) => ({ name, type: "str" }));
}

function find(qom: Qom, path: string) {
  const node = qom.resolve(path);
  if (node === null) throw new QmpError("DeviceNotFound", `Device '${path}' not found`);
  return node;
}

function listObjects(qom: Qom, path: string): unknown {
  const node = find(qom, path);
  const children = qom.children(node).map((child) => ({
    name: child.path.slice(node.path.length + 1),
    type: `child<${child.type}>`,
  }));
  return [{ name: "type", type: "string" }, ...children];
}

function getProperty(qom: Qom, { path, property }: Given): unknown {
  const node = find(qom, path as string);
  if (property === "type") return node.type;
  if (property === "realized") return true;
  const child = qom.children(node).find((child) => child.path === `${node.path}/${property}`);
  if (child !== undefined) return child.path;
  throw generic(`Property '${node.type}.${property}' not found`);
}

function addNode({ backends }: Desk, given: Given): unknown {
  backends.addNode(given);
  return {};
}

/** Ids that nobody gave begin with a character that nobody can give. */
let unnamed = 0;

async function addDevice(desk: Desk, given: Given): Promise<unknown> {
  const { board: { machine, facts }, backends, types } = desk;
  const id = given.id as string | undefined ?? `#${unnamed++}`;
  if (machine.deviceIds.includes(id)) throw generic(`Duplicate device ID '${id}'`);
  if (given.id !== undefined && !/^[A-Za-z][A-Za-z0-9\-._]*$/.test(id)) {
    throw generic("Parameter 'id' expects an identifier");
  }
  const bus = given.bus as string | undefined;
  if (bus !== undefined && !/^\w+\.\d+$/.test(bus) && !machine.deviceIds.includes(bus)) {
    throw generic(`Bus '${bus}' not found`);
  }
  const back = String(given.drive ?? given.netdev);
  const inFront = backends.deviceOf(back);
  try {
    await machine.plug(deviceEntry(given, backends, id));
  } catch (error) {
    // What could not be plugged in is in front of nothing; who was there before still is.
    if (inFront !== undefined) backends.inFront(back, inFront);
    throw refused(error, given);
  }
  types.set(id, String(given.driver));
  facts?.plugged?.(slotOf(machine, id));
  return {};
}

/** What a person did wrong, or a place that is taken, in QEMU's words where it has some. */
function refused(error: unknown, { driver, addr }: Given): unknown {
  if (error instanceof PlaceError || (error instanceof InputError && /\.at$/.test(error.problem.path ?? ""))) {
    return generic(`PCI: slot ${addr ?? "?"} not available for ${driver}, in use`);
  }
  if (error instanceof InputError || error instanceof Deno.errors.NotCapable) return generic(error.message);
  return error;
}

function slotOf(machine: Machine, id: string): number {
  return machine.device(id).port.requester >> 3 & 31;
}

function deleteDevice(desk: Desk, { id }: Given): unknown {
  const { board: { machine, facts } } = desk;
  const name = (id as string).startsWith(PERIPHERAL) ? (id as string).slice(PERIPHERAL.length) : id as string;
  if (!machine.deviceIds.includes(name)) throw new QmpError("DeviceNotFound", `Device '${id}' not found`);
  const gone = () => {
    machine.remove(name, "surprise");
    const path = PERIPHERAL + name;
    if (/^virtio-/.test(typeOf(desk, name) ?? "")) desk.event("DEVICE_DELETED", { path: `${path}/virtio-backend` });
    desk.types.delete(name);
    desk.event("DEVICE_DELETED", { device: name, path });
  };
  if (facts?.askToEject === undefined) gone();
  else facts.askToEject(slotOf(machine, name), gone);
  return {};
}

/** QEMU's type of a device: the one it was plugged in as, or the one that stands for its plugin. */
export function typeOf({ board: { machine }, types }: Pick<Desk, "board" | "types">, id: string): string | undefined {
  const plugged = types.get(id);
  if (plugged !== undefined) return plugged;
  const resolved = machine.resolved.devices.find((device) => device.id === id);
  return resolved && (typeOfPlugin(resolved.use.plugin.name) ?? resolved.use.plugin.name);
}

/** What a device plugin has that can change the size of its medium. */
interface Resizable {
  resize?(bytes: number): boolean;
}

function resize(desk: Desk, given: Given): unknown {
  const { device: drive = "", "node-name": node = "" } = given as Record<string, string>;
  const name = drive || node;
  const size = given.size as number;
  if (size < 0) throw generic("Parameter 'size' expects a >0 size");
  const device = behind(desk, name) as Resizable | null;
  if (device === null) throw generic(`Cannot find device='${drive}' nor node-name='${node}'`);
  if (device.resize?.(size) !== true) throw generic(`Cannot resize device '${name}'`);
  return {};
}

/** What a network device plugin has whose cable can be pulled. */
interface Linked {
  setLink?(up: boolean): void;
}

function setLink(desk: Desk, { name, up }: Given): unknown {
  const device = behind(desk, name as string) as Linked | null;
  if (device?.setLink === undefined) throw new QmpError("DeviceNotFound", `Device '${name}' not found`);
  device.setLink(up as boolean);
  return {};
}

/** The device in front of a drive or network back-end; also a device by its own name. */
function behind({ board: { machine }, backends }: Desk, name: string) {
  const id = backends.deviceOf(name) ?? name;
  return machine.deviceIds.includes(id) ? machine.device(id) : null;
}

function schema(): unknown {
  const empty = { name: "0", "meta-type": "object", members: [] };
  const any = { name: "1", "meta-type": "builtin", "json-type": "value" };
  const commands = Object.keys(COMMANDS).sort().map((name) => {
    return { name, "meta-type": "command", "arg-type": "0", "ret-type": "1", "allow-oob": false };
  });
  return [...commands, empty, any];
}

/** The few commands of the human monitor that scripts use; their output ends its lines as a terminal's. */
function humanCommand(desk: Desk, given: Given): unknown {
  const line = given["command-line"] as string;
  const [name, ...words] = line.trim().split(/\s+/);
  const command = Object.hasOwn(HUMAN, name) ? HUMAN[name] : undefined;
  return command === undefined ? `unknown command: '${name}'\r\n` : command(desk, words);
}

const HUMAN: Readonly<Record<string, (desk: Desk, words: readonly string[]) => string>> = {
  info: ({ board, prelaunch }, [what]) => {
    if (what === "status") {
      return `VM status: ${board.running ? "running" : prelaunch ? "paused (prelaunch)" : "paused"}\r\n`;
    }
    return what === "version" ? "7.2.0\r\n" : `unknown command: 'info ${what ?? ""}'\r\n`;
  },
  "qemu-io": ({ board, backends }, [drive, ...words]) =>
    blockCommand(board.machine, backends.debugged.get(drive ?? ""), words.map((word) => word.replaceAll('"', ""))),
  stop: (desk) => (stop(desk), ""),
  cont: (desk) => (resume(desk), ""),
  system_reset: (desk) => (COMMANDS["system_reset"].run(desk, {}), ""),
  quit: (desk) => (COMMANDS["quit"].run(desk, {}), ""),
};

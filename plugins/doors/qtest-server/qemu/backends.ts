/**
 * What stands behind devices by name: drives and network back-ends, from `-drive`, `-blockdev`, `-netdev` and their
 * commands.
 *
 * @module
 */

import { generic } from "../qmp/errors.ts";
import { type BlockDebug, type DebuggedDrive, readFailures, splitBlkdebug } from "./blkdebug.ts";
import { type Properties, readSize, readSwitch } from "./properties.ts";

/** A drive: options that every block device plugin has. */
export interface Drive {
  readonly image?: string;
  readonly ram?: number;
  readonly readOnly: boolean;
  /** A CD-ROM rather than a disk. */
  readonly cdrom: boolean;
  /** Serial number. */
  readonly serial?: string;
  /** It is debugged. Absent: it is not. */
  readonly debug?: BlockDebug;
}

/** Size of a drive without content when nobody says how large: 1 GiB. */
const NULL_SIZE = 1024 ** 3;

/** See the module's text. Wrong words are {@linkcode QmpError}s, as a monitor would have them. */
export class Backends {
  /** Drives with a debugger in front, by the name that QEMU gives them. */
  readonly debugged: Map<string, DebuggedDrive> = new Map();
  readonly #drives = new Map<string, Drive>();
  readonly #devices = new Map<string, string>();
  readonly #nets = new Map<string, Record<string, unknown>>();

  /** `-drive`: its `file`, or a medium without content. */
  addDrive(id: string, { file, media, readonly, size, serial, ...rest }: Properties): Drive {
    const readOnly = readSwitch(readonly ?? rest["read-only"] ?? "off") ?? false;
    const common = { readOnly, cdrom: media === "cdrom", ...(serial !== undefined && { serial }) };
    if (file === undefined) throw generic("a drive without a file is not there");
    const debugged = splitBlkdebug(file);
    const medium = mediumOf(debugged?.file ?? file, size ?? rest["file.size"]);
    const debug = debugged && { failures: readFailures(debugged.config), stops: rest.werror === "stop" };
    return this.#keep(id, { ...medium, ...common, ...(debug && { debug }) });
  }

  /** `-blockdev` and `blockdev-add`, flat or nested. */
  addNode(properties: Record<string, unknown>): void {
    const name = properties["node-name"];
    if (typeof name !== "string") throw generic("Parameter 'node-name' is missing");
    if (this.#drives.has(name)) throw generic(`Duplicate nodes with node-name='${name}'`);
    const readOnly = properties["read-only"] === true || properties["read-only"] === "on";
    this.#keep(name, { ...this.#nodeMedium(properties), readOnly, cdrom: false });
  }

  /** Removes a node. */
  removeNode(name: string): void {
    if (!this.#drives.delete(name)) throw generic(`Failed to find node with node-name='${name}'`);
  }

  /** The drive called `id`. */
  drive(id: string, property = "drive", device = "device"): Drive {
    const drive = this.#drives.get(id);
    if (drive === undefined) throw generic(`Property '${device}.${property}' can't find value '${id}'`);
    return drive;
  }

  /** Notes which device is in front of a drive. */
  inFront(drive: string, device: string): void {
    this.#devices.set(drive, device);
  }

  /** The device in front of a drive. */
  deviceOf(drive: string): string | undefined {
    return this.#devices.get(drive);
  }

  /** The ids of all drives. */
  get driveIds(): string[] {
    return [...this.#drives.keys()];
  }

  /** `-netdev` and `netdev_add`. */
  addNet({ id, type, ...rest }: Record<string, unknown>): void {
    if (typeof id !== "string") throw generic("Parameter 'id' is missing");
    if (this.#nets.has(id)) throw generic(`Duplicate ID '${id}'`);
    const make = NETS[String(type)];
    if (make === undefined) throw generic(`Invalid parameter '${type}'`);
    this.#nets.set(id, make(id, rest));
  }

  /** Removes a network back-end. */
  removeNet(id: string): void {
    if (!this.#nets.delete(id)) throw generic(`Device '${id}' not found`);
  }

  /** Options of a network device that is connected to `id`. */
  net(id: string, device: string): Record<string, unknown> {
    const net = this.#nets.get(id);
    if (net === undefined) throw generic(`Property '${device}.netdev' can't find value '${id}'`);
    return net;
  }

  #keep(id: string, drive: Drive): Drive {
    this.#drives.set(id, drive);
    return drive;
  }

  /** A format on top of a file is another name for what is below. */
  #nodeMedium({ driver, filename, size, file }: Record<string, unknown>): Partial<Drive> {
    if (driver === "null-co" || driver === "null-aio") return { ram: Number(size ?? NULL_SIZE) };
    if (driver === "file" || driver === "host_device") {
      if (typeof filename !== "string") throw generic("Parameter 'filename' is missing");
      return { image: filename };
    }
    if (driver !== "raw") throw generic(`Unknown driver '${driver}'`);
    if (typeof file === "string") return this.drive(file, "file", "raw");
    return this.#nodeMedium((file ?? {}) as Record<string, unknown>);
  }
}

function mediumOf(file: string, size: string | undefined): Partial<Drive> {
  if (/^null-(co|aio):\/\//.test(file)) return { ram: readSize(size ?? "") ?? NULL_SIZE };
  const protocol = /^([a-z][a-z0-9+-]+):/.exec(file)?.[1];
  if (protocol !== undefined && protocol !== "file") throw generic(`Unknown protocol '${protocol}'`);
  return { image: file.replace(/^file:/, "") };
}

const NETS: Readonly<Record<string, (id: string, rest: Record<string, unknown>) => Record<string, unknown>>> = {
  hubport: (_id, { hubid }) => ({ net: "hub", hub: `hub${hubid ?? 0}` }),
  socket: (id, rest) => streamOf(id, rest),
  stream: (id, rest) => streamOf(id, rest),
  user: () => ({ net: "none" }),
};

/** A stream over a Unix socket: `addr.type=unix,addr.path=…`, or the path itself. */
function streamOf(id: string, rest: Record<string, unknown>): Record<string, unknown> {
  const addr = rest.addr as { path?: string } | undefined;
  const path = addr?.path ?? rest["addr.path"] ?? rest.connect ?? rest.listen;
  if (typeof path !== "string") throw generic(`netdev '${id}' has no Unix socket`);
  const listen = rest.server === true || rest.server === "on" || rest.listen !== undefined;
  return { net: "stream", socket: path, listen };
}

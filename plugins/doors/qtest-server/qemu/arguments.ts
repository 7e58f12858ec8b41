/**
 * QEMU's command line, as far as its device tests and scripts use it: a manifest and the sockets to talk over.
 *
 * @module
 */

import { type DeviceEntry, InputError, type Manifest, type Use } from "@iova/core";
import { generic, QmpError } from "../qmp/errors.ts";
import { Backends } from "./backends.ts";
import { deviceEntry } from "./drivers.ts";
import { IdeDrives } from "./ide_drives.ts";
import { machineNamed, type MachineType } from "./machines.ts";
import { type Properties, readProperties } from "./properties.ts";

/** A socket of the command line. */
export interface SocketArgument {
  /** Where. */
  readonly path: string;
  /** To be listened on; else to be connected to. */
  readonly server: boolean;
}

/** What a command line means. */
export interface QemuCommand {
  /** The machine. */
  readonly manifest: Manifest;
  /** Its type. */
  readonly machine: MachineType;
  /** What stands behind devices. */
  readonly backends: Backends;
  /** Where the qtest protocol is spoken; absent: nowhere. */
  readonly qtest?: SocketArgument;
  /** Where the monitor is; absent: nowhere. */
  readonly qmp?: SocketArgument;
  /** It begins stopped (`-S`). */
  readonly stopped: boolean;
}

/** Options that mean nothing here, by how many values follow. */
const IGNORED: Readonly<Record<string, number>> = {
  "no-user-config": 0,
  nographic: 0,
  "no-shutdown": 0,
  "no-reboot": 0,
  "enable-kvm": 0,
  display: 1,
  vga: 1,
  accel: 1,
  cpu: 1,
  boot: 1,
  name: 1,
  "qtest-log": 1,
  bios: 1,
  serial: 1,
  parallel: 1,
  trace: 1,
  msg: 1,
  L: 1,
};

type Take = (reader: Reader, value: string) => void;

const OPTIONS: Readonly<Record<string, Take>> = {
  machine: (reader, value) => reader.takeMachine(readProperties(value, "type")),
  M: (reader, value) => reader.takeMachine(readProperties(value, "type")),
  m: (reader, value) => void (reader.memory = readProperties(value, "size").size),
  rtc: (reader, value) => reader.takeClock(readProperties(value, "base")),
  smp: (reader, value) => void (reader.cpus = Number(readProperties(value, "cpus").cpus)),
  drive: (reader, value) => reader.drives.push(readProperties(value)),
  cdrom: (reader, value) => reader.drives.push({ file: value, media: "cdrom", index: "2" }),
  hda: (reader, value) => reader.drives.push({ file: value, index: "0" }),
  hdb: (reader, value) => reader.drives.push({ file: value, index: "1" }),
  blockdev: (reader, value) => reader.backends.addNode(value.startsWith("{") ? readJson(value) : readProperties(value)),
  netdev: (reader, value) => reader.backends.addNet(readProperties(value, "type")),
  device: (reader, value) => reader.devices.push(readProperties(value, "driver")),
  global: (reader, value) => reader.takeGlobal(value),
  qtest: (reader, value) => void (reader.qtest = reader.socketOf(value)),
  qmp: (reader, value) => void (reader.qmp = reader.socketOf(value)),
  chardev: (reader, value) => reader.takeChardev(readProperties(value, "backend")),
  mon: (reader, value) => void (reader.monitor = readProperties(value, "chardev").chardev),
  monitor: () => {},
  net: () => {},
  nic: () => {},
};

/** Reads a command line; its words are apart already. @throws {InputError} naming the option that cannot be had. */
export function readArguments(words: readonly string[]): QemuCommand {
  const reader = new Reader();
  for (let i = 0; i < words.length; i++) {
    const option = words[i].replace(/^--?/, "");
    if (option === words[i]) throw wrong(words[i], "an option");
    if (option === "S") reader.stopped = true;
    else if (option === "nodefaults") reader.defaults = false;
    else if (Object.hasOwn(IGNORED, option)) i += IGNORED[option];
    else if (!Object.hasOwn(OPTIONS, option)) throw wrong(words[i], `one of ${Object.keys(OPTIONS).join(", ")}`);
    else if (words[i + 1] === undefined) throw wrong(words[i], "a value after it");
    else reader.take(option, words[++i]);
  }
  return reader.finish();
}

function readJson(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    throw generic("JSON parse error");
  }
}

/** Splits a command line as a shell would: quotes group, a backslash takes the next character as it is. */
export function splitWords(line: string): string[] {
  const words = line.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs) ?? [];
  return words.map((word) =>
    word.replace(
      /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs,
      (_all, plain, double, single) => plain ?? double?.replace(/\\(.)/gs, "$1") ?? single,
    )
  );
}

function wrong(found: string, expected: string): InputError {
  return new InputError({ file: "--qemu", path: "", found, expected });
}

class Reader {
  memory: string | undefined;
  cpus = 1;
  stopped = false;
  defaults = true;
  monitor: string | undefined;
  qtest: SocketArgument | undefined;
  qmp: SocketArgument | undefined;
  readonly drives: Properties[] = [];
  readonly devices: Properties[] = [];
  readonly backends = new Backends();
  #machine: MachineType = machineNamed("pc")!;
  #iommu: Use | null = null;
  #clock = "host";
  readonly #chardevs = new Map<string, SocketArgument>();
  readonly #globals: Record<string, Properties> = {};

  /** Takes one option; what is wrong with its value is said in QEMU's words. */
  take(option: string, value: string): void {
    this.#complain(`-${option} ${value}`, () => OPTIONS[option](this, value));
  }

  takeMachine({ type }: Properties): void {
    const machine = machineNamed(type);
    if (machine === undefined) throw wrong(`machine type "${type}"`, "one that is there");
    this.#machine = machine;
  }

  /** The time at power-on: the host's, or a date. */
  takeClock({ base }: Properties): void {
    if (base !== undefined && /^\d/.test(base)) this.#clock = base.includes("T") ? `${base}Z` : base;
  }

  takeGlobal(value: string): void {
    const match = /^([^.]+)\.([^=]+)=(.*)$/s.exec(value);
    if (match !== null) (this.#globals[match[1]] ??= {})[match[2]] = match[3];
  }

  takeChardev({ backend, id, path, server }: Properties): void {
    if (backend !== "socket" || path === undefined) return;
    this.#chardevs.set(id, { path, server: server !== undefined && server !== "off" });
  }

  /** `unix:PATH,server,nowait`, or the id of a chardev. */
  socketOf(value: string): SocketArgument {
    const [address, ...flags] = value.split(",");
    const unix = /^unix:(.*)$/s.exec(address);
    if (unix !== null) return { path: unix[1], server: flags.includes("server") || flags.includes("server=on") };
    const chardev = this.#chardevs.get(address.replace(/^chardev:/, ""));
    if (chardev === undefined) throw wrong(value, "a Unix socket");
    return chardev;
  }

  finish(): QemuCommand {
    const ide = new IdeDrives(this.backends);
    this.#addDrives(ide);
    const devices = this.#addDevices(ide);
    if (this.#machine.profile === "pc" && this.defaults) ide.addDefaultCd();
    const controller = this.#machine.profile === "pc" || !ide.empty ? ide.entry() : null;
    const qmp = this.qmp ?? (this.monitor === undefined ? undefined : this.#chardevs.get(this.monitor));
    return {
      manifest: this.#manifest(controller === null ? devices : [controller, ...devices]),
      machine: this.#machine,
      backends: this.backends,
      ...(this.qtest && { qtest: this.qtest }),
      ...(qmp && { qmp }),
      stopped: this.stopped,
    };
  }

  #manifest(devices: DeviceEntry[]): Manifest {
    const { profile, memory, platform } = this.#machine;
    const options = { clock: this.#clock, ...(profile !== "pseries" && { cpus: this.cpus }) };
    return {
      name: this.#machine.alias ?? this.#machine.name,
      memory: this.memory === undefined ? memory : sizeText(this.memory),
      platform: this.#iommu ?? platform,
      ...(profile !== null && { profile: { use: profile, with: options } }),
      devices,
    };
  }

  #addDrives(ide: IdeDrives): void {
    this.drives.forEach((properties, i) => {
      const { if: kind = "ide", id = `drive${i}`, index } = properties;
      this.#complain(`-drive ${properties.file}`, () => {
        const drive = this.backends.addDrive(id, properties);
        if (kind === "ide") ide.addDrive(index, drive, this.#globals[drive.cdrom ? "ide-cd" : "ide-hd"] ?? {});
        else if (kind !== "none") throw wrong(`-drive if=${kind}`, "ide or none");
      });
    });
  }

  #addDevices(ide: IdeDrives): DeviceEntry[] {
    const devices: DeviceEntry[] = [];
    this.devices.forEach((properties, i) => {
      const { driver } = properties;
      this.#complain(`-device ${driver}`, () => {
        if (/^ide-(hd|cd)$/.test(driver)) ide.addDevice(properties, this.backends, this.#globals[driver] ?? {});
        else if (driver === "amd-iommu") this.#iommu = "amd-iommu";
        else devices.push(deviceEntry(properties, this.backends, properties.id ?? `device${i}`));
      });
    });
    return devices;
  }

  #complain(found: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof QmpError) throw wrong(`${found} (${error.message})`, "what QEMU would take");
      throw error;
    }
  }
}

/** Sizes without a unit are mebibytes on QEMU's command line. */
function sizeText(text: string): string {
  const match = /^(\d+)([kmgt]?)b?$/i.exec(text);
  if (match === null) throw wrong(`-m ${text}`, "a size");
  return `${match[1]}${match[2] === "" ? "M" : match[2].toUpperCase()}iB`;
}

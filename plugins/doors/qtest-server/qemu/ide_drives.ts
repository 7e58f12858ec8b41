/**
 * The drives of a PC's IDE controller, from `-drive if=ide`, `-device ide-hd` and `-device ide-cd`.
 *
 * @module
 */

import type { DeviceEntry } from "@iova/core";
import { generic } from "../qmp/errors.ts";
import type { Backends, Drive } from "./backends.ts";
import type { Properties } from "./properties.ts";

/** The controller's id. */
const CONTROLLER = "ide";
const PLACES = ["primaryMaster", "primarySlave", "secondaryMaster", "secondarySlave"] as const;
/** QEMU's properties of a drive, and the plugin's. */
const OPTIONS: Readonly<Record<string, string>> = { serial: "serial", ver: "firmware", model: "model" };
const KNOWN = ["driver", "id", "drive", "bus", "unit", "bootindex", "write-cache"] as const;

/** See the module's text. */
export class IdeDrives {
  /** Whether somebody asked for a CD-ROM drive, or for a drive as a device. */
  #asked = false;
  readonly #places = new Map<number, Record<string, unknown>>();
  readonly #backends: Backends;

  /** Drives that are debugged become known to `backends`. */
  constructor(backends: Backends) {
    this.#backends = backends;
  }

  /** A drive at the place with an index, or at the first free one. */
  addDrive(index: string | undefined, drive: Drive, defaults: Properties): void {
    this.#asked ||= drive.cdrom;
    this.#put(index === undefined ? this.#free(drive.cdrom ? 2 : 0) : Number(index), drive, defaults);
  }

  /** `-device ide-hd` or `ide-cd`. */
  addDevice(properties: Properties, backends: Backends, defaults: Properties): void {
    const { driver, drive, bus, unit } = properties;
    this.#asked = true;
    const wrong = Object.keys(properties).find((key) => !(key in OPTIONS) && !KNOWN.some((known) => known === key));
    if (wrong !== undefined) throw generic(`Property '${driver}.${wrong}' not found`);
    if (driver === "ide-hd" && drive === undefined) throw generic("No drive specified");
    const cdrom = driver === "ide-cd";
    const medium = drive === undefined
      ? { readOnly: true, cdrom }
      : { ...backends.drive(drive, "drive", driver), cdrom };
    const channel = bus === undefined ? null : /^ide\.([01])$/.exec(bus);
    if (bus !== undefined && channel === null) throw generic(`Bus '${bus}' not found`);
    const first = channel === null ? 0 : 2 * Number(channel[1]);
    this.#put(unit === undefined ? this.#free(first) : first + Number(unit), medium, { ...defaults, ...properties });
  }

  /** What a PC has unless somebody says otherwise: a CD-ROM drive without a disc, if nobody asked for one himself. */
  addDefaultCd(): void {
    if (this.#asked || this.#places.has(2)) return;
    this.#put(2, { readOnly: true, cdrom: true }, {});
  }

  /** Whether there is no drive. */
  get empty(): boolean {
    return this.#places.size === 0;
  }

  /** The controller. */
  entry(): DeviceEntry {
    const drives = [...this.#places].map(([index, drive]) => [PLACES[index], drive]);
    return { id: CONTROLLER, use: "ide", with: { ...Object.fromEntries(drives), personality: "qemu" } };
  }

  #free(from: number): number {
    const index = PLACES.findIndex((_, i) => i >= from && !this.#places.has(i));
    if (index < 0) throw generic("no IDE place is free");
    return index;
  }

  #put(index: number, drive: Drive, properties: Properties): void {
    const { image, ram, readOnly, cdrom, serial, debug } = drive;
    if (PLACES[index] === undefined) throw generic("Can't create IDE unit: there are four places");
    if (this.#places.has(index)) throw generic(`IDE unit ${index % 2} is in use`);
    const name = `ide${index >> 1}-${cdrom ? "cd" : "hd"}${index & 1}`;
    if (debug !== undefined) this.#backends.debugged.set(name, { ...debug, device: CONTROLLER, place: index });
    const named = Object.entries(OPTIONS).filter(([key]) => properties[key] !== undefined);
    this.#places.set(index, {
      kind: cdrom ? "cdrom" : "disk",
      ...(image !== undefined && { image }),
      ...(ram !== undefined && { ram }),
      ...(!cdrom && { readOnly }),
      ...(serial !== undefined && { serial }),
      ...Object.fromEntries(named.map(([key, option]) => [option, properties[key]])),
    });
  }
}

/**
 * An IDE controller as in Intel's PIIX3, with bus-master DMA, disks and CD-ROMs, and its driver.
 *
 * @module
 */

import { type BlockBackend, type GatedDevice, mediumOptions } from "@iova/block";
import {
  API_VERSION,
  defineDevice,
  type DeviceContext,
  type DevicePlugin,
  InputError,
  option,
  type OptionsOf,
} from "@iova/core";
import { type PciBus, pciBus } from "@iova/pci";
import { type DriveOptions, IdeController } from "./device.ts";
import { bindIde } from "./driver.ts";
import { driveOptions, type GivenDrive, openDrive, type Place, PLACES, readDrive } from "./drives.ts";
import { IDE_PLACE } from "./layout.ts";

export type { DriveFacts, IdeDrive, IdeDriver } from "./driver.ts";

const options = {
  primaryMaster: option.object("The drive at 1F0h, device 0: kind, image or ram, readOnly, serial, …"),
  primarySlave: option.object("The drive at 1F0h, device 1."),
  secondaryMaster: option.object("The drive at 170h, device 0."),
  secondarySlave: option.object("The drive at 170h, device 1."),
  ...mediumOptions,
  serial: option.string("Serial number of the disk that `image` or `ram` names.", { maxLength: 20 }),
  personality: option.choice("Whose behaviour, where QEMU's differs from data sheets.", ["spec", "qemu"], {
    default: "spec",
  }),
  faultPolicy: option.choice(
    "What a transfer does with memory that it cannot reach: `abort`: a bus error. `pretend`: nothing moves there, and " +
      "the transfer goes on behind it. `patch-2010`: as `pretend`, but what follows is displaced, a mistake to study. " +
      "Default: `abort`; for the personality `qemu`, `pretend`.",
    ["abort", "pretend", "patch-2010"],
  ),
  burst: option.size("Bytes that move at once when transfers take time.", { default: 65536, min: 16 }),
  burstTime: option.duration("Virtual time of a burst; 0: a transfer is done in one go.", { default: 0 }),
  transfers: option.choice("How the driver moves data: by bus master, or by the CPU.", ["dma", "pio"], {
    default: "dma",
  }),
} as const;

type Given = OptionsOf<typeof options>;

/** The device plugin. */
const ide: DevicePlugin = defineDevice({
  name: "ide",
  kind: "device",
  api: API_VERSION,
  summary: "PIIX-style IDE controller with bus-master DMA: disks and CD-ROMs over images or memory",
  options,
  bus: "pci",
  create: plugIn,
  driver(context, given) {
    return bindIde(context, {
      transfers: given.transfers,
      readOnly: PLACES.map((place) => isReadOnly(given, place)),
    });
  },
});

export default ide;

function isReadOnly(given: Given, place: Place): boolean {
  if (given[place] !== undefined) return given[place]!.readOnly === true;
  return place === "primaryMaster" && given.readOnly;
}

/** The drives of a manifest, by place; null where nothing is. @throws {InputError} when one is badly described. */
function readDrives(context: DeviceContext, given: Given): { key: string; drive: GivenDrive }[] {
  const { image, ram, overlay, snapshot, readOnly, serial } = given;
  const isShort = image !== undefined || ram !== undefined;
  if (isShort && given.primaryMaster !== undefined) {
    throw new InputError({
      file: context.where.file,
      path: `${context.where.path}.with`,
      found: `primaryMaster and ${image === undefined ? "ram" : "image"}`,
      expected: "one of the two: the short form is the primary master",
    });
  }
  return PLACES.flatMap((place) => {
    if (given[place] !== undefined) return [{ key: place, drive: readDrive(context, place, given[place]) }];
    if (place !== "primaryMaster" || !isShort) return [];
    return [{ key: "", drive: readDrive(context, "", { image, ram, overlay, snapshot, readOnly, serial }) }];
  });
}

function plugIn(context: DeviceContext, given: Given): GatedDevice {
  const { id, io, interrupts, scheduler, events } = context;
  const bus = pciBus(context.bus);
  const opened: BlockBackend[] = [];
  const close = () => {
    for (const backend of opened) backend.close();
  };
  try {
    const drives: (DriveOptions | null)[] = [null, null, null, null];
    for (const { key, drive } of readDrives(context, given)) {
      const backend = openDrive(context, key, drive);
      if (backend !== null) opened.push(backend);
      const place = key === "" ? 0 : PLACES.indexOf(key as Place);
      drives[place] = driveOptions(place, drive, backend);
    }
    const at = context.at ?? defaultPlace(bus);
    const controller = new IdeController({
      id,
      bus,
      ...(at !== undefined && { at }),
      io,
      interrupts,
      scheduler,
      events,
      drives,
      personality: given.personality,
      ...(given.faultPolicy !== undefined && { faultPolicy: given.faultPolicy }),
      burst: given.burst,
      burstTime: given.burstTime,
      warn: (warning, message) => context.warn(warning, message, id),
    });
    return {
      port: controller.fn.port,
      counters: () => {
        const { requests, bytes, errors, busErrors, holes } = controller;
        return { requests, bytes, errors, busErrors, holes };
      },
      flushGate: (place) => controller.flushGate(place),
      reset: () => controller.powerOn(),
      unplug: () => controller.unplug(),
      stop: () => {
        controller.stop();
        close();
      },
    };
  } catch (error) {
    close();
    throw error instanceof RangeError ? onlyOne(context) : error;
  }
}

/** Beside the ISA bridge of its chip if there is one, else wherever there is room. */
function defaultPlace(bus: PciBus): string | undefined {
  const place = parseInt(IDE_PLACE, 16) << 3 | 1;
  return bus.nodeAt(place & ~7) !== undefined && bus.nodeAt(place) === undefined ? IDE_PLACE : undefined;
}

function onlyOne({ where }: DeviceContext): InputError {
  const expected = "one IDE controller in a machine: its ports 1F0h and 170h are fixed";
  return new InputError({ file: where.file, path: where.path, found: "another one's ports", expected });
}

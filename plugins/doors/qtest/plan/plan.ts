/**
 * From a manifest to a command line: which machine type, which devices, where they are.
 *
 * @module
 */

import { formatSize, InputError, nearest, type ResolvedDevice, type ResolvedMachine, resolvePath } from "@iova/core";
import { RamBackend } from "@iova/block";
import { close, Errno, memoryFile, pwrite, SystemError } from "@iova/libc";
import type { BoardType } from "../board/board.ts";
import { fileName } from "../qemu/process.ts";
import { RECIPES } from "./devices.ts";
import { MACHINES, type Version } from "./machines.ts";
import { PciPlaces, SlotPlaces } from "./places.ts";
import { type MediumOptions, qemuJson, type Recipe, type RecipeContext } from "./recipe.ts";

/** What to start QEMU with. */
export interface QemuPlan {
  /** The machine's properties, behind its name. */
  readonly machine: string;
  readonly args: readonly string[];
  /** Descriptors that QEMU uses: the memory of disks. They belong to whoever has the plan. */
  readonly files: readonly number[];
  /** Requester ids by manifest id. */
  readonly requesters: ReadonlyMap<string, number>;
  /** Functions whose registers are in the CPU's byte order. */
  readonly cpuEndian: readonly number[];
}

/**
 * Plans a machine of type `board`, for a QEMU of some version.
 *
 * @throws {InputError} when QEMU has nothing for a part of the manifest.
 */
export function planMachine(machine: ResolvedMachine, board: BoardType, version: Version): QemuPlan {
  refuseParts(machine, board);
  const files: number[] = [];
  try {
    const words = [...MACHINES[machine.platform.plugin.name].args(version)];
    const requesters = new Map<string, number>();
    const cpuEndian: number[] = [];
    const names: string[] = [];
    const places = board.bus === "pci" ? new PciPlaces(machine, board) : new SlotPlaces(machine, board);
    for (const device of machine.devices) {
      const recipe = findRecipe(machine, device);
      const context = new Context(machine, device, board, words, files, names);
      const { driver, properties, builtIn, below = [], cpuEndian: native } = recipe(context.view);
      const requester = builtIn ?? places.take(device);
      requesters.set(device.id, requester);
      if (native) cpuEndian.push(requester);
      if (driver !== undefined) {
        words.push("-device", qemuJson({ driver, id: device.id, ...places.properties(requester), ...properties }));
      }
      for (const one of below) words.push("-device", qemuJson(one));
    }
    return { machine: `${board.machine},memory-backend=ram`, args: words, files, requesters, cpuEndian };
  } catch (error) {
    files.forEach(close);
    throw error;
  }
}

/**
 * The machine type: the platform decides, and a profile where several have it.
 *
 * @throws {InputError} when QEMU has neither the platform nor that machine with it.
 */
export function findBoard(machine: ResolvedMachine): BoardType {
  const { file, bus, platform: { plugin: { name } } } = machine;
  const known = Object.keys(MACHINES);
  if (!known.includes(name)) {
    const found = `"${name}", which QEMU does not have`;
    throw new InputError({
      file,
      path: "platform",
      found,
      expected: `one of ${known.join(", ")}`,
      nearest: nearest(name, known),
    });
  }
  const { boards } = MACHINES[name];
  if (bus === undefined) return boards[0];
  const profile = bus.plugin.kind === "profile" ? bus.plugin.name : undefined;
  const root = bus.plugin.kind === "profile" ? bus.plugin.bus : bus.plugin.name;
  const board = boards.find((one) => profile === undefined ? one.bus === root : one.profile === profile);
  if (board !== undefined) return board;
  const have = boards.map((one) => profile === undefined ? one.bus : one.profile).filter((one) => one !== undefined);
  throw new InputError({
    file,
    path: profile === undefined ? "bus" : "profile",
    found: `"${profile ?? root}"`,
    expected: `one of ${[...new Set(have)].join(", ")}, where QEMU has platform ${name}`,
  });
}

function refuseParts({ file, memory, busTree, devices }: ResolvedMachine, board: BoardType): void {
  const refuse = (path: string, found: string, expected: string) => {
    throw new InputError({ file, path, found, expected });
  };
  const { mostMemory: most, memoryGranule: granule } = board;
  const least = Math.max(LEAST_MEMORY, granule);
  if (memory > most || memory < least || memory % granule !== 0) {
    const expected = `${formatSize(least)} to ${formatSize(most)} in steps of ${formatSize(granule)}, as QEMU takes it`;
    refuse("memory", formatSize(memory), expected);
  }
  if (busTree.bridges.length > 0) refuse("bus.bridges", "a bridge", "devices on the root bus only");
  for (const { platform } of devices) {
    if (platform) refuse(platform.path, "a platform of a device's own", "one platform for the whole machine");
  }
}

const LEAST_MEMORY = 4 * 2 ** 20;

function findRecipe({ file }: ResolvedMachine, { use: { plugin: { name }, path } }: ResolvedDevice): Recipe {
  if (Object.hasOwn(RECIPES, name)) return RECIPES[name];
  const known = Object.keys(RECIPES);
  throw new InputError({
    file,
    path: `${path}.use`,
    found: `"${name}", which QEMU does not have`,
    expected: `one of ${known.join(", ")}`,
    nearest: nearest(name, known),
  });
}

/** What a recipe is given for one device. */
class Context {
  readonly view: RecipeContext;
  #media = 0;

  constructor(
    machine: ResolvedMachine,
    readonly device: ResolvedDevice,
    board: BoardType,
    readonly words: string[],
    readonly files: number[],
    names: string[],
  ) {
    const { options, path } = device.use;
    this.view = {
      device,
      options,
      board,
      medium: (of) => this.#medium(of, machine.base),
      argument: (...more) => void words.push(...more),
      path: (name) => resolvePath(name, machine.base),
      number(name) {
        if (!names.includes(name)) names.push(name);
        return names.indexOf(name);
      },
      refuse: (option, expected) => {
        const found = JSON.stringify(options[option]) ?? "nothing";
        throw new InputError({ file: machine.file, path: `${path}.with.${option}`, found, expected });
      },
    };
  }

  #medium({ image, ram, readOnly = false }: MediumOptions, base: string): string {
    const name = `${this.device.id}-medium${this.#media++}`;
    const filename = image !== undefined ? resolvePath(image, base) : this.#memory(ram!);
    const file = { driver: "file", filename, locking: "off" };
    this.words.push("-blockdev", qemuJson({ driver: "raw", "node-name": name, "read-only": readOnly, file }));
    return name;
  }

  /** Memory that begins with the bytes with which it begins in simulation. */
  #memory(size: number): string {
    const fd = memoryFile("iova-disk", size);
    if (fd < 0) throw new SystemError("memory for a disk", fd);
    this.files.push(fd);
    const { bytes } = new RamBackend(size);
    const written = pwrite(fd, bytes, 0);
    if (written !== size) throw new SystemError("memory for a disk", Math.min(written, -Errno.EIO));
    return fileName(fd);
  }
}

/**
 * The options by which a block device plugin lets a person choose a medium, and the medium that they mean.
 *
 * @module
 */

import { type DeviceContext, formatSize, InputError, option, type OptionSpec } from "@iova/core";
import { type BlockBackend, SECTOR_SIZE } from "./contract.ts";
import { CLUSTER_SIZE, crc32 } from "./layout_overlay.ts";
import { describeOpenError, lockFile, openImage } from "./open_image.ts";
import { OverlayBackend, RamClusters } from "./overlay.ts";
import { type BaseMark, FileClusters } from "./overlay_file.ts";
import { RamBackend } from "./ram.ts";

/** The values of {@linkcode mediumOptions}; their descriptions say what they mean. */
export interface MediumOptions {
  /** A raw image. */
  readonly image: string | undefined;
  /** Memory of this many bytes. */
  readonly ram: number | undefined;
  /** The file of an overlay. */
  readonly overlay: string | undefined;
  /** An overlay in memory. */
  readonly snapshot: boolean;
  /** Writes are refused. */
  readonly readOnly: boolean;
}

/** A schema for them. */
export type MediumOptionSchema = {
  readonly image: OptionSpec<string>;
  readonly ram: OptionSpec<number>;
  readonly overlay: OptionSpec<string>;
  readonly snapshot: OptionSpec<boolean> & { readonly default: boolean };
  readonly readOnly: OptionSpec<boolean> & { readonly default: boolean };
};

/** What a plugin spreads into its options. */
export const mediumOptions: MediumOptionSchema = {
  image: option.path("The disk: a raw image. Either this or `ram`."),
  ram: option.size("The disk: memory of this size, lost at the end. Either this or `image`.", { min: 512 }),
  overlay: option.path("A file for what is written, made if it is missing; the image is only read."),
  snapshot: option.boolean("What is written goes to memory and is lost at the end; the image is only read.", {
    default: false,
  }),
  readOnly: option.boolean("Refuse writes.", { default: false }),
};

/** What opening a medium needs of its machine. */
export type MediumContext = Pick<DeviceContext, "where" | "resolvePath">;

/**
 * Opens the medium that `given` means. `options`: the JSON path of the object that the options stand in, for messages.
 *
 * @throws {InputError} when the options contradict each other, or a file cannot be used as asked; see {@linkcode openImage}.
 */
export function openMedium(
  context: MediumContext,
  given: MediumOptions,
  options: string = `${context.where.path}.with`,
): BlockBackend {
  const { where, resolvePath } = context;
  checkOptions(context, given, options);
  const { image, ram, overlay, snapshot, readOnly } = given;
  if (image === undefined) return openRam(context, ram!, readOnly, options);
  const copyOnWrite = overlay !== undefined || snapshot;
  const optionPath = `${options}.image`;
  const base = openImage({
    path: resolvePath(image),
    readOnly: readOnly || copyOnWrite,
    file: where.file,
    optionPath,
  });
  if (!copyOnWrite || readOnly && overlay === undefined) return base;
  try {
    const store = overlay === undefined ? new RamClusters(base.size) : openOverlay(context, overlay, base, options);
    return new OverlayBackend(base, store);
  } catch (error) {
    base.close();
    throw error;
  }
}

function checkOptions(
  { where }: MediumContext,
  { image, ram, overlay, snapshot, readOnly }: MediumOptions,
  options: string,
): void {
  const wrong = (path: string, found: string, expected: string) =>
    new InputError({ file: where.file, path: `${options}${path}`, found, expected });
  if ((image === undefined) === (ram === undefined)) {
    const found = image === undefined ? "neither image nor ram" : "both image and ram";
    throw wrong("", found, "one of the two: the disk is a file, or memory");
  }
  if (ram !== undefined && ram % SECTOR_SIZE !== 0) {
    throw wrong(".ram", formatSize(ram), `a multiple of ${SECTOR_SIZE} bytes`);
  }
  if (overlay === undefined) {
    if (snapshot && ram !== undefined) throw wrong(".snapshot", "a snapshot of memory", "an image below it");
    return;
  }
  if (image === undefined) throw wrong(".overlay", "an overlay over memory", "an image below it");
  if (snapshot) throw wrong(".overlay", "an overlay and a snapshot", "one of the two");
  if (readOnly) throw wrong(".overlay", "an overlay of a disk that refuses writes", "readOnly false");
}

function openRam({ where }: MediumContext, size: number, readOnly: boolean, options: string): BlockBackend {
  try {
    return new RamBackend(size, { readOnly });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const path = `${options}.ram`;
    throw new InputError({
      file: where.file,
      path,
      found: formatSize(size),
      expected: "memory that this computer can give",
    });
  }
}

function openOverlay(
  { where, resolvePath }: MediumContext,
  name: string,
  base: BlockBackend,
  options: string,
): FileClusters {
  const path = resolvePath(name);
  const wrong = (found: string, expected: string) =>
    new InputError({ file: where.file, path: `${options}.overlay`, found: `"${path}", ${found}`, expected });
  const file = openFile(path, wrong);
  try {
    if (!lockFile(file, true)) throw wrong("which is locked", "an overlay that no other machine has open");
    const { size, isFile } = file.statSync();
    if (!isFile) throw wrong("which is no regular file", "a file");
    const mark = markOf(base);
    const store = size === 0 ? FileClusters.make(file, mark, mark.check) : FileClusters.open(file, size, mark);
    if (store === null) throw wrong("which cannot be written", "a file system with room");
    if (typeof store === "string") throw wrong(`which ${store}`, "an overlay of this image, or no file yet");
    return store;
  } catch (error) {
    file.close();
    throw error;
  }
}

function openFile(path: string, wrong: (found: string, expected: string) => InputError): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, create: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw wrong(describeOpenError(error, false), "a file that can be written");
  }
}

/** What an overlay remembers of its base. */
function markOf(base: BlockBackend): BaseMark {
  const length = Math.min(CLUSTER_SIZE, base.size);
  const bytes = new Uint8Array(2 * length);
  base.read(0, bytes, 0, length);
  base.read(base.size - length, bytes, length, length);
  return { size: base.size, check: crc32(bytes) };
}

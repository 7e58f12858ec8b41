/**
 * The commands of a disk: a table of small functions (ATA/ATAPI-7 vol. 1 §6; their codes in annex B).
 *
 * @module
 */

import type { Disk } from "./device_disk.ts";
import { putMultiple, putTranslation, selectMode } from "./device_identify.ts";
import { Command, CommandBlock, Device, DSM_TRIM, Feature, MAX_MULTIPLE, POWER_ACTIVE, Status } from "./layout.ts";

const { at } = CommandBlock;

/** Does one command. BSY is set when it begins. */
export type DiskCommand = (disk: Disk) => void;

const NOTHING: DiskCommand = (disk) => disk.finish();

/** There is no power to save. QEMU's drives do not say that their heads are in place afterwards. */
function power(disk: Disk): void {
  disk.finish();
  if (!disk.channel.behaviour.powerKeepsSeek) disk.status &= ~Status.mask.dsc;
}

function readPio(ext: boolean): DiskCommand {
  return (disk) => disk.take(ext) && disk.startRead(1);
}

function readMultiple(ext: boolean): DiskCommand {
  return (disk) => disk.multiple === 0 ? disk.refuse() : disk.take(ext) && disk.startRead(disk.multiple);
}

function writePio(ext: boolean): DiskCommand {
  return (disk) => disk.options.readOnly ? disk.refuse() : disk.take(ext) && disk.startWrite(1);
}

function writeMultiple(ext: boolean): DiskCommand {
  return (disk) =>
    disk.multiple === 0 || disk.options.readOnly ? disk.refuse() : disk.take(ext) && disk.startWrite(disk.multiple);
}

function dma(ext: boolean, toMemory: boolean): DiskCommand {
  return (disk) => {
    if (!toMemory && disk.options.readOnly) return disk.refuse();
    if (!disk.take(ext)) return;
    // QEMU looks at the table first, which a drive knows nothing of.
    if (disk.channel.behaviour.shortMoves && !disk.has(disk.sector, disk.left)) return disk.outOfRange();
    disk.armDma(toMemory, false);
  };
}

function verify(ext: boolean): DiskCommand {
  return (disk) => {
    if (!disk.take(ext)) return;
    if (!disk.channel.behaviour.verifies) return disk.finish();
    if (!disk.has(disk.sector, disk.left)) return disk.outOfRange();
    disk.finishVerify();
  };
}

function nativeMax(ext: boolean): DiskCommand {
  return (disk) => {
    if (!disk.take(ext)) return;
    disk.putSector(disk.capacity - 1);
    disk.finish();
  };
}

function setMultiple(disk: Disk): void {
  const sectors = disk.file.current[at.count];
  if (sectors > MAX_MULTIPLE || (sectors & (sectors - 1)) !== 0) return disk.refuse();
  disk.multiple = sectors;
  if (disk.channel.behaviour.tellsMultiple) putMultiple(disk.block, sectors);
  disk.finish();
}

function setParameters(disk: Disk): void {
  const { current } = disk.file;
  const heads = (current[at.device] & Device.mask.head) + 1;
  const sectors = current[at.count];
  // QEMU 7.2 divides by it later, and ends.
  if (sectors === 0) return disk.refuse();
  const shown = disk.channel.behaviour.parametersInIdentify;
  const cylinders = shown ? Math.min(Math.floor(disk.capacity / (heads * sectors)), 0xffff) : disk.geometry.cylinders;
  disk.geometry = { cylinders, heads, sectors };
  if (shown) putTranslation(disk.block, disk.geometry);
  disk.finish();
}

function checkPower(disk: Disk): void {
  disk.file.current[at.count] = POWER_ACTIVE;
  disk.finish();
}

function manageData(disk: Disk): void {
  const { current } = disk.file;
  if (current[at.features] !== DSM_TRIM || disk.options.readOnly) return disk.refuse();
  const limit = disk.channel.behaviour.trimLimit;
  disk.takeBlocks(limit > 0);
  if (limit > 0 && (disk.left === 0 || disk.left > limit)) return disk.refuse();
  disk.armDma(false, true);
}

const FEATURES: Readonly<Record<number, DiskCommand>> = {
  [Feature.WRITE_CACHE_ON]: (disk) => disk.setWriteCache(true),
  [Feature.WRITE_CACHE_OFF]: (disk) => disk.setWriteCache(false),
  [Feature.TRANSFER_MODE]: (disk) => {
    const mode = disk.file.current[at.count];
    if (selectMode(disk.block, mode, disk.channel.behaviour.checksModes)) disk.finish();
    else disk.refuse();
  },
  [Feature.APM_ON]: NOTHING,
  [Feature.APM_OFF]: NOTHING,
  [Feature.ACOUSTIC_ON]: NOTHING,
  [Feature.ACOUSTIC_OFF]: NOTHING,
  [Feature.LOOK_AHEAD_ON]: NOTHING,
  [Feature.LOOK_AHEAD_OFF]: NOTHING,
  [Feature.KEEP_SETTINGS]: NOTHING,
  [Feature.REVERT_SETTINGS]: NOTHING,
  // Accepted without effect, as QEMU does.
  0x67: NOTHING,
  0x69: NOTHING,
  0x96: NOTHING,
  0x9a: NOTHING,
};

function setFeatures(disk: Disk): void {
  const feature = FEATURES[disk.file.current[at.features]];
  if (feature === undefined) disk.refuse();
  else feature(disk);
}

/** What a disk does, by command code. Those that are not here are aborted. */
export const COMMANDS: readonly (DiskCommand | undefined)[] = byCode([
  [Command.DATA_SET_MANAGEMENT, manageData],
  [Command.RECALIBRATE, NOTHING],
  [Command.READ_SECTORS, readPio(false)],
  [Command.READ_SECTORS_ONCE, readPio(false)],
  [Command.READ_SECTORS_EXT, readPio(true)],
  [Command.READ_DMA_EXT, dma(true, true)],
  [Command.READ_NATIVE_MAX_EXT, nativeMax(true)],
  [Command.READ_MULTIPLE_EXT, readMultiple(true)],
  [Command.WRITE_SECTORS, writePio(false)],
  [Command.WRITE_SECTORS_ONCE, writePio(false)],
  [Command.WRITE_SECTORS_EXT, writePio(true)],
  [Command.WRITE_DMA_EXT, dma(true, false)],
  [Command.WRITE_MULTIPLE_EXT, writeMultiple(true)],
  [Command.WRITE_VERIFY, writePio(false)],
  [Command.READ_VERIFY, verify(false)],
  [Command.READ_VERIFY_ONCE, verify(false)],
  [Command.READ_VERIFY_EXT, verify(true)],
  [Command.SEEK, NOTHING],
  [Command.INITIALIZE_DEVICE_PARAMETERS, setParameters],
  [Command.STANDBY_IMMEDIATE_OLD, power],
  [Command.IDLE_IMMEDIATE_OLD, power],
  [Command.STANDBY_OLD, power],
  [Command.IDLE_OLD, power],
  [Command.CHECK_POWER_MODE_OLD, checkPower],
  [Command.SLEEP_OLD, power],
  [Command.READ_MULTIPLE, readMultiple(false)],
  [Command.WRITE_MULTIPLE, writeMultiple(false)],
  [Command.SET_MULTIPLE_MODE, setMultiple],
  [Command.READ_DMA, dma(false, true)],
  [Command.READ_DMA_ONCE, dma(false, true)],
  [Command.WRITE_DMA, dma(false, false)],
  [Command.WRITE_DMA_ONCE, dma(false, false)],
  [Command.STANDBY_IMMEDIATE, power],
  [Command.IDLE_IMMEDIATE, power],
  [Command.STANDBY, power],
  [Command.IDLE, power],
  [Command.CHECK_POWER_MODE, checkPower],
  [Command.SLEEP, power],
  [Command.FLUSH_CACHE, (disk) => disk.flush()],
  [Command.FLUSH_CACHE_EXT, (disk) => disk.flush()],
  [Command.IDENTIFY_DEVICE, (disk) => disk.identify()],
  [Command.SET_FEATURES, setFeatures],
  [Command.READ_NATIVE_MAX, nativeMax(false)],
]);

function byCode(pairs: readonly (readonly [number, DiskCommand])[]): (DiskCommand | undefined)[] {
  const table = new Array<DiskCommand | undefined>(256).fill(undefined);
  for (const [code, command] of pairs) table[code] = command;
  return table;
}

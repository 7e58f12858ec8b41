/**
 * What a drive says of itself, as its driver uses it.
 *
 * @module
 */

import type { BlockDriver } from "@iova/block";
import { getText, Identify, IdentifyBit, LBA28_SECTORS, MAX_MULTIPLE } from "./layout.ts";

/** See the module's text. */
export interface DriveFacts {
  /** Device 0 or 1 of its channel. */
  readonly device: number;
  /** A CD-ROM, not a disk. */
  readonly isPacket: boolean;
  /** Model, without padding. */
  readonly model: string;
  /** Serial number, without padding. */
  readonly serial: string;
  /** Firmware revision, without padding. */
  readonly firmware: string;
  /** Sectors of 512 bytes. */
  readonly capacity: number;
  /** Sectors that this driver can address. */
  readonly reach: number;
  /** Whether it has 48-bit commands. */
  readonly lba48: boolean;
  /** Whether the bus master is used. */
  readonly dma: boolean;
  /** Whether it forgets sectors when it is told to. */
  readonly trim: boolean;
  /** Sectors of a block of READ and WRITE MULTIPLE; 0 or 1: not used. */
  readonly multiple: number;
  /** What SET FEATURES is told: the best Ultra mode, else the best multiword one; −1: neither. */
  readonly mode: number;
}

/** A drive as its users see it. */
export interface IdeDrive extends BlockDriver {
  /** What the drive says of itself. */
  readonly facts: DriveFacts;
}

/** The driver of a controller: its first drive is the block device that workloads use; the others are beside it. */
export interface IdeDriver extends IdeDrive {
  /** Every drive that answered: primary master and slave, secondary master and slave; null where none is. */
  readonly units: readonly (IdeDrive | null)[];
}

const ULTRA = 0x40;
const MULTI_WORD = 0x20;

/** Facts from an IDENTIFY block. `blocks`: sectors of a disc, which it does not say. */
export function readFacts(
  block: Uint8Array,
  device: number,
  isPacket: boolean,
  useDma: boolean,
  discSectors: number,
): DriveFacts {
  const words = Identify.decode(block);
  const text = (field: "model" | "serial" | "firmware") =>
    getText(block, Identify.at[field], Identify.width[field] / 8);
  const lba48 = !isPacket && (words.commands83 & IdentifyBit.LBA48) !== 0;
  const sectors48 = words.sectors48 > BigInt(Number.MAX_SAFE_INTEGER) ? 0 : Number(words.sectors48);
  const said = lba48 && sectors48 > 0 ? sectors48 : words.sectors28;
  const capacity = isPacket ? discSectors : said;
  const ultra = best(words.ultra);
  const multiWord = best(words.multiWord);
  const mode = ultra >= 0 ? ULTRA | ultra : multiWord >= 0 ? MULTI_WORD | multiWord : -1;
  const dma = useDma && (words.capabilities & IdentifyBit.DMA) !== 0 && mode >= 0;
  return {
    device,
    isPacket,
    model: text("model"),
    serial: text("serial"),
    firmware: text("firmware"),
    capacity,
    reach: lba48 || isPacket ? capacity : Math.min(capacity, LBA28_SECTORS),
    lba48,
    dma,
    // The list of ranges goes by the bus master.
    trim: dma && !isPacket && (words.dataSetManagement & 1) !== 0,
    multiple: isPacket ? 0 : Math.min(words.maxMultiple & 0xff, MAX_MULTIPLE),
    mode,
  };
}

/** The best mode of a word whose low byte lists them. */
function best(word: number): number {
  return 31 - Math.clz32(word & 0xff);
}

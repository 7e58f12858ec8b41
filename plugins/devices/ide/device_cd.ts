/**
 * A CD-ROM: a packet device that is read only (SFF-8020i, ATA/ATAPI-7 vol. 1 §6.25, MMC-4). What its packets are stands in
 * `device_cd_packets.ts`.
 *
 * @module
 */

import type { BlockBackend } from "@iova/block";
import { PACKETS } from "./device_cd_packets.ts";
import { Drive, type DriveBus, type TaskFile } from "./device_drive.ts";
import { type DriveIdentity, packetBlock, selectMode } from "./device_identify.ts";
import { DmaOutcome, type DmaRequest } from "./device_request.ts";
import {
  CD_BLOCK,
  Command,
  CommandBlock,
  Feature,
  PACKET_SIZE,
  PacketFeature,
  Reason,
  SenseCode,
  SenseKey,
  Signature,
  Status,
} from "./layout.ts";

const { at } = CommandBlock;
const { mask } = Reason;
/** Most bytes of one data block of PIO. */
const MOST_BYTES = 0xfffe;

/** What a CD-ROM is made of. */
export interface CdOptions extends DriveIdentity {
  /** The disc; the machine closes it. Null: the tray is empty. */
  readonly backend: BlockBackend | null;
}

/** See the module's text. */
export class CdRom extends Drive implements DmaRequest {
  readonly options: CdOptions;
  /** Blocks on the disc; 0 without one. */
  readonly blocks: number;
  /** The packet, and then its answer. */
  readonly packet: Uint8Array = new Uint8Array(PACKET_SIZE);
  /** Sense key of the last error. */
  senseKey = 0;
  /** Additional sense code of the last error. */
  senseCode = 0;
  /** The disc may not be taken out. */
  locked = false;
  /** The tray is open. */
  open = false;
  /** A disc was put in that nobody has been told of. */
  isNew = true;
  /** Only reading. */
  readonly toMemory = true;
  /** See {@linkcode DmaRequest.length}. */
  length = 0;
  protected readonly signature: number = Signature.PACKET;
  protected readonly resetStatus: number = 0;
  #block: Uint8Array<ArrayBuffer>;
  #dma = false;
  /** First byte on the disc of a read; −1: the answer is in the buffer. */
  #position = -1;
  #sent = 0;

  /** A drive after power-on. */
  constructor(bus: DriveBus, file: TaskFile, options: CdOptions) {
    super(bus, file, 0x1_0000);
    this.options = options;
    this.blocks = options.backend === null ? 0 : Math.floor(options.backend.size / CD_BLOCK);
    this.#block = packetBlock(options);
  }

  /** See {@linkcode Drive.knows}. */
  knows(command: number): boolean {
    return COMMANDS.has(command);
  }

  /** Whether a disc is in and the tray closed. */
  get hasDisc(): boolean {
    return this.blocks > 0 && !this.open;
  }

  protected execute(command: number): void {
    COMMANDS.get(command)!(this);
  }

  protected clear(): void {
    this.senseKey = this.senseCode = 0;
    this.locked = this.open = false;
    this.#dma = false;
  }

  /** IDENTIFY PACKET DEVICE. */
  identify(): void {
    this.buffer.set(this.#block);
    this.offer(0, this.#block.length, () => this.idle());
    this.bus.interrupt();
  }

  /** Commands of disks: aborted, with the signature that tells what this is. */
  refuseAsPacketDevice(): void {
    this.file.sign(this.signature);
    this.abort();
  }

  /** DEVICE RESET: no interrupt. */
  deviceReset(): void {
    this.clear();
    this.file.clear();
    this.diagnose();
    this.error = this.bus.behaviour.powerOnError;
  }

  /** FLUSH CACHE: there is none. */
  flush(): void {
    this.bus.later(() => this.done());
  }

  /** SET FEATURES: transfer modes only. */
  setFeatures(): void {
    const { current } = this.file;
    const ok = current[at.features] === Feature.TRANSFER_MODE &&
      selectMode(this.#block, current[at.count], this.bus.behaviour.checksModes);
    if (ok) this.done();
    else this.abort();
  }

  /** PACKET: asks for one. */
  takePacket(): void {
    const features = this.file.current[at.features];
    if ((features & PacketFeature.OVERLAP) !== 0) return this.abort();
    this.#dma = (features & PacketFeature.DMA) !== 0;
    this.#reason(mask.cd);
    this.request(PACKET_SIZE, this.#received);
  }

  /** Done, without data. */
  good(): void {
    this.#reason(mask.io | mask.cd);
    this.senseKey = this.senseCode = SenseKey.NONE;
    this.done();
  }

  /** CHECK CONDITION: the host will ask for the sense data. */
  check(key: number, code: number): void {
    this.senseKey = key;
    this.senseCode = code;
    this.#reason(mask.io | mask.cd);
    this.abort(key << 4);
  }

  /** Answers with the first `length` bytes of the buffer, or as many as the host has room for. */
  reply(length: number, room: number): void {
    this.#position = -1;
    this.#send(Math.min(length, room));
  }

  /** Where answers are put together; zeroed for `length` bytes. */
  answer(length: number): Uint8Array {
    return this.buffer.fill(0, 0, length).subarray(0, length);
  }

  /** Reads `count` blocks from `block` on. */
  readBlocks(block: number, count: number): void {
    if (count === 0) return this.good();
    if (block + count > this.blocks) return this.check(SenseKey.ILLEGAL_REQUEST, SenseCode.LBA_OUT_OF_RANGE);
    this.#position = block * CD_BLOCK;
    this.#send(count * CD_BLOCK);
  }

  begin(): void {}

  accept(): boolean {
    return true;
  }

  read(from: number, into: Uint8Array, offset: number, length: number): boolean {
    if (this.#position >= 0) return this.options.backend!.read(this.#position + from, into, offset, length);
    into.set(this.buffer.subarray(from, from + length), offset);
    return true;
  }

  write(): boolean {
    return false;
  }

  ended(outcome: DmaOutcome): void {
    if (outcome === DmaOutcome.DONE) {
      this.bus.completed(this.command, Math.max(0, this.#position), this.length, false);
      this.good();
    } else if (outcome === DmaOutcome.MEDIUM_ERROR) this.#unreadable();
    else if (!this.bus.behaviour.shortMoves) this.idle();
  }

  readonly #received = (): void => {
    this.packet.set(this.buffer.subarray(0, PACKET_SIZE));
    const handler = PACKETS[this.packet[0]];
    if (handler === undefined) return this.check(SenseKey.ILLEGAL_REQUEST, SenseCode.INVALID_COMMAND);
    if (handler.needsDisc && !this.hasDisc) return this.check(SenseKey.NOT_READY, SenseCode.MEDIUM_NOT_PRESENT);
    handler.run(this);
  };

  #send(length: number): void {
    if (length === 0) return this.good();
    this.length = length;
    this.#sent = 0;
    if (!this.#dma) return this.#hasLimit() ? this.#sendBlock() : this.abort();
    this.#reason(mask.io);
    this.status = Status.mask.drdy | Status.mask.dsc | Status.mask.drq;
    this.bus.arm(this);
  }

  readonly #sendBlock = (): void => {
    const left = this.length - this.#sent;
    if (left === 0) {
      this.bus.completed(this.command, Math.max(0, this.#position), this.length, false);
      return this.good();
    }
    const count = Math.min(left, this.#limit(left));
    let from = this.#sent;
    if (this.#position >= 0) {
      if (!this.read(this.#sent, this.buffer, 0, count)) return this.#unreadable();
      from = 0;
    }
    this.#sent += count;
    const { current } = this.file;
    current[at.lbaMid] = count & 0xff;
    current[at.lbaHigh] = count >>> 8;
    this.#reason(mask.io);
    this.offer(from, count, this.#sendBlock);
    this.bus.interrupt();
  };

  /** Whether the host takes any bytes at all; a limit of 0 is an error of ATA's, not of the packet's (ACS-3 §7.17.6). */
  #hasLimit(): boolean {
    const { current } = this.file;
    return (current[at.lbaHigh] | current[at.lbaMid]) !== 0;
  }

  /** The host's limit of bytes for one block: even, unless the rest fits. */
  #limit(left: number): number {
    const { current } = this.file;
    const limit = current[at.lbaHigh] << 8 | current[at.lbaMid];
    if (limit >= MOST_BYTES) return MOST_BYTES;
    return left > limit ? Math.max(limit & ~1, 2) : limit;
  }

  #unreadable(): void {
    this.check(SenseKey.MEDIUM_ERROR, SenseCode.UNRECOVERED_READ_ERROR);
  }

  #reason(bits: number): void {
    const { current } = this.file;
    current[at.count] = current[at.count] & ~(mask.cd | mask.io | mask.rel) | bits;
  }
}

/** What a packet device does, by command code. */
const COMMANDS: ReadonlyMap<number, (cd: CdRom) => void> = new Map<number, (cd: CdRom) => void>([
  [Command.DEVICE_RESET, (cd) => cd.deviceReset()],
  [Command.READ_SECTORS, (cd) => cd.refuseAsPacketDevice()],
  [Command.PACKET, (cd) => cd.takePacket()],
  [Command.IDENTIFY_PACKET_DEVICE, (cd) => cd.identify()],
  [Command.IDENTIFY_DEVICE, (cd) => cd.refuseAsPacketDevice()],
  [Command.FLUSH_CACHE, (cd) => cd.flush()],
  [Command.SET_FEATURES, (cd) => cd.setFeatures()],
]);

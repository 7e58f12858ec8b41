/**
 * A drive as its users see it: a block driver.
 *
 * @module
 */

import { BlockOp, BlockStatus } from "@iova/block";
import { DmaApiError, type DriverContext, type PhysAddr } from "@iova/core";
import { type ChannelDriver, MAX_TRANSFER, QUEUE_DEPTH } from "./driver_channel.ts";
import { diskDma, diskFlush, diskPio } from "./driver_disk.ts";
import type { DriveFacts, IdeDrive } from "./driver_facts.ts";
import { packetDma, packetNothing, packetPio } from "./driver_packet.ts";
import type { Protocol } from "./driver_protocol.ts";
import { MAX_TRIM } from "./driver_trim.ts";
import { CD_BLOCK, SECTOR } from "./layout.ts";

/** Bytes of the answer to GET_ID, as block drivers have it. */
const ID_BYTES = 20;

/** See {@linkcode IdeDrive}. */
export class IdeUnit implements IdeDrive {
  readonly drives = "block";
  readonly capacity: number;
  readonly queueDepth: number = QUEUE_DEPTH;
  readonly maxTransfer: number = MAX_TRANSFER;
  readonly blockSize: number;
  onComplete: (tag: number, status: BlockStatus) => void = () => {};
  /** What moves the data of reads and writes, and what flushes. */
  readonly transfers: Protocol;
  /** See {@linkcode IdeUnit.transfers}. */
  readonly flushes: Protocol;
  readonly #context: DriverContext;
  readonly #channel: ChannelDriver;
  readonly #stop: () => void;

  /** The drive that `facts` tell of. `stop` unbinds the whole controller. */
  constructor(
    context: DriverContext,
    channel: ChannelDriver,
    /** What the drive says of itself. */
    readonly facts: DriveFacts,
    readonly readOnly: boolean,
    stop: () => void,
  ) {
    this.#context = context;
    this.#channel = channel;
    this.#stop = stop;
    this.capacity = facts.capacity;
    this.blockSize = facts.isPacket ? CD_BLOCK : SECTOR;
    const [dma, pio, flush] = facts.isPacket ? [packetDma, packetPio, packetNothing] : [diskDma, diskPio, diskFlush];
    this.transfers = facts.dma ? dma : pio;
    this.flushes = flush;
  }

  submit(op: BlockOp, sector: number, buffer: PhysAddr, length: number, tag: number): boolean {
    return this.#start(op, sector, buffer, length, tag, null);
  }

  kick(): void {
    this.#channel.next();
  }

  read(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return this.#request(BlockOp.READ, sector, buffer, length);
  }

  write(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return this.#request(BlockOp.WRITE, sector, buffer, length);
  }

  flush(): Promise<BlockStatus> {
    return this.#request(BlockOp.FLUSH, 0, 0, 0);
  }

  discard(sector: number, length: number): Promise<BlockStatus> {
    return this.#request(BlockOp.DISCARD, sector, 0, length);
  }

  serial(): Promise<string | null> {
    return Promise.resolve(this.facts.serial === "" ? null : this.facts.serial);
  }

  stop(): void {
    this.#stop();
  }

  #request(op: BlockOp, sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return new Promise((resolve) => {
      const attempt = () => {
        if (this.#start(op, sector, buffer, length, 0, resolve)) this.#channel.next();
        else if (!this.#channel.whenFreed(attempt)) resolve(BlockStatus.IO_ERROR);
      };
      attempt();
    });
  }

  #start(
    op: BlockOp,
    sector: number,
    buffer: PhysAddr,
    length: number,
    tag: number,
    resolve: ((status: BlockStatus) => void) | null,
  ): boolean {
    const most = op === BlockOp.DISCARD ? MAX_TRIM : this.maxTransfer;
    if (length > most) throw new DmaApiError(`a request of ${length} bytes; at most ${most}`);
    if (op === BlockOp.GET_ID) return this.#identify(buffer, length, tag);
    const known = op === BlockOp.FLUSH ? BlockStatus.OK : this.#verdict(op, sector, length);
    return this.#channel.submit(this, op, sector, buffer, length, tag, resolve, known);
  }

  /** What can be said about a request without asking the drive. */
  #verdict(op: BlockOp, sector: number, length: number): BlockStatus {
    const { reach, trim } = this.facts;
    const isKnown = op === BlockOp.READ || op === BlockOp.WRITE || (op === BlockOp.DISCARD && trim);
    if (!isKnown) return BlockStatus.UNSUPPORTED;
    if (op !== BlockOp.READ && this.readOnly) return BlockStatus.IO_ERROR;
    const whole = length > 0 && length % this.blockSize === 0 && (sector * SECTOR) % this.blockSize === 0;
    return whole && sector >= 0 && sector + length / SECTOR <= reach ? BlockStatus.OK : BlockStatus.IO_ERROR;
  }

  /** The serial number, which is known already. */
  #identify(buffer: PhysAddr, length: number, tag: number): boolean {
    const bytes = this.#context.guest.memory.bytes(buffer, Math.min(length, ID_BYTES));
    bytes.fill(0);
    bytes.set(new TextEncoder().encode(this.facts.serial).subarray(0, bytes.length));
    this.#context.guest.post(() => this.onComplete(tag, BlockStatus.OK));
    return true;
  }
}

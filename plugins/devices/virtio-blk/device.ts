/**
 * The device half: what a virtio block device does with a request (virtio 1.4 §5.2.6). Checks come in QEMU's order
 * (hw/block/virtio-blk.c). Data goes straight between the medium and guest memory.
 *
 * @module
 */

import { type BlockBackend, SECTOR_SIZE } from "@iova/block";
import { BusStatus, type DevicePort, type EventStream, type PieceVisitor } from "@iova/core";
import { type Chain, type FeatureSet, Outcome, PrivateCopy, type VirtioModel } from "@iova/virtio";
import {
  BLOCK_DEVICE,
  BlockConfig,
  BlockFeature,
  RequestHeader,
  RequestStatus,
  RequestType,
  SERIAL_SIZE,
  STATUS_SIZE,
} from "./layout.ts";

/** What a block device is made with. */
export interface BlockModelOptions {
  /** The manifest id, for reports. */
  readonly id: string;
  readonly port: DevicePort;
  /** The medium; the machine closes it. */
  readonly backend: BlockBackend;
  readonly readOnly: boolean;
  /** Entries of the queue: a power of two, at least 4. */
  readonly queueSize: number;
  /** At most 20 bytes count. */
  readonly serial: string;
  readonly events: EventStream;
}

/** Sectors in one request: 2^31 − 512 bytes (QEMU's BDRV_REQUEST_MAX_SECTORS). */
const MAX_SECTORS = 0x3fffff;
/** Descriptors that a request needs besides its data: header and status. */
const OVERHEAD = 2;

const HEADER = RequestHeader.size;
// Places in the header's words.
const TYPE = RequestHeader.at.type / 4;
const SECTOR_LO = RequestHeader.at.sector / 4;
const SECTOR_HI = SECTOR_LO + 1;
const TWO32 = 4294967296;

/** Moves lent pieces of guest memory to or from the medium. */
class Transfer implements PieceVisitor {
  /** Byte position on the medium of the stream's first byte. */
  position = 0;
  /** The medium failed. */
  failed = false;
  /** Bytes moved from the start without a gap. */
  moved = 0;
  write = false;

  constructor(readonly backend: BlockBackend) {}

  piece(bytes: Uint8Array, offset: number, length: number, at: number): void {
    if (this.failed) return;
    const { backend, position } = this;
    const done = this.write
      ? backend.write(position + at, bytes, offset, length)
      : backend.read(position + at, bytes, offset, length);
    if (done) this.moved += length;
    else this.failed = true;
  }
}

/** A virtio block device without transport and rings. */
export class BlockModel implements VirtioModel {
  readonly type: number = BLOCK_DEVICE;
  readonly features: readonly number[];
  readonly queueSizes: readonly number[];
  readonly config: Uint8Array;
  /** Why the last request was malformed. */
  problem = "";
  /** Requests answered. */
  requests = 0;
  /** Bytes of data moved for them. */
  bytes = 0;
  /** Requests answered with an error. */
  errors = 0;
  /** Flushes answered with success. */
  flushes = 0;
  #writeThrough = false;
  readonly #options: BlockModelOptions;
  readonly #port: DevicePort;
  readonly #backend: BlockBackend;
  readonly #capacity: number;
  readonly #transfer: Transfer;
  readonly #serial: Uint8Array;
  readonly #header = new PrivateCopy(HEADER);
  readonly #statusByte = new Uint8Array(STATUS_SIZE);

  /** A device over `options.backend`. */
  constructor(options: BlockModelOptions) {
    const { port, backend, readOnly, queueSize, serial } = options;
    this.#options = options;
    this.#port = port;
    this.#backend = backend;
    this.#capacity = Math.floor(backend.size / SECTOR_SIZE);
    this.#transfer = new Transfer(backend);
    this.#serial = serialBytes(serial);
    this.queueSizes = [queueSize];
    this.features = [
      BlockFeature.SEG_MAX,
      BlockFeature.BLK_SIZE,
      BlockFeature.FLUSH,
      ...(readOnly ? [BlockFeature.RO] : []),
    ];
    this.config = BlockConfig.encode({
      capacity: BigInt(this.#capacity),
      seg_max: queueSize - OVERHEAD,
      blk_size: SECTOR_SIZE,
    });
  }

  /** A driver that cannot flush is promised that a completed write is stable (§5.2.6.2). */
  negotiated(features: FeatureSet): boolean {
    this.#writeThrough = !features.has(BlockFeature.FLUSH);
    return true;
  }

  /** See {@linkcode VirtioModel.request}. */
  request(_queue: number, chain: Chain): Outcome {
    if (chain.readBytes < HEADER) return this.#malformed("request header too short");
    if (chain.writeBytes < STATUS_SIZE) return this.#malformed("no room for the status");
    const read = chain.readHead(this.#port, this.#header, HEADER);
    if (read === BusStatus.PENDING) return Outcome.PENDING;
    if (read !== BusStatus.OK) return this.#malformed("request header leads nowhere");
    chain.written = 0;
    const status = this.#execute(chain);
    return status === PENDING ? Outcome.PENDING : this.#finish(chain, status);
  }

  /** Does what the header says; the status, or {@linkcode PENDING}. Sets `chain.written` to the data written. */
  #execute(chain: Chain): number {
    switch (this.#header.words[TYPE]) {
      case RequestType.IN:
        return this.#transferData(chain, false, chain.writeBytes - STATUS_SIZE);
      case RequestType.OUT:
        return this.#transferData(chain, true, chain.readBytes - HEADER);
      case RequestType.FLUSH:
        return this.#flush();
      case RequestType.GET_ID:
        return this.#getId(chain);
      default:
        return RequestStatus.UNSUPP;
    }
  }

  #transferData(chain: Chain, write: boolean, length: number): number {
    const hi = this.#header.words[SECTOR_HI] >>> 0;
    const sector = hi * TWO32 + (this.#header.words[SECTOR_LO] >>> 0);
    if (write && this.#options.readOnly) return RequestStatus.IOERR;
    if (!this.#inRange(sector, length)) return RequestStatus.IOERR;
    const transfer = this.#transfer;
    transfer.position = sector * SECTOR_SIZE;
    transfer.write = write;
    transfer.failed = false;
    transfer.moved = 0;
    const status = write
      ? chain.visitRead(this.#port, HEADER, length, transfer)
      : chain.visitWrite(this.#port, 0, length, transfer);
    if (status === BusStatus.PENDING) return PENDING;
    this.bytes += transfer.moved;
    if (!write) chain.written = transfer.moved;
    if (status !== BusStatus.OK || transfer.failed) return RequestStatus.IOERR;
    return write && this.#writeThrough && !this.#backend.flush() ? RequestStatus.IOERR : RequestStatus.OK;
  }

  /** Whether `length` bytes from `sector` lie on the medium. A sector above 2^53 is beyond it, however it was rounded. */
  #inRange(sector: number, length: number): boolean {
    const sectors = length / SECTOR_SIZE;
    return length % SECTOR_SIZE === 0 && sectors <= MAX_SECTORS && sector <= this.#capacity - sectors;
  }

  #flush(): number {
    if (!this.#backend.flush()) return RequestStatus.IOERR;
    this.flushes++;
    return RequestStatus.OK;
  }

  #getId(chain: Chain): number {
    const length = Math.min(SERIAL_SIZE, chain.writeBytes - STATUS_SIZE);
    const status = chain.write(this.#port, 0, this.#serial, 0, length);
    if (status === BusStatus.PENDING) return PENDING;
    if (status !== BusStatus.OK) return RequestStatus.IOERR;
    chain.written = length;
    return RequestStatus.OK;
  }

  /** Writes the status, the very last writable byte. */
  #finish(chain: Chain, status: number): Outcome {
    const at = chain.writeBytes - STATUS_SIZE;
    this.#statusByte[0] = status;
    const wrote = chain.write(this.#port, at, this.#statusByte, 0, STATUS_SIZE);
    if (wrote === BusStatus.PENDING) return Outcome.PENDING;
    if (wrote !== BusStatus.OK) return this.#malformed("status leads nowhere");
    // The used length is the prefix that was really written (§2.7.8.2): it reaches the status only if nothing is missing.
    if (chain.written === at) chain.written += STATUS_SIZE;
    this.requests++;
    if (status !== RequestStatus.OK) this.errors++;
    if (this.#options.events.listening) this.#report(status);
    return Outcome.DONE;
  }

  #malformed(problem: string): Outcome {
    this.problem = problem;
    return Outcome.BROKEN;
  }

  #report(status: number): void {
    const { id, events } = this.#options;
    const { type, sector } = RequestHeader.decode(this.#header.bytes);
    events.emit({ type: "request", device: id, request: requestName(type), sector: String(sector), status });
  }
}

/** Beside the statuses of {@linkcode RequestStatus}: an address is not translated yet. */
const PENDING = -1;

function requestName(type: number): string {
  return Object.entries(RequestType).find(([, value]) => value === type)?.[0] ?? `type ${type}`;
}

/** The serial number as it goes over the wire: {@linkcode SERIAL_SIZE} bytes, cut or padded with NUL. */
function serialBytes(serial: string): Uint8Array {
  const bytes = new Uint8Array(SERIAL_SIZE);
  bytes.set(new TextEncoder().encode(serial).subarray(0, SERIAL_SIZE));
  return bytes;
}

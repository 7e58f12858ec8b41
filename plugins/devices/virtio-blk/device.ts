/**
 * The device half: what a virtio block device does with a request (virtio 1.4 §5.2.6). Checks come in QEMU's order
 * (hw/block/virtio-blk.c). Data goes straight between the medium and guest memory.
 *
 * @module
 */

import { type BlockBackend, SECTOR_SIZE } from "@iova/block";
import { BusStatus, type DevicePort, type EventStream, type PieceVisitor, type Scheduler } from "@iova/core";
import { type Chain, type FeatureSet, Outcome, PrivateCopy, type VirtioDevice, type VirtioModel } from "@iova/virtio";
import {
  blockConfig,
  blockFeatures,
  type BlockTraits,
  configSize,
  type FullTraits,
  fullTraits,
  MAX_SECTORS,
} from "./device_config.ts";
import { type LaterRequest, LaterRequests } from "./device_later.ts";
import { BLOCK_MANNERS, type BlockManners } from "./device_manners.ts";
import { DISCARD_ACTION, ERASE_ACTION, type RangeAction, runSegments, ZEROES_ACTION } from "./device_segments.ts";
import {
  BARRIER_BIT,
  BLOCK_DEVICE,
  BlockConfig,
  BlockFeature,
  RequestHeader,
  RequestStatus,
  RequestType,
  Segment,
  SERIAL_SIZE,
  STATUS_SIZE,
} from "./layout.ts";

/** What a block device is made with. */
export interface BlockModelOptions extends BlockTraits {
  /** The manifest id, for reports. */
  readonly id: string;
  readonly port: DevicePort;
  /** The medium; the machine closes it. */
  readonly backend: BlockBackend;
  /** At most 20 bytes count. */
  readonly serial: string;
  readonly events: EventStream;
  /** The interfaces that it will have. Default `modern`. */
  readonly transport?: "modern" | "transitional" | "legacy";
  /** Default `spec`. */
  readonly personality?: "spec" | "qemu";
  /** How long the medium takes for reads, writes and flushes, in nanoseconds; 0: they are done at once. Default 0. */
  readonly latency?: number;
  /** Needed for a latency. */
  readonly scheduler?: Scheduler;
}

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

/** Does one type of request: the status, or {@linkcode PENDING} or {@linkcode LATER}. */
type Handler = (chain: Chain, queue: number) => number;

/** A virtio block device without transport and rings. */
export class BlockModel implements VirtioModel {
  readonly type: number = BLOCK_DEVICE;
  readonly features: readonly number[];
  readonly legacyFeatures: readonly number[];
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
  /** The device around it; set once. */
  device: VirtioDevice | null = null;
  #writeThrough = false;
  #accepted: FeatureSet | null = null;
  readonly #options: BlockModelOptions;
  readonly #traits: FullTraits;
  readonly #manners: BlockManners;
  readonly #port: DevicePort;
  readonly #backend: BlockBackend;
  readonly #readOnly: boolean;
  readonly #blockSectors: number;
  readonly #transfer: Transfer;
  readonly #later: LaterRequests | null;
  readonly #serial: Uint8Array;
  readonly #header = new PrivateCopy(HEADER);
  readonly #segments: PrivateCopy;
  readonly #statusByte = new Uint8Array(STATUS_SIZE);
  readonly #handlers: readonly (Handler | undefined)[];
  #capacity: number;

  /** A device over `options.backend`. */
  constructor(options: BlockModelOptions) {
    const { port, backend, serial, personality = "spec" } = options;
    const traits = fullTraits(options);
    this.#options = options;
    this.#traits = traits;
    this.#manners = BLOCK_MANNERS[personality];
    this.#port = port;
    this.#backend = backend;
    this.#readOnly = traits.readOnly;
    this.#blockSectors = traits.blockSize / SECTOR_SIZE;
    this.#capacity = capacityOf(backend, traits);
    this.#transfer = new Transfer(backend);
    this.#later = this.#makeLater(options);
    this.#serial = serialBytes(serial, this.#manners.padsSerial);
    this.#segments = new PrivateCopy(traits.maxSegments * Segment.size);
    this.#handlers = this.#makeHandlers();
    this.queueSizes = new Array<number>(traits.queues).fill(traits.queueSize);
    this.features = blockFeatures(traits);
    const { transport } = options;
    this.legacyFeatures = transport === "transitional" || transport === "legacy"
      ? this.#manners.legacyFeatures[transport]
      : [];
    this.config = blockConfig(traits, this.#capacity).slice(0, configSize(traits, this.#manners.configSize));
    this.#chooseCache(traits.writeCache);
  }

  /** A driver that can neither flush nor choose is promised that a completed write is stable (§5.2.6.2). */
  negotiated(features: FeatureSet): boolean {
    this.#accepted = features;
    const cached = features.has(BlockFeature.FLUSH) || features.has(BlockFeature.CONFIG_WCE);
    this.#chooseCache(cached && this.#traits.writeCache);
    return true;
  }

  /** The one field that a driver writes: whether writes may stay in the cache (§5.2.5). */
  configWritten(offset: number, value: number): void {
    if (offset === BlockConfig.at.writeback && this.#accepted?.has(BlockFeature.CONFIG_WCE)) {
      // What the cache holds must not be forgotten when it is turned off.
      if ((value & 1) === 0) this.#backend.flush();
      this.#chooseCache((value & 1) !== 0);
    }
  }

  /** See {@linkcode VirtioModel.queueReset}. */
  queueReset(queue: number): void {
    this.#later?.forget(queue);
  }

  /** See {@linkcode VirtioModel.reset}. */
  reset(): void {
    this.#accepted = null;
    this.#later?.forget();
    this.#chooseCache(this.#traits.writeCache);
  }

  /** Gives the medium `size` bytes and tells the driver. False when it cannot be. */
  resize(size: number): boolean {
    const { blockSize } = this.#traits;
    if (this.#readOnly || !(size > 0) || size % blockSize !== 0 || this.#backend.resize?.(size) !== true) return false;
    this.#capacity = capacityOf(this.#backend, this.#traits);
    const writeback = this.config[BlockConfig.at.writeback];
    this.config.set(blockConfig(this.#traits, this.#capacity).subarray(0, this.config.length));
    this.config[BlockConfig.at.writeback] = writeback;
    this.device?.configChanged();
    return true;
  }

  /** See {@linkcode VirtioModel.request}. */
  request(queue: number, chain: Chain): Outcome {
    if (chain.readBytes < HEADER) return this.#malformed("request header too short");
    if (chain.writeBytes < STATUS_SIZE) return this.#malformed("no room for the status");
    const read = chain.readHead(this.#port, this.#header, HEADER);
    if (read === BusStatus.PENDING) return Outcome.PENDING;
    if (read !== BusStatus.OK) {
      if (!this.#manners.ignoresUnreachable) return this.#malformed("request header leads nowhere");
      this.#header.bytes.fill(0);
    }
    chain.written = 0;
    const status = this.#execute(chain, queue);
    if (status >= 0) return this.#finish(chain, status);
    return ENDS[-status];
  }

  /** Does what the header says. Sets `chain.written` to the data written. */
  #execute(chain: Chain, queue: number): number {
    let type = this.#header.words[TYPE] >>> 0;
    if (this.#manners.ignoresBarrier) type = (type & ~BARRIER_BIT) >>> 0;
    // What most requests are needs no table.
    if (type === RequestType.IN) return this.#transferData(chain, queue, false, chain.writeBytes - STATUS_SIZE);
    if (type === RequestType.OUT) return this.#transferData(chain, queue, true, chain.readBytes - HEADER);
    const handler = this.#handlers[type];
    return handler === undefined ? RequestStatus.UNSUPP : handler(chain, queue);
  }

  /** By request type, but for reads and writes. */
  #makeHandlers(): (Handler | undefined)[] {
    const table: (Handler | undefined)[] = new Array(RequestType.SECURE_ERASE + 1).fill(undefined);
    table[RequestType.FLUSH] = table[RequestType.FLUSH_OUT] = (chain, queue) => this.#flush(chain, queue);
    table[RequestType.GET_ID] = (chain) => this.#getId(chain);
    if (this.#manners.looksAtScsi) table[RequestType.SCSI_CMD] = table[RequestType.SCSI_CMD_OUT] = scsi;
    const range = (feature: number, action: RangeAction): Handler => (chain) => this.#ranges(chain, feature, action);
    table[RequestType.DISCARD] = range(BlockFeature.DISCARD, DISCARD_ACTION);
    table[RequestType.WRITE_ZEROES] = range(BlockFeature.WRITE_ZEROES, ZEROES_ACTION);
    table[RequestType.SECURE_ERASE] = range(BlockFeature.SECURE_ERASE, ERASE_ACTION);
    return table;
  }

  #transferData(chain: Chain, queue: number, write: boolean, length: number): number {
    const hi = this.#header.words[SECTOR_HI] >>> 0;
    const sector = hi * TWO32 + (this.#header.words[SECTOR_LO] >>> 0);
    if (write && this.#readOnly) return RequestStatus.IOERR;
    if (length % SECTOR_SIZE !== 0 || !this.#inRange(sector, length / SECTOR_SIZE)) return RequestStatus.IOERR;
    if (this.#later !== null) return this.#startLater(chain, queue, write, sector * SECTOR_SIZE, length);
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
    const lost = status !== BusStatus.OK && !this.#manners.ignoresUnreachable;
    if (lost || transfer.failed) return RequestStatus.IOERR;
    return write ? this.#settled() : RequestStatus.OK;
  }

  /**
   * Whether `sectors` sectors from `sector` are whole blocks on the medium, and not too many. A sector above 2^53 is beyond
   * it, however it was rounded.
   */
  #inRange(sector: number, sectors: number): boolean {
    if (sectors > MAX_SECTORS || sector > this.#capacity - sectors) return false;
    const block = this.#blockSectors;
    return block === 1 || (sectors % block === 0 && sector % block === 0);
  }

  /** What a write ends with: without a cache it is on the medium first. */
  #settled(): number {
    return this.#writeThrough && !this.#backend.flush() ? RequestStatus.IOERR : RequestStatus.OK;
  }

  #flush(chain: Chain, queue: number): number {
    if (this.#later !== null) return this.#startLater(chain, queue, false, 0, 0);
    return this.#flushNow();
  }

  #flushNow(): number {
    if (!this.#backend.flush()) return RequestStatus.IOERR;
    this.flushes++;
    return RequestStatus.OK;
  }

  #getId(chain: Chain): number {
    const length = Math.min(this.#serial.length, chain.writeBytes - STATUS_SIZE);
    const status = chain.write(this.#port, 0, this.#serial, 0, length);
    if (status === BusStatus.PENDING) return PENDING;
    if (status !== BusStatus.OK && !this.#manners.ignoresUnreachable) return RequestStatus.IOERR;
    chain.written = length;
    return RequestStatus.OK;
  }

  /** DISCARD and its like: the data is a list of segments. */
  #ranges(chain: Chain, feature: number, action: RangeAction): number {
    if (!this.#serves(feature)) return RequestStatus.UNSUPP;
    const length = chain.readBytes - HEADER;
    if (length > this.#segments.bytes.length) return RequestStatus.UNSUPP;
    if (length < Segment.size && this.#manners.breaksOnShortSegment) {
      this.problem = "segment too short";
      return BROKEN;
    }
    if (length === 0 || length % Segment.size !== 0) return RequestStatus.IOERR;
    const read = chain.read(this.#port, HEADER, this.#segments.bytes, 0, length);
    if (read === BusStatus.PENDING) return PENDING;
    if (read !== BusStatus.OK) return RequestStatus.IOERR;
    const { words } = this.#segments;
    const count = length / Segment.size;
    const status = runSegments(
      this.#backend,
      action,
      words,
      count,
      (sector, sectors) => this.#inRange(sector, sectors),
    );
    return status === RequestStatus.OK ? this.#settled() : status;
  }

  #serves(feature: number): boolean {
    const unasked = this.#manners.servesUnnegotiated && this.features.includes(feature);
    return unasked || this.#accepted?.has(feature) === true;
  }

  #chooseCache(cached: boolean): void {
    this.#writeThrough = !cached;
    this.config[BlockConfig.at.writeback] = cached ? 1 : 0;
  }

  #makeLater({ port, backend, scheduler, latency = 0 }: BlockModelOptions): LaterRequests | null {
    if (latency === 0 || scheduler === undefined) return null;
    const alive = () => this.device?.breakdown === "";
    const ended = (request: LaterRequest, status: number, moved: number) => this.#ended(request, status, moved);
    return new LaterRequests({ port, backend, scheduler, latency, alive, ended });
  }

  #startLater(chain: Chain, queue: number, write: boolean, position: number, length: number): number {
    const last = chain.count - 1;
    const at = chain.length[last] - STATUS_SIZE;
    const statusLo = chain.lo[last] + at | 0;
    const statusHi = (statusLo >>> 0) < (chain.lo[last] >>> 0) ? chain.hi[last] + 1 | 0 : chain.hi[last];
    const { type, sector } = RequestHeader.decode(this.#header.bytes);
    const before = chain.writeBytes - STATUS_SIZE;
    const request = { queue, id: chain.id, statusHi, statusLo, before, write, position, length, type, sector };
    const status = this.#later!.start(chain, write ? HEADER : 0, request);
    if (status === BusStatus.PENDING) return PENDING;
    return status === BusStatus.OK ? LATER : RequestStatus.IOERR;
  }

  /** The medium is done with a request. */
  #ended(request: LaterRequest, status: number, moved: number): void {
    this.bytes += moved;
    if (status === RequestStatus.OK) {
      if (request.write) status = this.#settled();
      else if (request.length === 0 && isFlush(request.type)) status = this.#flushNow();
    }
    this.#answer(request, status, request.write ? 0 : moved);
  }

  #answer(request: LaterRequest, status: number, written: number): void {
    this.#statusByte[0] = status;
    const wrote = this.#port.writeAt(request.statusHi, request.statusLo, this.#statusByte, 0, STATUS_SIZE);
    const { device } = this;
    if (wrote === BusStatus.PENDING) {
      return this.#port.park(() => {
        if (device?.breakdown === "") this.#answer(request, status, written);
      });
    }
    if (wrote !== BusStatus.OK && !this.#manners.ignoresUnreachable) return device?.needsReset("status leads nowhere");
    this.#count(request.type, request.sector, status);
    device?.complete(request.queue, request.id, this.#usedLength(request.before, written));
  }

  /** Writes the status, the very last writable byte. */
  #finish(chain: Chain, status: number): Outcome {
    const at = chain.writeBytes - STATUS_SIZE;
    this.#statusByte[0] = status;
    const wrote = chain.write(this.#port, at, this.#statusByte, 0, STATUS_SIZE);
    if (wrote === BusStatus.PENDING) return Outcome.PENDING;
    if (wrote !== BusStatus.OK && !this.#manners.ignoresUnreachable) return this.#malformed("status leads nowhere");
    chain.written = this.#usedLength(at, chain.written);
    this.requests++;
    if (status !== RequestStatus.OK) this.errors++;
    if (this.#options.events.listening) this.#reportHeader(status);
    return Outcome.DONE;
  }

  /** The prefix that was really written (§2.7.8.2): it reaches the status behind `before` bytes only without a gap. */
  #usedLength(before: number, written: number): number {
    return this.#manners.usedLength === "all" || written === before ? before + STATUS_SIZE : written;
  }

  #malformed(problem: string): Outcome {
    this.problem = problem;
    return Outcome.BROKEN;
  }

  #reportHeader(status: number): void {
    const { type, sector } = RequestHeader.decode(this.#header.bytes);
    this.#report(type, sector, status);
  }

  #count(type: number, sector: bigint, status: number): void {
    this.requests++;
    if (status !== RequestStatus.OK) this.errors++;
    if (this.#options.events.listening) this.#report(type, sector, status);
  }

  #report(type: number, sector: bigint, status: number): void {
    const { id, events } = this.#options;
    events.emit({ type: "request", device: id, request: requestName(type), sector: String(sector), status });
  }
}

// Beside the statuses of RequestStatus: other ends of a handler's work.
/** An address is not translated yet. */
const PENDING = -1;
/** The answer comes later. */
const LATER = -2;
/** The request is malformed. */
const BROKEN = -3;
const ENDS: readonly Outcome[] = [Outcome.DONE, Outcome.PENDING, Outcome.LATER, Outcome.BROKEN];

/** No command is known, but whether it could be one is looked at first (QEMU virtio_blk_handle_scsi_req). */
function scsi({ readable, count }: Chain): number {
  return readable < 2 || count - readable < 3 ? RequestStatus.IOERR : RequestStatus.UNSUPP;
}

function isFlush(type: number): boolean {
  return (type & ~BARRIER_BIT & ~1) >>> 0 === RequestType.FLUSH;
}

/** Sectors: whole blocks. */
function capacityOf({ size }: BlockBackend, { blockSize }: FullTraits): number {
  return Math.floor(size / blockSize) * (blockSize / SECTOR_SIZE);
}

function requestName(type: number): string {
  return Object.entries(RequestType).find(([, value]) => value === type)?.[0] ?? `type ${type}`;
}

/** The serial number as it goes over the wire: cut to {@linkcode SERIAL_SIZE} bytes, padded with NUL to them or by one. */
function serialBytes(serial: string, padded: boolean): Uint8Array {
  const text = new TextEncoder().encode(serial).subarray(0, SERIAL_SIZE);
  const bytes = new Uint8Array(padded ? SERIAL_SIZE : Math.min(SERIAL_SIZE, text.length + 1));
  bytes.set(text);
  return bytes;
}

/**
 * A disk: its state, and data that moves by PIO or by the bus master. What its commands are stands in
 * `device_disk_commands.ts`.
 *
 * @module
 */

import { type BlockBackend, FlushGate } from "@iova/block";
import { firstSector, isLba, putSector, sectorCount } from "./device_address.ts";
import { COMMANDS } from "./device_disk_commands.ts";
import { DiskRequest } from "./device_disk_request.ts";
import { Drive, type DriveBus, type TaskFile } from "./device_drive.ts";
import {
  defaultGeometry,
  diskBlock,
  type DriveIdentity,
  type Geometry,
  putMultiple,
  putWriteCache,
} from "./device_identify.ts";
import { DmaOutcome } from "./device_request.ts";
import { CommandBlock, ErrorBits, MAX_MULTIPLE, SECTOR, Signature, Status } from "./layout.ts";

const { at } = CommandBlock;

/** What a disk is made of. */
export interface DiskOptions extends DriveIdentity {
  /** The medium; the machine closes it. */
  readonly backend: BlockBackend;
  /** Refuses writes. */
  readonly readOnly: boolean;
  /** The translation; absent: what {@linkcode defaultGeometry} makes of the capacity. */
  readonly geometry?: Geometry;
}

/** See the module's text. */
export class Disk extends Drive {
  /** Sectors. */
  readonly capacity: number;
  readonly options: DiskOptions;
  /** The IDENTIFY block as it is now. */
  block: Uint8Array<ArrayBuffer>;
  /** The translation in use. */
  geometry: Geometry;
  /** Sectors of a block of READ and WRITE MULTIPLE; 0: they are off. */
  multiple: number = MAX_MULTIPLE;
  /** Whether the command's registers are 48 bits wide. */
  ext = false;
  /** Sectors that the command still has to move. */
  left = 1;
  protected readonly signature: number = Signature.DISK;
  protected readonly resetStatus: number = Status.mask.drdy | Status.mask.dsc;
  readonly #request: DiskRequest;
  /** What flushes pass. */
  readonly gate: FlushGate = new FlushGate();
  #flushes = 0;
  #identified = false;
  #writeCache = true;
  #blockSectors = 1;
  /** Sectors written by the data that is asked for now. */
  #asked = 0;

  /** A disk after power-on. */
  constructor(bus: DriveBus, file: TaskFile, options: DiskOptions) {
    super(bus, file, MAX_MULTIPLE * SECTOR);
    this.options = options;
    this.capacity = Math.floor(options.backend.size / SECTOR);
    this.geometry = options.geometry ?? defaultGeometry(this.capacity);
    this.block = this.#freshBlock();
    this.#request = new DiskRequest(this);
  }

  /** What the drive's channel is like, for its commands. */
  get channel(): DriveBus {
    return this.bus;
  }

  /** See {@linkcode Drive.knows}. */
  knows(command: number): boolean {
    return COMMANDS[command] !== undefined;
  }

  protected execute(command: number): void {
    COMMANDS[command]!(this);
  }

  protected clear(): void {
    this.multiple = MAX_MULTIPLE;
    if (this.bus.behaviour.tellsMultiple) putMultiple(this.block, this.multiple);
    this.ext = false;
  }

  /** See {@linkcode Drive.diagnose}. The signature is a count as well. */
  override diagnose(): void {
    this.#flushes++;
    super.diagnose();
    this.left = Signature.FIRST;
  }

  /** See {@linkcode Drive.powerOn}. */
  override powerOn(): void {
    this.geometry = this.options.geometry ?? defaultGeometry(this.capacity);
    this.#writeCache = true;
    this.block = this.#freshBlock();
    this.#identified = false;
    super.powerOn();
  }

  #freshBlock(): Uint8Array<ArrayBuffer> {
    const block = diskBlock(this.options, this.geometry, this.capacity, this.bus.behaviour.trimLimit);
    putWriteCache(block, this.#writeCache);
    return block;
  }

  /** IDENTIFY DEVICE. */
  identify(): void {
    // QEMU makes the block when it is first asked for, and forgets what was set before.
    if (!this.#identified && !this.bus.behaviour.keepsEarlyModes) this.block = this.#freshBlock();
    this.#identified = true;
    this.buffer.set(this.block);
    this.offer(0, this.block.length, this.#idle);
    this.bus.interrupt();
  }

  /** A command that has outlived a reset counts by what the register holds then. */
  override counted(count: number): void {
    this.left = count;
  }

  /** A sector's registers are read, and the count; false when the command was aborted. */
  take(ext: boolean): boolean {
    this.ext = ext;
    if (ext && this.bus.behaviour.extNeedsLba && !isLba(this.file)) {
      this.abort();
      return false;
    }
    this.left = sectorCount(this.file, ext);
    return true;
  }

  /** The first sector that the registers name; negative when they name none. */
  get sector(): number {
    return firstSector(this.file, this.ext, this.geometry, this.bus.behaviour.strictChs);
  }

  /** Whether `count` sectors from `sector` are on the medium. */
  has(sector: number, count: number): boolean {
    return sector >= 0 && sector + count <= this.capacity;
  }

  /** An address that the medium does not have. */
  outOfRange(): void {
    this.abort(this.bus.behaviour.rangeError);
  }

  /** The host could not read the medium. */
  unreadable(): void {
    this.abort(this.bus.behaviour.readError);
  }

  /** The command is refused, or the host could not write. */
  refuse(): void {
    this.abort(ErrorBits.mask.abrt);
  }

  /** The command is done. */
  finish(): void {
    this.done();
  }

  /** Waits for the bus master. */
  armDma(toMemory: boolean, trim: boolean): void {
    this.status = Status.mask.drdy | Status.mask.dsc | Status.mask.drq;
    this.#request.prepare(toMemory, trim);
    this.bus.arm(this.#request);
  }

  /** The bus master is through with a command. */
  dmaEnded(outcome: DmaOutcome, toMemory: boolean, sector: number, length: number): void {
    if (outcome === DmaOutcome.SHORT) {
      // The drive still wants to move data, and waits.
      if (!this.bus.behaviour.shortMoves) this.idle();
      return;
    }
    if (outcome === DmaOutcome.MEDIUM_ERROR) return toMemory ? this.unreadable() : this.refuse();
    this.bus.completed(this.command, sector, length, false);
    this.advance(this.left);
    this.done();
  }

  /** TRIM: the count register is blocks of entries, in 8 or 16 bits; the address registers count along. */
  takeBlocks(wide: boolean): void {
    const { current, previous } = this.file;
    this.left = (wide ? previous[at.count] << 8 : 0) | current[at.count];
  }

  /** FLUSH CACHE: BSY until the medium has everything. */
  flush(): void {
    const flush = ++this.#flushes;
    this.bus.later(() =>
      this.gate.pass(() => this.options.backend.flush(), (ok) => {
        // A reset has come before.
        if (flush !== this.#flushes) return;
        if (ok) this.done();
        else this.refuse();
      })
    );
  }

  /** SET FEATURES: write cache on or off; what it holds is written first. */
  setWriteCache(on: boolean): void {
    this.#writeCache = on;
    putWriteCache(this.block, on);
    if (on) this.done();
    else this.flush();
  }

  /** READ VERIFY: every sector is read, and goes nowhere. */
  finishVerify(): void {
    while (this.left > 0) {
      const count = Math.min(this.left, MAX_MULTIPLE);
      if (!this.options.backend.read(this.sector * SECTOR, this.buffer, 0, count * SECTOR)) return this.unreadable();
      this.advance(count);
    }
    this.done();
  }

  /** Puts `sector` into the address registers. */
  putSector(sector: number): void {
    putSector(this.file, this.ext, this.geometry, sector);
  }

  /** `count` sectors are done: the registers show what is left. */
  advance(count: number): void {
    this.putSector(this.sector + count);
    this.left -= count;
    this.file.current[at.count] = this.left & 0xff;
  }

  /** READ SECTORS, READ MULTIPLE: blocks of `sectors`. */
  startRead(sectors: number): void {
    this.#blockSectors = sectors;
    this.#readBlock();
  }

  /** WRITE SECTORS, WRITE MULTIPLE: the first block is asked for without an interrupt. */
  startWrite(sectors: number): void {
    this.#blockSectors = sectors;
    this.#askBlock();
  }

  readonly #idle = (): void => this.idle();

  readonly #readBlock = (): void => {
    if (this.left === 0) return this.idle();
    const count = Math.min(this.left, this.#blockSectors);
    const { sector } = this;
    if (!this.has(sector, count)) return this.outOfRange();
    if (!this.options.backend.read(sector * SECTOR, this.buffer, 0, count * SECTOR)) return this.unreadable();
    this.bus.completed(this.command, sector, count * SECTOR, false);
    this.advance(count);
    this.offer(0, count * SECTOR, this.#readBlock);
    this.bus.interrupt();
  };

  #askBlock(): void {
    this.#asked = Math.min(this.left, this.#blockSectors);
    this.request(this.#asked * SECTOR, this.#writeBlock);
  }

  readonly #writeBlock = (): void => {
    const count = this.#asked;
    const { sector } = this;
    if (!this.has(sector, count)) return this.outOfRange();
    if (!this.options.backend.write(sector * SECTOR, this.buffer, 0, count * SECTOR)) return this.refuse();
    this.bus.completed(this.command, sector, count * SECTOR, false);
    this.advance(count);
    if (this.left === 0) return this.done();
    this.#askBlock();
    this.bus.interrupt();
  };
}

/**
 * A block driver without a device, and a world for block workloads: for tests of what stands on `BlockDriver`.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { BlockOp, BlockStatus } from "@iova/block";
 * import { blockWorld } from "@iova/block/testing";
 *
 * const { guest, driver, settle } = blockWorld();
 * driver.faults.push({ op: BlockOp.READ, sector: 8, status: BlockStatus.IO_ERROR });
 * const buffer = guest.heap.require(4096, "a buffer");
 * assertEquals(await settle(driver.read(0, buffer, 4096)), BlockStatus.OK);
 * assertEquals(await settle(driver.read(8, buffer, 512)), BlockStatus.IO_ERROR);
 * ```
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  AddressSpace,
  EventStream,
  GuestHeap,
  type GuestPort,
  loadMachine,
  type PhysAddr,
  RamRegion,
  Random,
  Scheduler,
  type WorkloadContext,
} from "@iova/core";
import { type BlockBackend, type BlockDriver, BlockOp, BlockStatus, SECTOR_SIZE } from "./contract.ts";
import { OP_NAMES } from "./names.ts";
import { RamBackend } from "./ram.ts";

/** Requests that fail: those of `op`, or any, that touch `sector`. */
export interface BlockFault {
  /** Absent: any operation. */
  readonly op?: BlockOp;
  /** Absent: any sector. */
  readonly sector?: number;
  /** What the request ends with; the medium is not touched. */
  readonly status: BlockStatus;
}

/** How long the driver's device takes, in nanoseconds of virtual time. */
const SERVICE_NS = 100;

/** A driver that moves bytes between guest memory and a medium by itself, one request after the other. */
export class MemoryBlockDriver implements BlockDriver {
  readonly drives = "block";
  readonly capacity: number;
  readonly readOnly: boolean;
  onComplete: BlockDriver["onComplete"] = () => {};
  /** Requests that fail. */
  readonly faults: BlockFault[] = [];
  /** Every request that was taken, in order: `read 8+4096`. */
  readonly log: string[] = [];
  /** Requests in flight. */
  flying: number = 0;
  /** Most requests that were ever in flight. */
  mostFlying: number = 0;
  /** Refuses once this many are in flight. */
  room: number = Infinity;
  /** Flushes done. */
  flushes: number = 0;

  /** A driver over `backend` for a guest; `scheduler` is the machine's. */
  constructor(
    readonly backend: BlockBackend,
    readonly guest: GuestPort,
    readonly scheduler: Scheduler,
    readonly queueDepth: number = 64,
    readonly maxTransfer: number = 1024 * 1024,
  ) {
    this.capacity = backend.size / SECTOR_SIZE;
    this.readOnly = backend.readOnly;
  }

  /** See {@linkcode BlockDriver.submit}. */
  submit(op: BlockOp, sector: number, buffer: PhysAddr, length: number, tag: number): boolean {
    return this.#start(op, sector, buffer, length, (status) => this.onComplete(tag, status));
  }

  /** The device looks by itself. */
  kick(): void {}

  /** See {@linkcode BlockDriver.read}. */
  read(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return new Promise((done) => void this.#start(BlockOp.READ, sector, buffer, length, done));
  }

  /** See {@linkcode BlockDriver.write}. */
  write(sector: number, buffer: PhysAddr, length: number): Promise<BlockStatus> {
    return new Promise((done) => void this.#start(BlockOp.WRITE, sector, buffer, length, done));
  }

  /** See {@linkcode BlockDriver.flush}. */
  flush(): Promise<BlockStatus> {
    return new Promise((done) => void this.#start(BlockOp.FLUSH, 0, 0, 0, done));
  }

  /** It has none. */
  serial(): Promise<string | null> {
    return Promise.resolve(null);
  }

  /** Nothing is held. */
  stop(): void {}

  #start(op: BlockOp, sector: number, buffer: PhysAddr, length: number, done: (status: BlockStatus) => void): boolean {
    if (this.flying >= Math.min(this.room, this.queueDepth)) return false;
    this.log.push(op === BlockOp.FLUSH ? "flush" : `${OP_NAMES[op]} ${sector}+${length}`);
    this.mostFlying = Math.max(this.mostFlying, ++this.flying);
    this.scheduler.after(SERVICE_NS, () => {
      this.flying--;
      done(this.#serve(op, sector, buffer, length));
    });
    return true;
  }

  #serve(op: BlockOp, sector: number, buffer: PhysAddr, length: number): BlockStatus {
    const fault = this.faults.find((fault) =>
      (fault.op ?? op) === op &&
      (fault.sector === undefined ||
        (fault.sector >= sector && fault.sector * SECTOR_SIZE < sector * SECTOR_SIZE + length))
    );
    if (fault !== undefined) return fault.status;
    if (op === BlockOp.FLUSH) {
      this.flushes++;
      return this.backend.flush() ? BlockStatus.OK : BlockStatus.IO_ERROR;
    }
    const ram = this.guest.memory.ram(buffer);
    if (ram === null) return BlockStatus.IO_ERROR;
    const move = op === BlockOp.READ ? "read" : "write";
    const moved = this.backend[move](sector * SECTOR_SIZE, ram.bytes, buffer - ram.base, length);
    return moved ? BlockStatus.OK : BlockStatus.IO_ERROR;
  }
}

/** What {@linkcode blockWorld} makes. */
export interface BlockWorld {
  /** Memory and a heap; enough for a block workload, not for a driver of a real device. */
  readonly guest: GuestPort;
  /** What moves the world. */
  readonly scheduler: Scheduler;
  /** The driver under the workload. */
  readonly driver: MemoryBlockDriver;
  /** What a workload is given. Its paths resolve in `folder`; it has no machine. */
  readonly context: WorkloadContext;
  /** Observations, if `observing`. */
  readonly observations: string[];
  /** Lets the world run until the promise settles. */
  settle<T>(until: Promise<T>): Promise<T>;
}

/** What a {@linkcode blockWorld} is made of. */
export interface BlockWorldOptions {
  /** The medium. Default: 1 MiB of pattern. */
  readonly backend?: BlockBackend;
  /** Bytes of guest memory. Default 4 MiB. */
  readonly memory?: number;
  /** Default 64. */
  readonly queueDepth?: number;
  /** Default 1 MiB. */
  readonly maxTransfer?: number;
  /** Default false. */
  readonly observing?: boolean;
  /** Default 1. */
  readonly seed?: number;
  /** Default: the current folder. */
  readonly folder?: string;
}

/** A world for one block workload. */
export function blockWorld(options: BlockWorldOptions = {}): BlockWorld {
  const scheduler = new Scheduler();
  const memory = new AddressSpace();
  const size = options.memory ?? 4 * 1024 * 1024;
  memory.addRam(new RamRegion(0, new ArrayBuffer(size)));
  const guest = {
    memory,
    heap: new GuestHeap(memory, [[4096, size]]),
    get now() {
      return scheduler.now;
    },
    post: (work: () => void) => scheduler.post(work),
  } as unknown as GuestPort;
  const backend = options.backend ?? new RamBackend(1024 * 1024);
  const driver = new MemoryBlockDriver(backend, guest, scheduler, options.queueDepth, options.maxTransfer);
  const observations: string[] = [];
  const context = {
    driver,
    device: "disk0",
    guest,
    random: new Random(options.seed ?? 1),
    events: new EventStream(() => scheduler.now),
    where: { file: "machine.json", path: "workload[0]" },
    resolvePath: (path: string) => path.startsWith("/") ? path : `${options.folder ?? "."}/${path}`,
    progress: () => {},
    observing: options.observing ?? false,
    observe: (what: string) => void observations.push(what),
  } as unknown as WorkloadContext;
  return { guest, scheduler, driver, context, observations, settle: (until) => scheduler.run(until) };
}

/**
 * For tests of disks by the plugin `use`: what a driver has written and flushed through a whole machine is in the image
 * afterwards, and nothing else is.
 *
 * @throws {Error} when it is not.
 */
export async function checkImageWrites(use: string): Promise<void> {
  const image = Deno.makeTempFileSync();
  try {
    Deno.truncateSync(image, 64 * SECTOR_SIZE);
    const devices = [{ id: "disk0", use, with: { image } }];
    const machine = await loadMachine({ memory: "16MiB", platform: "direct", devices });
    const driver = machine.driver<BlockDriver>("disk0");
    const buffer = machine.guest.heap.require(2 * SECTOR_SIZE, "a buffer", SECTOR_SIZE);
    machine.guest.memory.bytes(buffer, 2 * SECTOR_SIZE).fill(0x5a);
    assertEquals(await machine.settle(driver.write(62, buffer, 2 * SECTOR_SIZE)), BlockStatus.OK);
    assertEquals(await machine.settle(driver.flush()), BlockStatus.OK);
    const bytes = Deno.readFileSync(image);
    assert(bytes.subarray(62 * SECTOR_SIZE).every((byte) => byte === 0x5a));
    assert(bytes.subarray(0, 62 * SECTOR_SIZE).every((byte) => byte === 0));
    machine.stop();
  } finally {
    Deno.removeSync(image);
  }
}

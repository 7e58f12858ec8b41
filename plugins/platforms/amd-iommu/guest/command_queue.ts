/**
 * The command ring as Linux drives it: 512 commands, completion by a counter that the IOMMU stores
 * (drivers/iommu/amd/iommu.c). The tail register is written once for all commands before a wait, where Linux writes it
 * after each; the IOMMU sees the same commands in the same slots.
 *
 * @module
 */

import { type GuestPort, PAGE_SIZE, type PhysAddr } from "@iova/core";
import {
  Command,
  CompletionWait,
  ENTRY_SIZE,
  InvalidateIommuPages,
  InvalidateIotlbPages,
  Opcode,
  Register,
  RingBase,
} from "../layout.ts";
import { COSTS } from "./costs.ts";
import type { InvalidationRange } from "./invalidation_range.ts";
import type { TableMemory } from "./memory.ts";
import type { Registers } from "./registers.ts";

/** Length code of Linux's rings: 2^9 entries. */
export const RING_LENGTH_CODE = 9;
/** Bytes of Linux's rings. */
export const RING_BYTES: number = 2 ** RING_LENGTH_CODE * ENTRY_SIZE;
/** Turns of a wait before it is given up (LOOP_TIMEOUT). */
export const LOOP_TIMEOUT = 100_000;

const TAIL_MASK = RING_BYTES - 1;
/** Bytes that are kept free: the ring counts as full with two commands' room. */
const KEPT_FREE = 0x20;
const OPCODE = (value: number) => value << Command.shift.opcode;
const DOMAIN = InvalidateIommuPages.shift.domainId;
const QUEUE = InvalidateIotlbPages.shift.queueId;
const MAX_PEND = InvalidateIotlbPages.shift.maxPend;
const PRG_RESPONSE = 12;

/** The ring, and what Linux puts into it. */
export class CommandQueue {
  /** Commands queued. */
  commands = 0;
  /** Completion waits. */
  waits = 0;
  readonly ring: PhysAddr;
  /** Where completion waits store their counter: 8 bytes at the start of a page. */
  readonly semaphore: PhysAddr;
  readonly #guest: GuestPort;
  readonly #registers: Registers;
  readonly #memory: TableMemory;
  readonly #warn: (id: string, message: string) => void;
  #tail = 0;
  #head = 0;
  #expected = 0;
  #needsSync = false;

  /** Allocates ring and semaphore. @throws {GuestMemoryError} when there is no room. */
  constructor(
    guest: GuestPort,
    registers: Registers,
    memory: TableMemory,
    warn: (id: string, message: string) => void,
  ) {
    this.#guest = guest;
    this.#registers = registers;
    this.#memory = memory;
    this.#warn = warn;
    this.ring = guest.heap.require(RING_BYTES, "the AMD IOMMU's command ring", RING_BYTES);
    this.semaphore = guest.heap.require(PAGE_SIZE, "the AMD IOMMU's completion semaphore", PAGE_SIZE);
  }

  /** Programs the ring and starts it. */
  enable(): void {
    const registers = this.#registers;
    registers.control("cmdBufEn", 0);
    registers.write64(
      Register.CMD_BUF_BASE,
      RingBase.encode({ base: BigInt(this.ring) >> 12n, length: RING_LENGTH_CODE }),
    );
    registers.write(Register.CMD_HEAD, 0);
    registers.write(Register.CMD_TAIL, 0);
    this.#tail = this.#head = 0;
    registers.control("cmdBufEn", 1);
  }

  /** Stops the ring and gives its memory back. */
  stop(): void {
    this.#registers.control("cmdBufEn", 0);
    this.#guest.heap.free(this.ring);
    this.#guest.heap.free(this.semaphore);
  }

  /** INVALIDATE_DEVTAB_ENTRY. */
  invalidateDevtabEntry(deviceId: number): void {
    this.submit(deviceId, OPCODE(Opcode.INVALIDATE_DEVTAB_ENTRY), 0, 0);
  }

  /** INVALIDATE_INTERRUPT_TABLE. */
  invalidateInterruptTable(deviceId: number): void {
    this.submit(deviceId, OPCODE(Opcode.INVALIDATE_INTERRUPT_TABLE), 0, 0);
  }

  /** INVALIDATE_IOMMU_ALL. */
  invalidateAll(): void {
    this.submit(0, OPCODE(Opcode.INVALIDATE_IOMMU_ALL), 0, 0);
  }

  /** INVALIDATE_IOMMU_PAGES for host translations, directory entries included. */
  invalidatePages(domainId: number, range: InvalidationRange): void {
    const low = range.lo | InvalidateIommuPages.mask.pde | (range.sized ? InvalidateIommuPages.mask.s : 0);
    this.submit(0, OPCODE(Opcode.INVALIDATE_IOMMU_PAGES) | domainId << DOMAIN, low, range.hi);
  }

  /** INVALIDATE_IOTLB_PAGES: the device's own cache; `queueDepth` 0 stands for 32. */
  invalidateIotlb(deviceId: number, queueDepth: number, range: InvalidationRange): void {
    const low = range.lo | (range.sized ? InvalidateIotlbPages.mask.s : 0);
    const first = deviceId | (queueDepth & 0xff) << MAX_PEND;
    this.submit(first, OPCODE(Opcode.INVALIDATE_IOTLB_PAGES) | deviceId << QUEUE, low, range.hi);
  }

  /** COMPLETE_PPR_REQUEST without a PASID. */
  completePpr(deviceId: number, group: number, response: number): void {
    this.submit(deviceId, OPCODE(Opcode.COMPLETE_PPR_REQUEST), 0, group | response << PRG_RESPONSE);
  }

  /**
   * Queues four words; the IOMMU is told with the next {@linkcode CommandQueue.wait}, or when the ring is full. Waits for
   * room, and gives up with a warning when there never is any.
   */
  submit(w0: number, w1: number, w2: number, w3: number): boolean {
    if (!this.#room()) return false;
    this.#memory.write128(this.ring + this.#tail, w0, w1, w2, w3);
    this.#tail = (this.#tail + ENTRY_SIZE) & TAIL_MASK;
    this.commands++;
    this.#needsSync = true;
    this.#guest.spend(COSTS.command);
    return true;
  }

  /** Tells the IOMMU how far the ring is filled. */
  #ring(): void {
    this.#registers.write(Register.CMD_TAIL, this.#tail);
  }

  /** Waits until everything queued so far has been done. False, with a warning, when it never is. */
  wait(): boolean {
    if (!this.#needsSync) return true;
    const value = this.#expected = (this.#expected + 1) | 0;
    const { semaphore } = this;
    const high = (semaphore / 4294967296) | 0;
    this.#needsSync = false;
    if (!this.submit(semaphore | CompletionWait.mask.s, OPCODE(Opcode.COMPLETION_WAIT) | high, value, 0)) return false;
    this.#ring();
    this.#needsSync = false;
    this.waits++;
    this.#guest.spend(COSTS.completionWait);
    for (let turn = 0; turn < LOOP_TIMEOUT; turn++) {
      // The counter may have run past the value already; compare as a signed difference.
      if (((this.#memory.read(semaphore) - value) | 0) >= 0) return true;
      if (this.#guest.relax()) continue;
      this.#guest.spend(COSTS.spin);
    }
    this.#warn("completion-wait", "AMD-Vi: Completion-Wait loop timed out");
    return false;
  }

  #room(): boolean {
    const next = (this.#tail + ENTRY_SIZE) & TAIL_MASK;
    for (let turn = 0; turn < LOOP_TIMEOUT; turn++) {
      if (((this.#head - next) & TAIL_MASK) > KEPT_FREE) return true;
      if (turn === 1) this.#ring();
      if (turn > 0 && !this.#guest.relax()) this.#guest.spend(COSTS.spin);
      this.#head = this.#registers.read(Register.CMD_HEAD);
    }
    this.#warn("command-ring", "AMD-Vi: Command buffer timeout");
    return false;
  }
}

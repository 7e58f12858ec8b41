/**
 * What a drive asks of the bus master: bytes that move between its medium and memory.
 *
 * @module
 */

/** How a request ended. */
export const DmaOutcome = {
  /** Every byte has moved. */
  DONE: 0,
  /** The table described less: the drive goes on waiting, or is idle, as its personality has it. */
  SHORT: 1,
  /** The medium failed. */
  MEDIUM_ERROR: 2,
} as const;
/** One of {@linkcode DmaOutcome}'s values. */
export type DmaOutcome = typeof DmaOutcome[keyof typeof DmaOutcome];

/** A command that waits for the bus master. The drive keeps one object for all its commands. */
export interface DmaRequest {
  /** Whether the drive's data goes to memory. */
  readonly toMemory: boolean;
  /** Bytes; known once {@linkcode DmaRequest.begin} was called. */
  readonly length: number;
  /** The engine has started: what is to move is fixed now. */
  begin(): void;
  /** The table is known and long enough. False: the drive has aborted the command by itself, and nothing moves. */
  accept(): boolean;
  /** Copies `length` bytes of the medium, from byte `at` of the request, into lent memory; false when it failed. */
  read(at: number, into: Uint8Array, offset: number, length: number): boolean;
  /** Gives the first `length` bytes of the request to the medium; false when it failed. */
  write(from: Uint8Array, length: number): boolean;
  /** The end. The drive sets its registers and interrupts. */
  ended(outcome: DmaOutcome): void;
}

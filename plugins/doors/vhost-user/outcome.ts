/**
 * What becomes of a request.
 *
 * @module
 */

import type { WireMessage } from "./wire.ts";
import type { Session } from "./session.ts";

/** How handling a request ended; any other number is a refusal, and the acknowledgement's value. */
export const Handled = {
  /** Done: acknowledged if that was asked for. */
  OK: 0,
  /** Refused: acknowledged with 1 if that was asked for. */
  REFUSED: 1,
  /** Answered already. */
  REPLIED: -1,
  /** The connection cannot go on. */
  CLOSE: -2,
} as const;
/** One of {@linkcode Handled}'s values. */
export type Handled = typeof Handled[keyof typeof Handled];

/** A request that is known. */
export interface Handler {
  /** Bytes of payload; absent: the handler looks for itself. */
  readonly size?: number;
  /** The bit of the protocol feature that it belongs to; absent: the base protocol. */
  readonly feature?: number;
  /** Does it. */
  run(session: Session, message: WireMessage): Handled;
}

/** Known requests by number. */
export type Handlers = Readonly<Record<number, Handler>>;

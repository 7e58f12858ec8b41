/**
 * Operations and statuses in words, for messages and observations.
 *
 * @module
 */

import { BlockOp, BlockStatus } from "./contract.ts";

/** The names of operations, by value. */
export const OP_NAMES: Readonly<Record<BlockOp, string>> = {
  [BlockOp.READ]: "read",
  [BlockOp.WRITE]: "write",
  [BlockOp.FLUSH]: "flush",
  [BlockOp.GET_ID]: "get-id",
  [BlockOp.DISCARD]: "discard",
  [BlockOp.WRITE_ZEROES]: "write-zeroes",
  [BlockOp.SECURE_ERASE]: "secure-erase",
};

/** The names of statuses, by value. */
export const STATUS_NAMES: Readonly<Record<BlockStatus, string>> = {
  [BlockStatus.OK]: "OK",
  [BlockStatus.IO_ERROR]: "IO_ERROR",
  [BlockStatus.UNSUPPORTED]: "UNSUPPORTED",
  [BlockStatus.DEVICE_GONE]: "DEVICE_GONE",
};

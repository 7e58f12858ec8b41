/**
 * QMP's errors: a class and a text.
 *
 * @module
 */

/** What a command answers instead of a result. */
export class QmpError extends Error {
  /** `kind` is the error's class. */
  constructor(
    readonly kind: "GenericError" | "CommandNotFound" | "DeviceNotFound" | "DeviceNotActive",
    message: string,
  ) {
    super(message);
  }
}

/** Something that the command does not say better. */
export function generic(message: string): QmpError {
  return new QmpError("GenericError", message);
}

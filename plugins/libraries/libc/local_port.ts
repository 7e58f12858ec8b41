/**
 * A port of this computer that nobody else may have.
 *
 * @module
 */

import { bind, close } from "./calls.ts";
import { Socket } from "./constants.ts";
import { calls, checked } from "./ffi.ts";

const LOOPBACK = [127, 0, 0, 1];

/**
 * Takes a TCP port of the loopback interface without listening on it: whoever wants to listen there cannot. The
 * descriptor, closed on exec, or a negative errno.
 */
export function holdLocalPort(port: number): number {
  const fd = checked(calls().socket(Socket.AF_INET, Socket.STREAM | Socket.CLOEXEC, 0));
  if (fd < 0) return fd;
  const address = new Uint8Array(16);
  address.set([Socket.AF_INET, 0, port >> 8, port & 0xff, ...LOOPBACK]);
  const failed = bind(fd, address);
  if (failed >= 0) return fd;
  close(fd);
  return failed;
}

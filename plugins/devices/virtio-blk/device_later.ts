/**
 * Requests on a medium that takes time: they hold a lease over their buffers, so that the platform can take the memory
 * away in the middle, and are answered when the medium is done.
 *
 * @module
 */

import type { BlockBackend } from "@iova/block";
import { Access, BusStatus, type DevicePort, type Lease, type LeaseRange, type Scheduler } from "@iova/core";
import type { Chain } from "@iova/virtio";
import { RequestStatus } from "./layout.ts";

/** What is to be done when the medium is ready. */
export interface LaterRequest {
  /** Queue and chain, as the device wants them back. */
  readonly queue: number;
  /** See {@linkcode LaterRequest.queue}. */
  readonly id: number;
  /** Where the status goes, signed halves. */
  readonly statusHi: number;
  /** See {@linkcode LaterRequest.statusHi}. */
  readonly statusLo: number;
  /** Bytes that the device may write before the status. */
  readonly before: number;
  /** Data goes from the driver to the medium. */
  readonly write: boolean;
  /** Byte position on the medium. */
  readonly position: number;
  /** Bytes of data. */
  readonly length: number;
  /** What was asked, for reports. */
  readonly type: number;
  /** First sector, for reports. */
  readonly sector: bigint;
}

/** How such a request ended. */
export type LaterEnd = (request: LaterRequest, status: number, moved: number) => void;

/** What the requests of one device have in common. */
export interface LaterOptions {
  readonly port: DevicePort;
  readonly backend: BlockBackend;
  readonly scheduler: Scheduler;
  /** Nanoseconds that the medium takes for each. */
  readonly latency: number;
  /** Whether the device still works: one that broke touches no memory any more. */
  readonly alive: () => boolean;
  readonly ended: LaterEnd;
}

/** All that are under way. */
export class LaterRequests {
  readonly #options: LaterOptions;
  readonly #flying = new Set<{ request: LaterRequest; lease: Lease | null }>();

  /** None yet. */
  constructor(options: LaterOptions) {
    this.#options = options;
  }

  /** Begins a request; `skip` bytes of the stream stand before its data. Anything but OK: nothing was begun. */
  start(chain: Chain, skip: number, request: LaterRequest): BusStatus {
    const ranges = rangesOf(chain, skip, request);
    let lease: Lease | null = null;
    if (ranges.length > 0) {
      const mapped = this.#options.port.map(ranges, { onRevoke: (revoked) => revoked.release() });
      if (!mapped.ok) return mapped.status;
      lease = mapped.lease;
    }
    const flight = { request, lease };
    this.#flying.add(flight);
    this.#options.scheduler.after(this.#options.latency, () => {
      // Forgotten when its queue or its device was reset.
      if (!this.#flying.delete(flight)) return;
      if (this.#options.alive()) this.#end(request, lease);
      else lease?.release();
    });
    return BusStatus.OK;
  }

  /** Forgets what is under way in a queue, or in all of them. */
  forget(queue?: number): void {
    for (const flight of this.#flying) {
      if (queue !== undefined && flight.request.queue !== queue) continue;
      this.#flying.delete(flight);
      flight.lease?.release();
    }
  }

  #end(request: LaterRequest, lease: Lease | null): void {
    const { position, length, write } = request;
    let moved = 0;
    let good = true;
    const done = length === 0 || lease?.use((views) => {
      for (const view of views) {
        for (const { bytes } of view) {
          good = good && this.#move(write, position + moved, bytes);
          if (good) moved += bytes.length;
        }
      }
      return true;
    });
    lease?.release();
    this.#options.ended(request, done === true && good ? RequestStatus.OK : RequestStatus.IOERR, moved);
  }

  #move(write: boolean, position: number, bytes: Uint8Array): boolean {
    const { backend } = this.#options;
    return write ? backend.write(position, bytes, 0, bytes.length) : backend.read(position, bytes, 0, bytes.length);
  }
}

/** The buffers that hold a request's data. */
function rangesOf(chain: Chain, skip: number, { write, length }: LaterRequest): LeaseRange[] {
  const ranges: LeaseRange[] = [];
  let i = write ? 0 : chain.readable;
  for (let left = length; left > 0; i++) {
    const size = chain.length[i];
    if (skip >= size) {
      skip -= size;
      continue;
    }
    const part = Math.min(left, size - skip);
    const lo = chain.lo[i] + skip | 0;
    const hi = (lo >>> 0) < (chain.lo[i] >>> 0) ? chain.hi[i] + 1 | 0 : chain.hi[i];
    ranges.push({ hi, lo, length: part, access: write ? Access.READ : Access.WRITE });
    left -= part;
    skip = 0;
  }
  return ranges;
}

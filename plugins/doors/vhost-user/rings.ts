/**
 * The rings of one connection: when the device works on them, and where.
 *
 * A ring runs from the moment on that the front-end has given it a size, a place and a kick and has enabled it. It is
 * then looked at once without being asked, so that no kick is lost. It stops when it is disabled, when its base is asked
 * for and while memory changes; the device then keeps nothing of it but the place where it stopped.
 *
 * @module
 */

import { close, setNonBlocking, takeEvent } from "@iova/libc";
import type { DeviceQueue, VirtioQueue } from "@iova/virtio";
import type { Inflight } from "./inflight.ts";
import { Handled } from "./outcome.ts";
import type { ServedDevice } from "./served_device.ts";
import type { SharedMemory } from "./shared_memory.ts";
import { Vring } from "./vring.ts";

/** What rings need of their connection. */
export interface RingHost {
  /** Runs `ready` whenever a descriptor can be read. 0, or a negative errno. */
  watch(fd: number, ready: (events: number) => void): number;
  /** Ends that, before the descriptor is closed. */
  unwatch(fd: number): void;
  /** Logs what the peer did wrong. */
  complain(problem: string): void;
}

/** The bits of a kick's descriptor that say that it will never kick again. */
const ERROR_OR_HANGUP = 0x18;

/** See the module's text. */
export class Rings {
  /** Every ring that the device has. */
  readonly all: readonly Vring[];
  /** Rings are enabled from the start: the front-end knows no protocol features. */
  alwaysEnabled = false;
  /** Ring addresses are bus addresses: there is a virtual IOMMU. */
  translated = false;
  /** Features have been agreed on. */
  ready = false;
  /** What outlives this program; null when the front-end keeps nothing. */
  inflight: Inflight | null = null;

  /** The rings of `served` in `memory`. */
  constructor(
    readonly served: ServedDevice,
    readonly memory: SharedMemory,
    readonly host: RingHost,
  ) {
    this.all = served.virtio.queues.map((_, index) => new Vring(index));
  }

  /** Whether the device can have a ring of `size` entries. */
  canHave(size: number): boolean {
    return size > 0 && size <= Math.max(...this.served.virtio.queues.map(({ maxSize }) => maxSize));
  }

  /** Starts or stops a ring, as what is known of it says. */
  update(ring: Vring): Handled {
    const wanted = this.ready && ring.started && ring.placed && ring.size > 0 && (ring.enabled || this.alwaysEnabled);
    if (wanted === ring.active) return Handled.OK;
    if (wanted) return this.#activate(ring);
    this.#deactivate(ring);
    return Handled.OK;
  }

  /** Starts or stops every ring. */
  updateAll(): void {
    for (const ring of this.all) this.update(ring);
  }

  /** Stops a ring for good: its place is in `base`, its descriptors are closed. */
  stop(ring: Vring): void {
    ring.started = false;
    this.#deactivate(ring);
    this.#setKick(ring, -1);
    ring.install("call", -1);
  }

  /** Disables every ring. */
  disableAll(): void {
    for (const ring of this.all) {
      ring.enabled = false;
      this.#deactivate(ring);
    }
  }

  /** Does something while no ring runs; those that ran go on afterwards, with their places looked up again. */
  paused<T>(work: () => T): T {
    for (const ring of this.all) this.#deactivate(ring);
    try {
      return work();
    } finally {
      this.updateAll();
    }
  }

  /** Forgets everything that was said about rings. */
  close(): void {
    for (const ring of this.all) {
      this.stop(ring);
      ring.reset();
    }
  }

  /** See `SET_VRING_KICK`. */
  setKick(ring: Vring, fd: number): Handled {
    if (fd >= 0 && setNonBlocking(fd, true) < 0) return this.#useless(ring, fd, "kick");
    this.#setKick(ring, fd);
    const failed = fd < 0 ? 0 : this.host.watch(fd, (events) => this.#kicked(ring, events));
    if (failed < 0) {
      ring.kick = -1;
      return this.#useless(ring, fd, "kick");
    }
    ring.started = true;
    return this.update(ring);
  }

  /** See `SET_VRING_CALL`. */
  setCall(ring: Vring, fd: number): Handled {
    // A peer that never reads must not stop this program.
    if (fd >= 0 && setNonBlocking(fd, true) < 0) return this.#useless(ring, fd, "call");
    ring.install("call", fd);
    // What happened while there was nobody to be told is told now.
    if (fd >= 0) ring.interrupt();
    return Handled.OK;
  }

  /** See `SET_VRING_ERR`. */
  setErr(ring: Vring, fd: number): Handled {
    if (fd >= 0 && setNonBlocking(fd, true) < 0) return this.#useless(ring, fd, "error");
    ring.install("err", fd);
    return Handled.OK;
  }

  /** Looks at rings that nobody kicks; with `all`, at every ring that runs. */
  poll(all: boolean): void {
    for (const ring of this.all) if (ring.active && (all || ring.kick < 0)) this.served.virtio.kick(ring.index);
  }

  /** Whether some ring that runs has no kick, so that it must be looked at all the time. */
  get unkicked(): boolean {
    return this.all.some((ring) => ring.active && ring.kick < 0);
  }

  #setKick(ring: Vring, fd: number): void {
    if (ring.kick >= 0) this.host.unwatch(ring.kick);
    ring.install("kick", fd);
  }

  #kicked(ring: Vring, events: number): void {
    ring.kicks++;
    // An eventfd never hangs up; whatever else it is would wake this program for ever.
    if (takeEvent(ring.kick) < 0 || (events & ERROR_OR_HANGUP) !== 0) {
      this.host.complain(`the kick of ring ${ring.index} is dead`);
      this.host.unwatch(ring.kick);
    }
    if (ring.active) this.served.virtio.kick(ring.index);
  }

  #useless(ring: Vring, fd: number, what: string): Handled {
    close(fd);
    this.host.complain(`a ${what} descriptor for ring ${ring.index} that cannot be used`);
    return Handled.REFUSED;
  }

  #activate(ring: Vring): Handled {
    const queue = this.served.virtio.queues[ring.index];
    if (!this.#place(ring, queue)) {
      this.host.complain(`ring ${ring.index} lies outside the memory`);
      ring.complain();
      return Handled.REFUSED;
    }
    const { virtio } = this.served;
    virtio.resize(queue, ring.size);
    if (queue.size !== ring.size) {
      this.host.complain(`ring ${ring.index} of ${ring.size} entries`);
      return Handled.REFUSED;
    }
    virtio.enable(queue);
    if (queue.ring === null) return Handled.REFUSED;
    if (this.inflight === null) queue.ring.begin(ring.base);
    else queue.ring = this.inflight.watched(queue, queue.ring, virtio.port, ring.base);
    ring.active = true;
    // Requests may be there already, and their kick may have come and gone.
    virtio.kick(ring.index);
    return Handled.OK;
  }

  #deactivate(ring: Vring): void {
    if (!ring.active) return;
    ring.active = false;
    const queue = this.served.virtio.queues[ring.index];
    const { ring: live } = queue;
    if (live !== null) {
      if (finish(live)) ring.interrupt();
      ring.base = live.position;
    }
    this.served.virtio.model.queueReset?.(ring.index);
    queue.reset();
  }

  /** Tells a queue where its ring is; false when it is nowhere. */
  #place(ring: Vring, queue: VirtioQueue): boolean {
    const places = [ring.desc, ring.avail, ring.used].map((address) => this.#address(address));
    if (places.includes(null)) return false;
    [queue.descHi, queue.descLo] = places[0]!;
    [queue.driverHi, queue.driverLo] = places[1]!;
    [queue.deviceHi, queue.deviceLo] = places[2]!;
    return true;
  }

  #address(address: bigint): [hi: number, lo: number] | null {
    let bus = address;
    if (!this.translated) {
      const guest = this.memory.guestAddress(Number(address), 1);
      if (guest < 0) return null;
      bus = BigInt(guest);
    }
    return [Number(BigInt.asIntN(32, bus >> 32n)), Number(BigInt.asIntN(32, bus))];
  }
}

/** Shows what is finished; whether the driver wants to hear. */
function finish(ring: DeviceQueue): boolean {
  return ring.unpublished > 0 && ring.publish();
}

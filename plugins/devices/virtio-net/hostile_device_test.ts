// A device that writes anything into its used rings and into the buffers that it was given, at any time.

import { assert, assertEquals } from "@std/assert";
import { Random } from "@iova/core";
import { type DriverWorld, driverWorld, makeDriver } from "./testdata/driver_world.ts";

const CASES = 50_000;
const SEED = Math.floor(Date.now() / 86_400_000);
/** Cases that one driver is used for, unless it gives its device up. */
const LIFE = 50;
const SIZE = 16;
const RX_BUFFER = 512;

class HostileDevice {
  readonly #random = new Random(SEED);
  /** Rounds that ended with the device given up. */
  givenUp = 0;
  /** Frames that the driver took for frames. */
  frames = 0;
  /** What it saw through. */
  rxErrors = 0;

  constructor(readonly d: DriverWorld) {}

  /** One case. */
  run(): void {
    const { w } = this.d;
    const queue = w.device.queues[this.#below(3)];
    const used = (queue.deviceLo >>> 0) + 4;
    const { view, base } = w.space.ram(used)!;
    const at = used - base;
    const idx = view.getUint16(at - 2, true);
    const avail = (queue.driverLo >>> 0) + 4 - base;
    const waiting = (view.getUint16(avail - 2, true) - idx) & 0xffff;
    const count = this.#chance(40) ? this.#below(65536) : Math.min(waiting, 1 + this.#below(4));
    for (let i = 0; i < Math.min(count, SIZE); i++) {
      const slot = at + 8 * ((idx + i) % SIZE);
      // What was made available next is what an honest device would give back.
      const next = view.getUint16(avail + 2 * ((idx + i) % SIZE), true);
      view.setUint32(slot, this.#chance(60) ? this.#pick([this.#random.next(), this.#below(SIZE)]) : next, true);
      const honest = queue.index === 0 ? this.#pick([0, 1, 11, 12, 13, 72, 72, 512]) : queue.index === 1 ? 0 : 1;
      view.setUint32(slot + 4, this.#chance(60) ? this.#pick([this.#random.next(), 513]) : honest, true);
    }
    if (queue.index === 0) this.#headers();
    view.setUint16(at - 2, idx + count, true);
    w.device.transport!.notifyQueue(queue.index);
    if (this.#chance(10)) w.device.transport!.notifyConfig();
    let steps = 0;
    while (w.scheduler.step()) assert(++steps < 500, "the machine never rests");
  }

  /** Headers in the buffers that the driver has offered; the ring says where those are. */
  #headers(): void {
    const { w } = this.d;
    const desc = w.device.queues[0].descLo >>> 0;
    const { view, bytes, base } = w.space.ram(desc)!;
    for (let i = 0; i < SIZE; i++) {
      const buffer = view.getUint32(desc - base + 16 * i, true) - base;
      if (buffer < 0 || buffer + 12 > bytes.length || !this.#chance(2)) continue;
      for (let j = 0; j < 12; j++) bytes[buffer + j] = this.#chance(6) ? this.#below(j < 2 ? 6 : 256) : 0;
      view.setUint16(buffer + 10, this.#chance(2) ? 1 : this.#below(4), true);
    }
  }

  #below(limit: number): number {
    return this.#random.below(limit);
  }
  #chance(n: number): boolean {
    return this.#random.below(n) === 0;
  }
  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)];
  }
}

Deno.test(`${CASES.toLocaleString("en")} cases of a hostile device: the driver neither throws, nor loses a mapping, nor believes what cannot be`, async () => {
  console.log(`seed ${SEED}`);
  const options = { driver: { rxBuffer: RX_BUFFER, indirect: false, eventIndex: false } };
  const d = await driverWorld(options);
  const hostile = new HostileDevice(d);
  const kick = d.w.device.kick.bind(d.w.device);
  let tag = 0;
  for (let i = 0; i < CASES;) {
    // The device of the world has brought the driver up; from here on another one answers.
    d.w.device.kick = () => {};
    const sent = new Set<number>();
    d.nic.onTransmitted = (gone) => assert(sent.delete(gone), `frame ${gone} came back twice`);
    d.nic.onReceive = (frame) => {
      hostile.frames++;
      assert(frame.length > 0 && frame.length <= SIZE * RX_BUFFER && frame.pieces <= SIZE, "a frame that cannot be");
      for (let piece = 0; piece < frame.pieces; piece++) assert(frame.size(piece) <= RX_BUFFER);
      if (frame.needsChecksum) assert(frame.checksumStart + frame.checksumOffset + 2 <= frame.length);
    };
    for (let life = 0; life < LIFE && i < CASES && d.warnings.length === 0; life++, i++) {
      for (let n = 0; n < 2; n++) {
        sent.add(++tag);
        if (!d.nic.transmit(d.buffer, 60, tag)) sent.delete(tag);
      }
      try {
        hostile.run();
      } catch (error) {
        throw new Error(`case ${i} of seed ${SEED}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
    }
    hostile.givenUp += d.warnings.length;
    hostile.rxErrors += d.nic.stats.rxErrors;
    d.nic.stop();
    d.w.scheduler.settle();
    assertEquals(sent.size, 0, "every frame came back");
    assertEquals(d.stats.maps, d.stats.unmaps);
    const heap = d.w.guest.heap.used;
    d.w.device.kick = kick;
    Object.assign(d, await makeDriver(d.w, options));
    if (tag > 1000) assert(d.w.guest.heap.used - heap < 0x20000, "memory is lost");
  }
  const { givenUp, frames, rxErrors } = hostile;
  assert(
    givenUp > 100 && frames > 1000 && rxErrors > 1000,
    `${givenUp} given up, ${frames} frames, ${rxErrors} errors`,
  );
});

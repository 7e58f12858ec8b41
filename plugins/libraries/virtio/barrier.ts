/**
 * Memory barriers. Both sides of a ring may run in different threads or processes over shared memory, so the order of
 * their loads and stores counts (virtio 1.4 §2.7.13).
 *
 * @module
 */

const word = new Int32Array(1);

/** A full barrier: what was stored before is seen before what is loaded after. An atomic read-modify-write has that effect. */
export function fence(): void {
  Atomics.add(word, 0, 0);
}

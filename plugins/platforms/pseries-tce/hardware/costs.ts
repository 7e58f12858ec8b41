/**
 * What the hypervisor's work costs the calling CPU, in nanoseconds of virtual time.
 *
 * @module
 */

/**
 * Placeholders, reasoned from published numbers and a clock of 3.5 GHz: `sc 1` entry and return of a KVM guest take 826
 * cycles on POWER8 (Linux, "powerpc/64s: Optimize hypercall/syscall entry"); a full guest exit and entry take 7.3 µs
 * there (Linux, "Use msgsnd for signalling threads on POWER8"); 20 cycles for each entry are a guess.
 */
export const HARDWARE_COSTS = {
  /** A hypercall that the hypervisor answers by itself. */
  hypercall: 229,
  /** Each entry read, checked or written in one. */
  entry: 6,
  /** A call that has to leave the kernel for a user-space emulator. */
  userSpace: 7300,
} as const;

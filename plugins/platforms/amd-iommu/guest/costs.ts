/**
 * What the operating system's side costs, in nanoseconds of virtual time.
 *
 * Ming Lei measured `iommu_dma_unmap_sg` in strict mode at 1,111 ns on the CPU next to the device (linux-nvme, 9 July
 * 2021; an Arm machine): unmap, one command, one completion wait and its command together are set to that. How it is
 * divided, and everything else, is a placeholder.
 *
 * @module
 */

/** Nanoseconds. */
export const COSTS = {
  /** Finding an address and writing the entries of a small mapping. Placeholder. */
  map: 250,
  /** Clearing the entries and giving the address back. Part of 1,111; the division is a placeholder. */
  unmap: 250,
  /** A sync, which does nothing on a coherent machine. Placeholder. */
  sync: 1,
  /** Writing one command and the tail register. Part of 1,111; the division is a placeholder. */
  command: 150,
  /** From the tail write to the stored completion. Part of 1,111; the division is a placeholder. */
  completionWait: 561,
  /** One turn of a wait for hardware: `udelay(1)` (Linux drivers/iommu/amd/iommu.c). */
  spin: 1000,
} as const;

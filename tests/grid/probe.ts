/**
 * One machine with one virtio disk, asked for one read: which `DmaOps` its driver was given, which address went into the
 * descriptor, and whether the device reached the right bytes.
 *
 * @module
 */

import { type BlockDriver, BlockStatus } from "@iova/block";
import { Access, type DmaOps, loadMachine, type Machine, type Manifest, PhysicalDmaOps, toDmaAddr } from "@iova/core";

/** A real image, so that right bytes can be told from none. */
export const IMAGE = new URL("../../examples/fat12.img", import.meta.url).pathname;
/** Bytes of the read: a length that nothing else has. */
export const LENGTH = 7 * 512;
const UNTOUCHED = 0xa5;
/** What a legacy driver says of a ring above 2^44. */
export const TOO_HIGH = "legacy virtio interface must not be used with rings above 16 TiB";
/** What a driver says of a device that leaves FEATURES_OK clear. */
export const REFUSED = "the device refuses every set of features that this driver knows";

/** What a driver says of a device that does not promise to keep to the platform's addresses, where it must. */
export const RESTRICTED = "restricted memory (device must provide VIRTIO_F_";

/** Whom a driver was given to make addresses. */
export type Given = "platform" | "physical";

/** What was seen. */
export interface Observation {
  /** The operations that the machine gave the driver; null when there is no driver. */
  readonly given: Given | null;
  /** Where the device was told to put the data; null when it never got so far. */
  readonly address: bigint | null;
  /** Where the buffer is, as the CPU sees it. */
  readonly cpu: bigint;
  /** The right bytes are in the buffer. */
  readonly delivered: boolean;
  /** Not one byte of the buffer has changed. */
  readonly untouched: boolean;
  /** What the driver said when it refused, or gave the device up. */
  readonly complaint: string;
  /** Accesses that the bus refused. */
  readonly faults: number;
}

/** Which operations `ops` are. */
export function givenOps(ops: DmaOps): Given {
  return ops instanceof PhysicalDmaOps ? "physical" : "platform";
}

/** Listens to what a device puts on its bus: the first address of a write of {@linkcode LENGTH} bytes. */
export function watchData(machine: Machine, device: string): () => bigint | null {
  const { port } = machine.device(device);
  let seen: bigint | null = null;
  const visit = port.visit.bind(port);
  port.visit = (hi, lo, length, access, visitor) => {
    if (access === Access.WRITE && length === LENGTH) seen ??= toDmaAddr(hi, lo);
    return visit(hi, lo, length, access, visitor);
  };
  return () => seen;
}

/** A buffer that nobody has written, and what is in it later. */
export function freshBuffer({ guest }: Machine) {
  const cpu = guest.heap.require(4096, "a buffer", 4096);
  const bytes = () => guest.memory.bytes(cpu, LENGTH);
  bytes().fill(UNTOUCHED);
  const expected = Deno.readFileSync(IMAGE).subarray(0, LENGTH);
  return {
    cpu,
    delivered: () => bytes().every((byte, i) => byte === expected[i]),
    untouched: () => bytes().every((byte) => byte === UNTOUCHED),
  };
}

/** Loads the machine and asks the driver of `disk0` for the read. A machine that does not start is an observation too. */
export async function probe(manifest: Manifest): Promise<Observation> {
  const heard = { faults: 0, complaint: "" };
  const listen = (event: { type: string; id?: unknown; message?: unknown }) => {
    if (event.type === "fault") heard.faults++;
    if (event.type === "warning" && event.id === "device-gone") heard.complaint = String(event.message);
  };
  let machine: Machine;
  try {
    machine = await loadMachine(manifest, { base: "/", listen });
  } catch (error) {
    const complaint = (error as Error).message;
    return { ...heard, given: null, address: null, cpu: 0n, delivered: false, untouched: true, complaint };
  }
  const address = watchData(machine, "disk0");
  const buffer = freshBuffer(machine);
  const status = await machine.settle(machine.driver<BlockDriver>("disk0").read(0, buffer.cpu, LENGTH));
  const given = givenOps(machine.dma("disk0"));
  machine.stop();
  return {
    ...heard,
    given,
    address: address(),
    cpu: BigInt(buffer.cpu),
    delivered: status === BlockStatus.OK && buffer.delivered(),
    untouched: buffer.untouched(),
  };
}

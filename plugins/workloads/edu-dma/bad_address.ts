/**
 * A look at what the bus does with an address that nobody was given.
 *
 * @module
 */

import { type DmaAddr, formatAddress, type MachineEvent, type WorkloadContext } from "@iova/core";
import type { Expectation } from "./options.ts";
import type { EduProbe } from "./probe.ts";

/** Bytes read and written there. */
const BYTES = 16;

/** What the bus saw. */
export interface BusView {
  /** In words: `read: completer abort (IO_PAGE_FAULT at 0x1000)`. */
  readonly read: string;
  /** See {@linkcode BusView.read}. */
  readonly write: string;
  /** Whether it refused the read, and the write. */
  readonly refused: readonly [read: boolean, write: boolean];
}

/** Has the device read 16 bytes at `address` and write back what it read. Null when the device does not answer. */
export async function tryAddress(
  context: WorkloadContext,
  probe: EduProbe,
  address: DmaAddr,
): Promise<BusView | null> {
  let bytes: Uint8Array | null = null;
  const read = await watch(context, "read", async () => {
    bytes = await probe.peek(address, BYTES);
    return bytes !== null;
  });
  if (bytes === null || read === null) return null;
  // What could not be read is all ones by now.
  const write = await watch(context, "write", async () => (await probe.poke(address, bytes!)).ok);
  return write === null ? null : { read: read.text, write: write.text, refused: [read.refused, write.refused] };
}

interface Seen {
  text: string;
  refused: boolean;
}

/** Listens to the bus while `work` goes on; null when the device gave no answer. */
async function watch(
  { events, device }: WorkloadContext,
  access: string,
  work: () => Promise<boolean>,
): Promise<Seen | null> {
  const faults: MachineEvent[] = [];
  const records: MachineEvent[] = [];
  const stop = events.listen((event) => {
    if (event.type === "fault" && event.device === device) faults.push({ ...event });
    if (event.type === "fault-record") records.push({ ...event });
  });
  let answered: boolean;
  try {
    answered = await work();
  } finally {
    stop();
  }
  if (!answered) return null;
  const fault = faults.find((event) => event.access === access);
  if (fault === undefined) return { text: "success", refused: false };
  const record = records.find((event) => event.access === access);
  const cause = record === undefined ? "" : ` (${record.cause} at ${record.address})`;
  return { text: `${fault.status}${cause}`, refused: true };
}

/** Why what the bus did is not what was expected; undefined when it is. */
export function disagreement(view: BusView, expect: Expectation, address: DmaAddr): string | undefined {
  if (expect === "any") return undefined;
  const wrong = view.refused.some((refused) => refused !== (expect === "fault"));
  if (!wrong) return undefined;
  const should = expect === "fault" ? "refused" : "let through";
  return `${formatAddress(address)} should be ${should}; read: ${view.read}, write: ${view.write}`;
}

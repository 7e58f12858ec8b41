/**
 * Requests about the guest's memory. Rings are stopped while it changes, and begin again where they were: afterwards
 * nothing refers to memory that is gone.
 *
 * @module
 */

import { MAX_TABLE_REGIONS, MemoryRegion, ProtocolFeature, Request, SINGLE_HEAD, TABLE_HEAD } from "./layout.ts";
import { Handled, type Handlers } from "./outcome.ts";
import type { Session } from "./session.ts";
import { MAX_REGIONS, readRegion } from "./shared_memory.ts";

const SINGLE = SINGLE_HEAD + MemoryRegion.size;

/** Changes the memory while no ring is being worked on. */
function change(session: Session, work: () => string): Handled {
  const problem = session.rings.paused(work);
  if (problem !== "") return session.refuse(problem);
  session.warnUnsealed();
  return Handled.OK;
}

/** See the module's text. */
export const MEMORY_REQUESTS: Handlers = {
  [Request.SET_MEM_TABLE]: {
    run(session, { view, size, fds }) {
      const count = size >= TABLE_HEAD ? view.getUint32(0, true) : -1;
      if (count < 0 || size < TABLE_HEAD + count * MemoryRegion.size) return Handled.CLOSE;
      if (count > MAX_TABLE_REGIONS) return session.refuse(`a memory table of ${count} regions`);
      if (count !== fds.length) return session.refuse(`${fds.length} descriptors for ${count} regions`);
      const regions = Array.from({ length: count }, (_, i) => readRegion(view, TABLE_HEAD + i * MemoryRegion.size));
      return change(session, () => session.memory.replace(regions, fds));
    },
  },
  [Request.GET_MAX_MEM_SLOTS]: {
    size: 0,
    feature: ProtocolFeature.CONFIGURE_MEM_SLOTS,
    run: (session) => session.replyNumber(Request.GET_MAX_MEM_SLOTS, BigInt(MAX_REGIONS)),
  },
  [Request.ADD_MEM_REG]: {
    size: SINGLE,
    feature: ProtocolFeature.CONFIGURE_MEM_SLOTS,
    run(session, { view, fds }) {
      if (fds.length !== 1) return session.refuse(`${fds.length} descriptors for a region`);
      const region = readRegion(view, SINGLE_HEAD);
      return change(session, () => session.memory.add(region, fds[0]));
    },
  },
  [Request.REM_MEM_REG]: {
    size: SINGLE,
    feature: ProtocolFeature.CONFIGURE_MEM_SLOTS,
    run(session, { view }) {
      const region = readRegion(view, SINGLE_HEAD);
      return change(session, () => session.memory.remove(region));
    },
  },
};

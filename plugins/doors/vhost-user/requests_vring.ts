/**
 * Requests about rings.
 *
 * @module
 */

import { FdWord, Request, VringAddr, VringState } from "./layout.ts";
import { Handled, type Handler, type Handlers } from "./outcome.ts";
import type { Session } from "./session.ts";
import type { Vring } from "./vring.ts";
import type { WireMessage } from "./wire.ts";

/** A request with a number of a ring in its first word. */
function ofRing(size: number, run: (session: Session, ring: Vring, message: WireMessage) => Handled): Handler {
  return {
    size,
    run(session, message) {
      const index = message.view.getUint32(0, true);
      const ring = session.rings.all[index];
      return ring === undefined
        ? session.refuse(`ring ${index}, of ${session.rings.all.length}`)
        : run(session, ring, message);
    },
  };
}

/** A request with a descriptor for a ring. */
function ofDescriptor(run: (session: Session, ring: Vring, fd: number) => Handled): Handler {
  return {
    size: 8,
    run(session, message) {
      const word = message.view.getUint32(0, true);
      const ring = session.rings.all[word & FdWord.INDEX];
      if (ring === undefined) return session.refuse(`ring ${word & FdWord.INDEX}, of ${session.rings.all.length}`);
      if ((word & FdWord.NO_FD) !== 0) return run(session, ring, -1);
      const fd = message.takeFd();
      return fd < 0 ? session.refuse(`no descriptor for ring ${ring.index}`) : run(session, ring, fd);
    },
  };
}

const num = (message: WireMessage) => message.view.getUint32(VringState.at.num, true);

/** See the module's text. */
export const VRING_REQUESTS: Handlers = {
  [Request.SET_VRING_NUM]: ofRing(VringState.size, (session, ring, message) => {
    if (ring.active) return session.refuse(`a size for ring ${ring.index}, which runs`);
    if (!session.rings.canHave(num(message))) return session.refuse(`a ring of ${num(message)} entries`);
    ring.size = num(message);
    return Handled.OK;
  }),
  [Request.SET_VRING_BASE]: ofRing(VringState.size, (session, ring, message) => {
    if (ring.active) return session.refuse(`a base for ring ${ring.index}, which runs`);
    ring.base = num(message);
    return Handled.OK;
  }),
  [Request.SET_VRING_ADDR]: ofRing(VringAddr.size, (session, ring, { view }) => {
    // The only ring that may be moved while it runs is one whose addresses stay: that asks for its writes to be logged.
    const desc = view.getBigUint64(VringAddr.at.desc, true);
    const used = view.getBigUint64(VringAddr.at.used, true);
    const avail = view.getBigUint64(VringAddr.at.avail, true);
    const same = desc === ring.desc && used === ring.used && avail === ring.avail;
    if (ring.active && !same) return session.refuse(`addresses for ring ${ring.index}, which runs`);
    Object.assign(ring, { desc, used, avail, placed: true });
    return session.rings.update(ring);
  }),
  [Request.GET_VRING_BASE]: ofRing(VringState.size, (session, ring) => {
    session.rings.stop(ring);
    return session.replyState(Request.GET_VRING_BASE, ring.index, ring.base);
  }),
  [Request.SET_VRING_ENABLE]: ofRing(VringState.size, (session, ring, message) => {
    if (num(message) > 1) return session.refuse(`SET_VRING_ENABLE ${num(message)}`);
    ring.enabled = num(message) === 1;
    return session.rings.update(ring);
  }),
  [Request.SET_VRING_KICK]: ofDescriptor((session, ring, fd) => session.rings.setKick(ring, fd)),
  [Request.SET_VRING_CALL]: ofDescriptor((session, ring, fd) => session.rings.setCall(ring, fd)),
  [Request.SET_VRING_ERR]: ofDescriptor((session, ring, fd) => session.rings.setErr(ring, fd)),
};

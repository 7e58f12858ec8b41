/**
 * Requests about features, owner, status and the back-end's own socket.
 *
 * @module
 */

import { ProtocolFeature, Request } from "./layout.ts";
import { Handled, type Handlers } from "./outcome.ts";

const U64 = 8;
/** Virtio device type of a network card, whose rings come in pairs. */
const NET_DEVICE = 1;
/** Smallest and largest MTU of an IPv4 link. */
const MTU = [68, 65535] as const;

/** See the module's text. */
export const FEATURE_REQUESTS: Handlers = {
  [Request.GET_FEATURES]: {
    size: 0,
    run: (session) => session.replyNumber(Request.GET_FEATURES, session.offered),
  },
  [Request.SET_FEATURES]: {
    size: U64,
    run: (session, { view }) => session.setFeatures(view.getBigUint64(0, true)),
  },
  [Request.GET_PROTOCOL_FEATURES]: {
    size: 0,
    run: (session) => session.replyNumber(Request.GET_PROTOCOL_FEATURES, BigInt(session.offeredProtocol)),
  },
  [Request.SET_PROTOCOL_FEATURES]: {
    size: U64,
    run(session, { view }) {
      const asked = view.getBigUint64(0, true);
      if ((asked & ~BigInt(session.offeredProtocol)) !== 0n) {
        return session.refuse(`protocol features 0x${asked.toString(16)}, which were not offered`);
      }
      session.protocol = Number(asked);
      return Handled.OK;
    },
  },
  // Ownership says nothing to a back-end that serves one connection.
  [Request.SET_OWNER]: { size: 0, run: () => Handled.OK },
  [Request.RESET_OWNER]: {
    size: 0,
    run(session) {
      session.rings.disableAll();
      return Handled.OK;
    },
  },
  [Request.RESET_DEVICE]: {
    size: 0,
    feature: ProtocolFeature.RESET_DEVICE,
    run(session) {
      session.rings.disableAll();
      session.resetDevice();
      return Handled.OK;
    },
  },
  [Request.GET_QUEUE_NUM]: {
    size: 0,
    feature: ProtocolFeature.MQ,
    run(session) {
      const { type, virtio: { queues } } = session.served;
      const count = type === NET_DEVICE ? queues.length >> 1 : queues.length;
      return session.replyNumber(Request.GET_QUEUE_NUM, BigInt(count));
    },
  },
  [Request.SET_STATUS]: {
    size: U64,
    feature: ProtocolFeature.STATUS,
    run(session, { view }) {
      // Rings are not touched, not even by 0: some front-ends send it before they have asked where the rings stopped.
      session.status = Number(view.getBigUint64(0, true) & 0xffn);
      return Handled.OK;
    },
  },
  [Request.GET_STATUS]: {
    size: 0,
    feature: ProtocolFeature.STATUS,
    run: (session) => session.replyNumber(Request.GET_STATUS, BigInt(session.status)),
  },
  [Request.SET_BACKEND_REQ_FD]: {
    size: 0,
    feature: ProtocolFeature.BACKEND_REQ,
    run(session, message) {
      const fd = message.takeFd();
      return fd < 0 ? session.refuse("no socket for requests of the back-end") : session.openChannel(fd);
    },
  },
  [Request.NET_SET_MTU]: {
    size: U64,
    feature: ProtocolFeature.MTU,
    run(session, { view }) {
      const mtu = view.getBigUint64(0, true);
      return mtu >= MTU[0] && mtu <= MTU[1] ? Handled.OK : session.refuse(`an MTU of ${mtu}`);
    },
  },
};

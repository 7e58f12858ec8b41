/**
 * Requests about memory that outlives a back-end.
 *
 * @module
 */

import { close } from "@iova/libc";
import { Feature } from "@iova/virtio";
import { Inflight, inflightBytes, type InflightShape, makeInflight } from "./inflight.ts";
import { InflightHead, ProtocolFeature, Request } from "./layout.ts";
import { Handled, type Handlers } from "./outcome.ts";
import type { Session } from "./session.ts";

function shapeOf(session: Session, view: DataView): InflightShape {
  return {
    queues: view.getUint16(InflightHead.at.num_queues, true),
    size: view.getUint16(InflightHead.at.queue_size, true),
    packed: session.served.virtio.accepted.has(Feature.RING_PACKED),
  };
}

/** See the module's text. */
export const INFLIGHT_REQUESTS: Handlers = {
  [Request.GET_INFLIGHT_FD]: {
    size: InflightHead.size,
    feature: ProtocolFeature.INFLIGHT_SHMFD,
    run(session, { view }) {
      const shape = shapeOf(session, view);
      const bytes = inflightBytes(shape);
      const fd = bytes === 0 ? -1 : makeInflight(shape);
      if (fd < 0) session.complain(`inflight memory for ${shape.queues} rings of ${shape.size}`);
      const { queues: num_queues, size: queue_size } = shape;
      const answer = InflightHead.encode({
        mmap_size: BigInt(Math.max(fd < 0 ? 0 : bytes, 0)),
        num_queues,
        queue_size,
      });
      if (fd < 0) return session.reply(Request.GET_INFLIGHT_FD, answer);
      session.reply(Request.GET_INFLIGHT_FD, answer, [fd]);
      session.whenSent(() => close(fd));
      return Handled.REPLIED;
    },
  },
  [Request.SET_INFLIGHT_FD]: {
    size: InflightHead.size,
    feature: ProtocolFeature.INFLIGHT_SHMFD,
    run(session, message) {
      const { view, fds } = message;
      if (fds.length !== 1) return session.refuse(`${fds.length} descriptors for inflight memory`);
      const [bytes, offset] = [InflightHead.at.mmap_size, InflightHead.at.mmap_offset].map((at) =>
        Number(view.getBigUint64(at, true))
      );
      const inflight = Inflight.open(fds[0], bytes, offset, shapeOf(session, view));
      if (inflight === null) return session.refuse("inflight memory that is not what it is said to be");
      session.rings.paused(() => {
        session.rings.inflight?.release();
        session.rings.inflight = inflight;
      });
      return Handled.OK;
    },
  },
};

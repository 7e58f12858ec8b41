/**
 * What the front-end says about its IOMMU. Every message of this kind is answered, always.
 *
 * @module
 */

import { Iotlb, IotlbType, Request } from "./layout.ts";
import type { Handled, Handlers } from "./outcome.ts";
import type { Session } from "./session.ts";

/** An update, of which the front-end's address becomes one of guest memory. */
function update(session: Session, view: DataView): bigint {
  const size = view.getBigUint64(Iotlb.at.size, true);
  const user = Number(view.getBigUint64(Iotlb.at.uaddr, true));
  const guest = session.memory.guestAddress(user, Number(size));
  const iova = view.getBigUint64(Iotlb.at.iova, true);
  if (guest < 0 || !session.served.iotlb.update(iova, size, guest, view.getUint8(Iotlb.at.perm))) {
    session.complain(`a translation of 0x${iova.toString(16)} to nowhere`);
    return 1n;
  }
  return 0n;
}

/** See the module's text. */
export const IOTLB_REQUESTS: Handlers = {
  [Request.IOTLB_MSG]: {
    size: Iotlb.size,
    run(session, { view }): Handled {
      const type = view.getUint8(Iotlb.at.type);
      if (type === IotlbType.UPDATE) return session.replyNumber(Request.IOTLB_MSG, update(session, view));
      if (type !== IotlbType.INVALIDATE) {
        session.complain(`an IOTLB message of type ${type}`);
        return session.replyNumber(Request.IOTLB_MSG, 1n);
      }
      // Rights and address of an invalidation are whatever lay there.
      const [iova, size] = [view.getBigUint64(Iotlb.at.iova, true), view.getBigUint64(Iotlb.at.size, true)];
      // The answer says that nothing old is in use any more.
      session.served.iotlb.invalidate(iova, size, () => void session.replyNumber(Request.IOTLB_MSG, 0n));
      return session.replied;
    },
  },
};

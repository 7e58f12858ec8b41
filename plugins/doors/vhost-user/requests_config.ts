/**
 * Requests about the configuration space.
 *
 * @module
 */

import { ConfigHead, MAX_CONFIG, ProtocolFeature, Request } from "./layout.ts";
import { Handled, type Handlers } from "./outcome.ts";
import type { WireMessage } from "./wire.ts";

const HEAD = ConfigHead.size;

/** The range that a message names, or null when it does not lie in a configuration space. */
function rangeOf({ view, size }: WireMessage): { offset: number; length: number } | null {
  const offset = view.getUint32(ConfigHead.at.offset, true);
  const length = view.getUint32(ConfigHead.at.size, true);
  return length > 0 && offset + length <= MAX_CONFIG && size === HEAD + length ? { offset, length } : null;
}

/** See the module's text. */
export const CONFIG_REQUESTS: Handlers = {
  [Request.GET_CONFIG]: {
    feature: ProtocolFeature.CONFIG,
    run(session, message) {
      if (message.size < HEAD) return Handled.CLOSE;
      const range = rangeOf(message);
      if (range === null) return session.reply(Request.GET_CONFIG, new Uint8Array(HEAD));
      // As much as was asked for: a device without that many bytes has zeroes there.
      const answer = message.payload.slice(0, HEAD + range.length);
      for (let i = 0; i < range.length; i++) answer[HEAD + i] = session.served.virtio.readConfig(range.offset + i, 1);
      return session.reply(Request.GET_CONFIG, answer);
    },
  },
  [Request.SET_CONFIG]: {
    feature: ProtocolFeature.CONFIG,
    run(session, message) {
      if (message.size < HEAD) return Handled.CLOSE;
      const range = rangeOf(message);
      if (range === null) return session.refuse("a write outside the configuration space");
      for (let i = 0; i < range.length; i++) {
        session.served.virtio.writeConfig(range.offset + i, 1, message.payload[HEAD + i]);
      }
      return Handled.OK;
    },
  },
};

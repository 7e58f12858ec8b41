/**
 * Every request that is known, by number.
 *
 * @module
 */

import type { Handlers } from "./outcome.ts";
import { CONFIG_REQUESTS } from "./requests_config.ts";
import { FEATURE_REQUESTS } from "./requests_features.ts";
import { INFLIGHT_REQUESTS } from "./requests_inflight.ts";
import { IOTLB_REQUESTS } from "./requests_iotlb.ts";
import { MEMORY_REQUESTS } from "./requests_memory.ts";
import { VRING_REQUESTS } from "./requests_vring.ts";

/** See the module's text. */
export const HANDLERS: Handlers = {
  ...FEATURE_REQUESTS,
  ...MEMORY_REQUESTS,
  ...VRING_REQUESTS,
  ...CONFIG_REQUESTS,
  ...IOTLB_REQUESTS,
  ...INFLIGHT_REQUESTS,
};

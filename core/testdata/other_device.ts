/** A device for another bus. */

import slot from "./slot_device.ts";

export default { ...slot, name: "other", bus: "ribbon" };

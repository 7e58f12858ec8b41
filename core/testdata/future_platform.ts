/** A platform made for a later contract. */

import plain from "./plain_platform.ts";

export default { ...plain, name: "future", api: 2 };

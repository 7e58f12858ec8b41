/** A platform that does not serve a machine that says nothing about it. */

import { option } from "../options.ts";
import plain from "./plain_platform.ts";

export default { ...plain, name: "picky", options: { key: option.string("The key to its door.", { required: true }) } };

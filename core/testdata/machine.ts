import { defineMachine } from "../manifest/manifest.ts";

export default defineMachine({ name: "typed", memory: 4096 * 8, platform: "./plain_platform.ts" });

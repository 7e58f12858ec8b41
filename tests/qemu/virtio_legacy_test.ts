import { compareTests } from "./compare.ts";
import { VIRTIO_LEGACY } from "./virtio_legacy.ts";
import { EXPLANATIONS } from "./virtio_legacy_differences.ts";

compareTests(VIRTIO_LEGACY, EXPLANATIONS);

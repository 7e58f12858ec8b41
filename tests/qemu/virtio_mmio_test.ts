import { compareTests } from "./compare.ts";
import { VIRTIO_MMIO } from "./virtio_mmio.ts";
import { EXPLANATIONS } from "./virtio_mmio_differences.ts";

compareTests(VIRTIO_MMIO, EXPLANATIONS);

import { compareTests } from "./compare.ts";
import { VIRTIO_REGISTERS } from "./virtio_registers.ts";
import { VIRTIO_REQUESTS } from "./virtio_requests.ts";
import { EXPLANATIONS } from "./virtio_blk_differences.ts";

compareTests([...VIRTIO_REGISTERS, ...VIRTIO_REQUESTS], EXPLANATIONS);

import { compareTests } from "./compare.ts";
import { VIRTIO_NET } from "./virtio_net.ts";
import { EXPLANATIONS } from "./virtio_net_differences.ts";

compareTests(VIRTIO_NET, EXPLANATIONS);

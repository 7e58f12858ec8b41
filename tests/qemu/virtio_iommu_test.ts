import { compareTests } from "./compare.ts";
import { VIRTIO_IOMMU } from "./virtio_iommu.ts";
import { EXPLANATIONS } from "./virtio_iommu_differences.ts";

compareTests(VIRTIO_IOMMU, EXPLANATIONS);

import { compareTests } from "./compare.ts";
import { AMD_IOMMU } from "./amd_iommu.ts";
import { EXPLANATIONS } from "./amd_iommu_differences.ts";

compareTests(AMD_IOMMU, EXPLANATIONS);

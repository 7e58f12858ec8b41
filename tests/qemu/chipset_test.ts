import { CHIPSET } from "./chipset.ts";
import { EXPLANATIONS } from "./chipset_differences.ts";
import { compareTests } from "./compare.ts";

compareTests(CHIPSET, EXPLANATIONS);

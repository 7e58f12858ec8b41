import { compareTests } from "./compare.ts";
import { PSERIES_TCE } from "./pseries_tce.ts";
import { EXPLANATIONS } from "./pseries_tce_differences.ts";

compareTests(PSERIES_TCE, EXPLANATIONS);

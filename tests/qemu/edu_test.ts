import { compareTests } from "./compare.ts";
import { EDU } from "./edu.ts";
import { EXPLANATIONS } from "./edu_differences.ts";

compareTests(EDU, EXPLANATIONS);

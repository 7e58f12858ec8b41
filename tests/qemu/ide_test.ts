import { compareTests } from "./compare.ts";
import { IDE } from "./ide.ts";
import { EXPLANATIONS } from "./ide_differences.ts";

compareTests(IDE, EXPLANATIONS);

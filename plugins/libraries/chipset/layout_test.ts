import type { Struct } from "@iova/fields";
import { checkVectors, type VectorFile } from "@iova/fields/testing";
import * as layout from "./layout.ts";

const structs: Struct<Record<never, number>>[] = [
  layout.IoApicRedirection,
  layout.FwCfgFile,
  layout.FwCfgDmaAccess,
  layout.E820Entry,
];

for (const struct of structs) {
  Deno.test(`${struct.name} agrees with the vectors written from the specification`, async () => {
    const file: VectorFile = JSON.parse(
      await Deno.readTextFile(new URL(`./vectors/${struct.name}.json`, import.meta.url)),
    );
    checkVectors(struct, file);
  });
}

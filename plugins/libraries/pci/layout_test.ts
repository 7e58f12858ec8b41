import { assertEquals } from "@std/assert";
import type { Struct } from "@iova/fields";
import { checkVectors, type VectorFile } from "@iova/fields/testing";
import * as layout from "./layout.ts";

const structs: Struct<Record<never, number>>[] = [
  layout.Header0,
  layout.Header1,
  layout.Command,
  layout.Status,
  layout.MemoryBar,
  layout.IoBar,
  layout.CapabilityHeader,
  layout.MsiCapability,
  layout.MsixCapability,
  layout.MsixEntry,
  layout.ConfigAddress,
  layout.ExtendedCapabilityHeader,
  layout.AtsCapability,
];

for (const struct of structs) {
  Deno.test(`${struct.name} agrees with the vectors written from the specification`, async () => {
    const file: VectorFile = JSON.parse(
      await Deno.readTextFile(new URL(`./vectors/${struct.name}.json`, import.meta.url)),
    );
    checkVectors(struct, file);
  });
}

Deno.test("requester ids are bus, device and function", () => {
  assertEquals(layout.requesterId(1, 3, 2), 0x011a);
  assertEquals(layout.formatRequester(0x011a), "01:03.2");
});

Deno.test("INTA of device 1 is INTB on the bus above, and INTD of device 1 is INTA", () => {
  assertEquals([layout.swizzlePin(1, 1), layout.swizzlePin(1, 4), layout.swizzlePin(4, 2)], [2, 1, 2]);
});

// The bug behind the whole subject, a physical address where a bus address belongs, must not compile.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ROOT } from "./tree.ts";

const HEAD = `
import type { DmaAddr, PhysAddr } from "${new URL("../../core/address.ts", import.meta.url)}";
import type { DmaOps } from "${new URL("../../core/dma_ops.ts", import.meta.url)}";
declare const dma: DmaOps;
declare const buffer: PhysAddr;
declare const descriptor: { address: DmaAddr };
declare function cpuReads(address: PhysAddr): void;
`;

/** Type-checks a small driver; what the compiler says when it refuses, else null. */
function compilerSays(body: string): string | null {
  const folder = Deno.makeTempDirSync({ prefix: "iova-types-" });
  try {
    Deno.writeTextFileSync(`${folder}/driver.ts`, HEAD + body);
    const { success, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["check", "--frozen", "--config", `${ROOT}/deno.json`, `${folder}/driver.ts`],
      env: { NO_COLOR: "1" },
    }).outputSync();
    return success ? null : new TextDecoder().decode(stderr);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a driver that maps its buffer and hands out the handle compiles", () => {
  assertEquals(
    compilerSays(`
      descriptor.address = dma.mapSingle(buffer, 512, 2);
      dma.unmapSingle(descriptor.address, 512, 2);
      cpuReads(buffer);`),
    null,
  );
});

Deno.test("a physical address in a descriptor does not compile", () => {
  const complaint = compilerSays("descriptor.address = buffer;");
  assert(complaint !== null);
  assertStringIncludes(complaint, "Type 'number' is not assignable to type 'bigint'");
});

Deno.test("a bus address that the CPU reads through does not compile", () => {
  const complaint = compilerSays("cpuReads(dma.mapSingle(buffer, 512, 2));");
  assert(complaint !== null);
  assertStringIncludes(complaint, "Argument of type 'bigint' is not assignable to parameter of type 'number'");
});

Deno.test("unmapping by physical address, and adding the two kinds, do not compile", () => {
  const complaint = compilerSays(`
    dma.unmapSingle(buffer, 512, 2);
    const sum = buffer + dma.mapSingle(buffer, 512, 2);`);
  assert(complaint !== null);
  assertStringIncludes(complaint, "Argument of type 'number' is not assignable to parameter of type 'bigint'");
  assertStringIncludes(complaint, "Operator '+' cannot be applied to types 'number' and 'bigint'");
});

/**
 * For tests over a real QEMU: tests that are ignored without one, and scenarios that run on our hardware and on QEMU's and
 * are compared.
 *
 * @module
 */

import { unavailable } from "@iova/libc";

export * from "./compare.ts";

const known = new Map<string, string | null>();

/** Why `program` cannot be started here and driven, or null when it can. */
export function qemuMissing(program: "qemu-system-x86_64" | "qemu-system-ppc64" = "qemu-system-x86_64"): string | null {
  let why = known.get(program);
  if (why === undefined) known.set(program, why = unavailable() ?? notRunnable(program));
  return why;
}

function notRunnable(program: string): string | null {
  if (Deno.permissions.querySync({ name: "run", command: program }).state !== "granted") {
    return `it needs --allow-run=${program}`;
  }
  try {
    new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
    return null;
  } catch {
    return `${program} is not installed`;
  }
}

/** A test that is reported as ignored, and why, where QEMU is missing. */
export function qemuTest(
  name: string,
  run: () => Promise<void>,
  program?: "qemu-system-x86_64" | "qemu-system-ppc64",
): void {
  const why = qemuMissing(program);
  Deno.test({ name: why === null ? name : `${name} (ignored: ${why})`, ignore: why !== null, fn: run });
}

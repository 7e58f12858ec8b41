/**
 * What the scenarios share: a folder of their own, the platforms, digests.
 *
 * @module
 */

/** The platforms on which every scenario has to come out the same. */
export const PLATFORMS = ["direct", "strict"] as const;

/** A folder below the temporary one, for as long as `use` takes. */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "iova-scenario-" });
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A file's SHA-256 in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(path)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

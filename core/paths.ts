/**
 * Paths and file URLs. Written out here because the usual helpers ask `process.platform`, and waking that up takes
 * longer than starting a machine does.
 *
 * @module
 */

/** Whether a path stands for itself, whatever the current folder is. */
export function isAbsolute(path: string): boolean {
  return path.startsWith("/") || (Deno.build.os === "windows" && /^(?:[a-z]:)?[\\/]/i.test(path));
}

/** The file URL of `path`, relative to the folder `base`; dots are resolved. */
export function fileUrl(path: string, base?: string): URL {
  const full = isAbsolute(path) ? path : `${base ?? Deno.cwd()}/${path}`;
  const slashed = Deno.build.os === "windows" ? full.replaceAll("\\", "/") : full;
  const url = new URL("file:///");
  url.pathname = slashed.replace(/[%\\\s?#]/g, encodeURIComponent);
  return url;
}

/** The path of a file URL. */
export function filePath(url: URL): string {
  const path = decodeURIComponent(url.pathname);
  return Deno.build.os === "windows" ? path.replace(/^\/(?=[a-z]:)/i, "") : path;
}

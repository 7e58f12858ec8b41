/**
 * What a network device is connected to: the options, and the back-end that they mean.
 *
 * @module
 */

import { type DeviceContext, InputError, option, type OptionsOf } from "@iova/core";
import { RecordingBackend, ReplayBackend } from "./backend_capture.ts";
import { DgramBackend, hasDatagrams } from "./backend_dgram.ts";
import { LoopbackBackend, NullBackend } from "./backend_simple.ts";
import { StreamBackend } from "./backend_stream.ts";
import { CaptureFile, type CaptureRequest, loadCapture } from "./capture_file.ts";
import type { NetBackend } from "./contract.ts";
import { hubNamed } from "./hub.ts";

/** Options that every network device has. */
export const netOptions = {
  net: option.choice(
    "What it is connected to: a hub of its machine or of this process, itself, a capture that is played back, a socket, " +
      "or nothing.",
    ["hub", "shared-hub", "loopback", "replay", "stream", "dgram", "none"],
    { default: "hub" },
  ),
  hub: option.string("Name of the hub.", { default: "lan" }),
  file: option.path("The capture that is played back: pcap or pcapng."),
  record: option.path("Records everything that passes: pcapng if the name ends so, else pcap."),
  socket: option.path("This side's Unix socket: the one to listen at or to connect to, or the local one of two."),
  remote: option.path("The peer's Unix socket, for datagrams."),
  listen: option.boolean("Wait for the peer of a stream to connect, instead of connecting.", { default: false }),
} as const;

/** The options, as read. */
export type NetOptions = OptionsOf<typeof netOptions>;

type Make = (context: DeviceContext, options: NetOptions) => NetBackend;

const MAKERS: Readonly<Record<NetOptions["net"], Make>> = {
  hub: ({ scheduler }, { hub }) => hubNamed(hub, scheduler).join(),
  "shared-hub": (_context, { hub }) => hubNamed(hub, null).join(),
  loopback: () => new LoopbackBackend(),
  none: () => new NullBackend(),
  replay: (context, options) => new ReplayBackend(loadCapture(request(context, options, "file")), context.scheduler),
  stream(context, options) {
    const { path } = request(context, options, "socket");
    const { listen } = options;
    const warn = (message: string) => context.warn("net-stream", message, context.id);
    return attempt(context, "socket", path, () => new StreamBackend({ path, listen, warn }));
  },
  dgram(context, options) {
    const local = request(context, options, "socket").path;
    const remote = request(context, options, "remote").path;
    if (!hasDatagrams()) throw wrong(context, "net", "dgram", "a Deno that was started with --unstable-net");
    return attempt(context, "socket", local, () => new DgramBackend({ local, remote }));
  },
};

/** What an option is for: given beside anything else it would change nothing. */
const USED_BY:
  readonly (readonly [option: "file" | "socket" | "remote" | "listen", by: readonly NetOptions["net"][]])[] = [
    ["file", ["replay"]],
    ["socket", ["stream", "dgram"]],
    ["remote", ["dgram"]],
    ["listen", ["stream"]],
  ];

function checkUses(context: DeviceContext, options: NetOptions): void {
  for (const [name, by] of USED_BY) {
    const given = options[name];
    if (given === undefined || given === false || by.includes(options.net)) continue;
    throw wrong(
      context,
      name,
      `${given}" beside "net": "${options.net}`,
      by.map((net) => `"net": "${net}"`).join(" or "),
    );
  }
}

/** Opens what `options` say. @throws {InputError} when a person's options do not work out. */
export function openNet(context: DeviceContext, options: NetOptions): NetBackend {
  checkUses(context, options);
  const backend = MAKERS[options.net](context, options);
  if (options.record === undefined) return backend;
  try {
    const file = new CaptureFile(request(context, options, "record"));
    return new RecordingBackend(backend, file, () => context.scheduler.now);
  } catch (error) {
    backend.close();
    throw error;
  }
}

type PathOption = "file" | "record" | "socket" | "remote";

function request(context: DeviceContext, options: NetOptions, name: PathOption): CaptureRequest {
  const given = options[name];
  const { file, path } = context.where;
  if (given !== undefined) return { path: context.resolvePath(given), file, optionPath: `${path}.with.${name}` };
  throw new InputError({
    file,
    path: `${path}.with`,
    found: `"net": "${options.net}" without "${name}"`,
    expected: `the path "${name}"`,
  });
}

function wrong({ where }: DeviceContext, name: string, found: string, expected: string): InputError {
  return new InputError({ file: where.file, path: `${where.path}.with.${name}`, found: `"${found}"`, expected });
}

function attempt<T>(context: DeviceContext, name: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw wrong(
      context,
      name,
      `${path}", ${error instanceof Error ? error.message : error}`,
      "a socket that can be opened",
    );
  }
}

/**
 * The thread that serves. It waits in the kernel, so that a request costs no detour through an event loop; it is ended by
 * its wake-up descriptor, because nothing else reaches it there.
 *
 * @module
 */

import { InputError, nearest, resolveSource } from "@iova/core";
import { errnoName } from "@iova/libc";
import { Control, type ServeJob, type ServeNews } from "./serve.ts";
import { ServedDevice } from "./served_device.ts";
import { Server } from "./server.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ServeJob>) => void) | null;
  postMessage(news: ServeNews): void;
  close(): void;
};

scope.onmessage = ({ data }) => {
  void run(data).catch(explain).then(() => scope.close());
};

async function run(job: ServeJob): Promise<void> {
  const served = await open(job);
  const { socket, pollUs, once, sealed } = job.options;
  const server = new Server(served, {
    pollTime: pollUs * 1000,
    once,
    sealed,
    log: (text) => scope.postMessage({ type: "log", text }),
  });
  try {
    if (job.trace) served.events.listen((event) => scope.postMessage({ type: "event", event: { ...event } }));
    const failed = server.listen(socket);
    if (failed < 0) throw refused(socket, failed);
    scope.postMessage({ type: "ready", wakeup: server.wakeup });
    scope.postMessage({ type: "log", text: `${job.options.device} at ${socket}` });
    const control = new Int32Array(job.control);
    server.run(() => obey(control, server));
  } finally {
    server.close();
    served.stop();
  }
  scope.postMessage({ type: "ended" });
}

function obey(control: Int32Array, server: Server): void {
  if (Atomics.load(control, Control.STOP) !== 0) server.stopped = true;
  if (Atomics.exchange(control, Control.STATISTICS, 0) === 0) return;
  scope.postMessage({ type: "statistics", values: server.statistics() });
}

async function open({ manifest, load, options }: ServeJob): Promise<ServedDevice> {
  const resolved = await resolveSource(manifest, load);
  const { file, base, seed, devices, leases } = resolved;
  const device = devices.find(({ id }) => id === options.device);
  if (device === undefined) {
    const ids = devices.map(({ id }) => id);
    const expected = ids.length === 0 ? "a manifest with a device" : `one of ${ids.join(", ")}`;
    const found = `"${options.device}"`;
    throw new InputError({ file: "--device", found, expected, nearest: nearest(options.device, ids) });
  }
  try {
    return new ServedDevice({ device, file, base, seed, checked: leases === "checked" });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InputError({ file, path: device.use.path, found: error.message, expected: "a virtio device" });
  }
}

function refused(socket: string, errno: number): InputError {
  const reasons: Record<string, string> = {
    EADDRINUSE: "a socket on which somebody listens",
    EEXIST: "a file that is no socket",
    ENAMETOOLONG: "a path that is too long for a socket",
  };
  const name = errnoName(errno);
  const found = reasons[name] ?? `a path at which no socket can be made (${name})`;
  return new InputError({
    file: "--socket",
    found: `${socket}, ${found}`,
    expected: "a free path of at most 107 bytes",
  });
}

function explain(error: unknown): void {
  if (error instanceof InputError) scope.postMessage({ type: "input", problem: error.problem });
  else if (error instanceof Deno.errors.NotCapable) scope.postMessage({ type: "permission", message: error.message });
  else {scope.postMessage({
      type: "failure",
      message: error instanceof Error ? error.stack ?? error.message : String(error),
    });}
}

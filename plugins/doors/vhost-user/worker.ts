/**
 * The thread that serves. It waits in the kernel, so that a request costs no detour through an event loop; it is ended by
 * its wake-up descriptor, because nothing else reaches it there.
 *
 * @module
 */

import { InputError, nearest, resolveSource } from "@iova/core";
import { errnoName } from "@iova/libc";
import { Control, type ServeJob, type ServeNews } from "./serve.ts";
import { Loop } from "./loop.ts";
import { ServedDevice, type ServedSource } from "./served_device.ts";
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
  const loop = new Loop();
  const servers = await open(job, loop);
  try {
    servers.forEach((server, i) => listen(server, job.sockets[i]));
    scope.postMessage({ type: "ready", wakeup: loop.wakeup });
    servers.forEach((_, i) => log(`${job.devices[i]} at ${job.sockets[i]}`));
    const control = new Int32Array(job.control);
    while (servers.every(({ stopped }) => !stopped) && Atomics.load(control, Control.STOP) === 0) {
      loop.turn(-1);
      for (const server of servers) server.spin();
      if (Atomics.exchange(control, Control.STATISTICS, 0) !== 0) tell(servers, job.devices);
      if (Atomics.exchange(control, Control.REFRESH, 0) !== 0) refresh(servers, job.devices);
    }
  } finally {
    for (const server of servers) {
      server.close();
      server.served.stop();
    }
  }
  scope.postMessage({ type: "ended" });
}

function refresh(servers: readonly Server[], names: readonly string[]): void {
  servers.forEach(({ served }, i) => {
    if (!served.refresh()) log(`${names[i]}: its size cannot be changed`);
  });
}

function listen(server: Server, socket: string): void {
  const failed = server.listen(socket);
  if (failed < 0) throw refused(socket, failed);
}

function log(text: string): void {
  scope.postMessage({ type: "log", text });
}

function tell(servers: readonly Server[], names: readonly string[]): void {
  servers.forEach((server, i) =>
    scope.postMessage({ type: "statistics", device: names[i], values: server.statistics() })
  );
}

async function open({ manifest, load, devices: names, options, trace }: ServeJob, loop: Loop): Promise<Server[]> {
  const { file, base, seed, devices, leases } = await resolveSource(manifest, load);
  const { pollUs, once, sealed } = options;
  const ids = devices.map(({ id }) => id);
  return names.map((name) => {
    const device = devices.find(({ id }) => id === name);
    if (device === undefined) throw unknown(name, ids);
    const served = make({ device, file, base, seed, loop, checked: leases === "checked" });
    if (trace) {
      served.events.listen((event) =>
        scope.postMessage({ type: "event", event: { ...event, device: event.device ?? name } })
      );
    }
    const prefix = names.length > 1 ? `${name}: ` : "";
    return new Server(served, { pollTime: pollUs * 1000, once, sealed, log: (text) => log(prefix + text) });
  });
}

function unknown(name: string, ids: readonly string[]): InputError {
  const expected = ids.length === 0 ? "a manifest with a device" : `one of ${ids.join(", ")}`;
  return new InputError({ file: "--device", found: `"${name}"`, expected, nearest: nearest(name, ids) });
}

function make(source: ServedSource): ServedDevice {
  try {
    return new ServedDevice(source);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const { file, device: { use: { path } } } = source;
    throw new InputError({ file, path, found: error.message, expected: "a virtio device" });
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

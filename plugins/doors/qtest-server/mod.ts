/**
 * Door `qtest`: a simulated machine behind QEMU's qtest protocol, with a QMP monitor beside it. Whatever can drive QEMU's
 * hardware models this way, scripts and QEMU's own device tests among them, drives ours.
 *
 * @module
 */

import {
  API_VERSION,
  defineDoor,
  type DoorContext,
  type DoorPlugin,
  InputError,
  loadMachine,
  option,
  type OptionsOf,
} from "@iova/core";
import { connect, listen, type Peer, standardPeer } from "./peer.ts";
import { type QemuCommand, readArguments, splitWords } from "./qemu/arguments.ts";
import { Backends } from "./qemu/backends.ts";
import { machineOf } from "./qemu/machines.ts";
import { Session } from "./session.ts";

const options = {
  socket: option.path("The Unix socket of the qtest protocol. Default: standard input and output."),
  qmp: option.path("The Unix socket of the monitor. Default: no monitor."),
  connect: option.boolean("Connect to both sockets, as QEMU does under its test harness, instead of listening.", {
    default: false,
  }),
  clock: option.choice("Who moves virtual time: the client (clock_step), or this computer's clock.", ["step", "real"], {
    default: "step",
  }),
  qemu: option.string("QEMU's command line instead of a manifest; its sockets are used."),
} as const;

type Given = OptionsOf<typeof options>;

/** The door. */
const qtestServer: DoorPlugin = defineDoor({
  name: "qtest-server",
  kind: "door",
  api: API_VERSION,
  summary: "Put the machine behind QEMU's qtest protocol, for what can drive QEMU.",
  command: "qtest",
  usage: "<manifest>",
  names: [0, 1],
  about: `Needs --allow-read; for its sockets --allow-net=unix:PATH and --allow-write=PATH. The machine is bare: no
firmware runs, no driver is bound, and workloads do nothing.`,
  options,
  run: (context, given) => given.qemu === undefined ? runManifest(context, given) : runQemu(context, given.qemu, given),
});

export default qtestServer;

/** Where the two protocols are spoken. */
interface Places {
  readonly qtest: Place | null;
  readonly qmp: Place | null;
}
interface Place {
  readonly path: string;
  readonly listen: boolean;
  /** What named it, for messages. */
  readonly option: string;
}

async function runManifest({ names: [manifest], load }: DoorContext, given: Given): Promise<number> {
  if (manifest === undefined) {
    throw new InputError({
      file: "qtest",
      path: "",
      found: "no manifest",
      expected: "one, or --qemu with a command line",
    });
  }
  const machine = await loadMachine(manifest, { ...load, bare: true });
  const type = machineOf(
    machine.resolved.bus?.plugin.kind === "profile" ? machine.resolved.bus.plugin.name : undefined,
  );
  const session = new Session({ machine, type, backends: new Backends(), clock: given.clock, stopped: false });
  const listens = !given.connect;
  const { socket, qmp } = given;
  return await serve(session, {
    qtest: socket === undefined ? null : { path: socket, listen: listens, option: "--socket" },
    qmp: qmp === undefined ? null : { path: qmp, listen: listens, option: "--qmp" },
  }, () => machine.stop());
}

async function runQemu({ load }: DoorContext, line: string, given: Given): Promise<number> {
  const command = readArguments(splitWords(line));
  const machine = await loadMachine(command.manifest, { ...load, bare: true });
  const { machine: type, backends, stopped } = command;
  const session = new Session({ machine, type, backends, clock: given.clock, stopped });
  return await serve(session, placesOf(command), () => machine.stop());
}

function placesOf({ qtest, qmp }: QemuCommand): Places {
  return {
    qtest: qtest === undefined ? null : { path: qtest.path, listen: qtest.server, option: "-qtest" },
    qmp: qmp === undefined ? null : { path: qmp.path, listen: qmp.server, option: "-mon" },
  };
}

/** Serves until the session is over, or somebody ends the program. */
async function serve(session: Session, { qtest, qmp }: Places, stop: () => void): Promise<number> {
  const end = () => session.end();
  Deno.addSignalListener("SIGTERM", end);
  Deno.addSignalListener("SIGINT", end);
  const closers: (() => void)[] = [];
  try {
    // In this order, as QEMU does: a harness waits for the one and then for the other.
    const talks = qtest === null && qmp !== null ? null : (peer: Peer) => session.serveQtest(peer);
    if (talks !== null) await open(qtest, talks, session, closers);
    if (qmp !== null) await open(qmp, (peer) => session.serveQmp(peer), session, closers);
    await session.run();
  } finally {
    Deno.removeSignalListener("SIGTERM", end);
    Deno.removeSignalListener("SIGINT", end);
    for (const close of closers) close();
    stop();
  }
  return 0;
}

type Talk = (peer: Peer) => Promise<void>;

/** Opens one place; without one, standard input and output, whose end is the session's. */
async function open(place: Place | null, talk: Talk, session: Session, closers: (() => void)[]): Promise<void> {
  const converse = async (peer: Peer) => {
    closers.push(() => void peer.close());
    await talk(peer).catch((error) => session.fail(error));
    await peer.close();
  };
  if (place === null) void converse(standardPeer()).then(() => session.end());
  else if (place.listen) {
    const listener = await listen(place.path, place.option);
    closers.push(() => listener.close());
    void acceptAll(listener, converse);
  } else {
    const peer = await connect(place.path, place.option);
    void converse(peer);
  }
}

/** One client after the other. */
async function acceptAll(listener: { accept(): Promise<Peer | null> }, converse: Talk): Promise<void> {
  for (let peer = await listener.accept(); peer !== null; peer = await listener.accept()) await converse(peer);
}

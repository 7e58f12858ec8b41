/**
 * `serve`: a device of a manifest, behind a real guest. Whatever speaks vhost-user (QEMU, libblkio) connects to a Unix
 * socket and shares its guest's memory; the device plugin is the one that runs in a simulated machine.
 *
 * @module
 */

import { API_VERSION, defineDoor, type DoorPlugin, option } from "@iova/core";
import { serve } from "./serve.ts";

const options = {
  device: option.string("The device of the manifest to serve, or several with commas between them.", {
    required: true,
  }),
  socket: option.path("Where to listen, a path of at most 107 bytes: one for each device, with commas.", {
    required: true,
  }),
  pollUs: option.integer("Microseconds to go on looking at the rings before waiting; takes a whole processor.", {
    default: 0,
    min: 0,
    max: 1_000_000,
  }),
  once: option.boolean("End with the first connection.", { default: false }),
  sealed: option.boolean("Refuse guest memory whose owner could cut it short, which would end this program.", {
    default: false,
  }),
} as const;

/** The door plugin. */
const vhostUser: DoorPlugin = defineDoor({
  name: "vhost-user",
  kind: "door",
  api: API_VERSION,
  summary: "Serve a device of a manifest to a real guest, through vhost-user.",
  command: "serve",
  usage: "<manifest>",
  about:
    "Needs --allow-read, --allow-write for the device's image, and --allow-ffi: it shares the guest's memory through " +
    "the C library, so that Deno's other permissions do not bind it. SIGUSR1 prints statistics, SIGINT and SIGTERM end it.",
  options,
  run: (context, given) => serve(context, given),
});

export default vhostUser;

/**
 * Platform `xen-grant`: a guest on Xen whose devices live in another domain. The guest lends them pages by grant references,
 * which travel as bus addresses with bit 63 set; the other domain has the hypervisor map them.
 *
 * @module
 */

import { API_VERSION, definePlatform, InputError, option, type PlatformPlugin } from "@iova/core";
import { readFlaws } from "@iova/xen";
import { type Frontend, frontendOf, GrantDmaOps, PersistentGrantDmaOps } from "./guest.ts";
import { GrantBackend, XenMachine } from "./hardware.ts";

const options = {
  version: option.integer("Version of the guest's grant table.", { default: 1, min: 1, max: 2 }),
  policy: option.choice("How the backend reaches granted pages.", ["map", "cached", "persistent", "copy"], {
    default: "map",
  }),
  inUse: option.choice(
    "When the backend still holds a page that the guest wants back: `break`, the device gets no mappings any more, as on " +
      "Linux; `defer`, page and reference wait.",
    ["break", "defer"],
    { default: "break" },
  ),
  backends: option.choice("One domain for all devices, or one for each.", ["one", "per-device"], { default: "one" }),
  backendDomain: option.integer("Id of the (first) backend domain.", { default: 0, min: 0, max: 0x7fef }),
  guestDomain: option.integer("Id of the guest's domain.", { default: 1, min: 0, max: 0x7fef }),
  arch: option.choice("Arm has no version 2 tables.", ["x86", "arm"], { default: "x86" }),
  maxGrantFrames: option.integer("Most frames of the guest's grant table; 512 references each, 256 in version 2.", {
    default: 64,
    min: 1,
    max: 8192,
  }),
  maxMaptrackFrames: option.integer("Most frames of the backend's mappings, 256 each.", {
    default: 1024,
    min: 1,
    max: 8192,
  }),
  cacheEntries: option.integer("Mappings that the policies `cached` and `persistent` keep at most.", {
    default: 1056,
    min: 1,
    max: 1048576,
  }),
  flaws: option.string(
    "Published mistakes that the hypervisor, or the guest (XSA-396), makes again, such as `XSA-218, XSA-224`; `all` for " +
      "every one.",
    { default: "" },
  ),
  idle: option.duration("After how long `persistent` lets go of a page that nobody uses.", { default: 60e9 }),
  persistentPages: option.integer("Pages that the guest grants for good for each device under `persistent`.", {
    default: 512,
    min: 4,
    max: 65536,
  }),
} as const;

/** The plugin. */
const xenGrant: PlatformPlugin = definePlatform({
  name: "xen-grant",
  kind: "platform",
  api: API_VERSION,
  summary: "Xen: grant references as bus addresses, mapped by a backend domain",
  options,
  create(services, given) {
    const { file, path } = services.where;
    if (given.guestDomain === given.backendDomain) {
      const found = `domain ${given.guestDomain} for guest and backend`;
      throw new InputError({ file, path: `${path}.with.backendDomain`, found, expected: "two domains" });
    }
    const { flaws, looksThenEnds } = readFlaws(given.flaws, services.where);
    const machine = new XenMachine(services, { ...given, flaws });
    const closing: PersistentGrantDmaOps[] = [];
    const backends: GrantBackend[] = [];
    let frontend: Frontend | null = null;
    return {
      translator(host) {
        const { hypervisor, guest, spend } = machine;
        const backend = new GrantBackend(host, hypervisor, guest, machine, given, spend);
        backends.push(backend);
        return backend;
      },
      dmaOps(context) {
        if (context.upstream !== null) {
          const expected = "a bridge that no other platform is above: grants name the guest's own frames";
          throw new InputError({ file, path, found: "xen-grant below another platform", expected });
        }
        frontend ??= frontendOf(context.guest, given.version, looksThenEnds);
        // What the device tree says.
        const backend = machine.serve(context.device.requester).id;
        const { inUse, policy, persistentPages } = given;
        if (policy !== "persistent") return new GrantDmaOps(context, frontend, { backend, inUse });
        const ops = new PersistentGrantDmaOps(context, frontend, { backend, inUse }, persistentPages);
        closing.push(ops);
        return ops;
      },
      stop() {
        for (const backend of backends) backend.reset();
        for (const ops of closing) ops.close();
        frontend?.deferred.settle();
      },
    };
  },
});

export default xenGrant;

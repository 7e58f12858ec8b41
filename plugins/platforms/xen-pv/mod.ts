/**
 * Platform `xen-pv`: a paravirtualised guest on Xen, whose frames are not the machine's. Devices see machine addresses; the
 * guest turns its own into them by a table, and bounces what is scattered.
 *
 * @module
 */

import {
  API_VERSION,
  definePlatform,
  GuestMemoryError,
  InputError,
  type MachineServices,
  option,
  parseAddress,
  type PlatformPlugin,
} from "@iova/core";
import { PvDmaOps, pvGuestOf } from "./guest.ts";
import { pvMachineOf } from "./hardware.ts";

const MIB = 1024 * 1024;

const options = {
  outer: option.boolean(
    "Xen itself runs in a virtual machine and the guest is dom0: machine addresses are the outer machine's, and devices " +
      "belong to it. The guest's machine frames then have the same numbers as its own, in another order.",
    { default: false },
  ),
  order: option.choice("How the guest's machine frames follow each other.", ["shuffled", "reverse", "ordered"], {
    default: "shuffled",
  }),
  machineBase: option.address("First machine address of the guest's memory, a multiple of 4 KiB. Not with `outer`.", {
    default: 0x1000_0000n,
  }),
  spare: option.size("Machine memory that nobody has: contiguous extents come from it.", {
    default: 64 * MIB,
    max: 1024 * MIB,
  }),
  pool: option.size("The bounce pool, in segments of 256 KiB.", { default: 4 * MIB, min: MIB / 4, max: 64 * MIB }),
  force: option.boolean("Bounce every buffer.", { default: false }),
  place: option.object('Machine frames of one\'s choice, by pseudo-physical frame: {"0x100": "0x9000"}.', {
    default: {},
  }),
} as const;

/** The plugin. */
const xenPv: PlatformPlugin = definePlatform({
  name: "xen-pv",
  kind: "platform",
  api: API_VERSION,
  summary: "Xen PV: guest frames are not machine frames; devices see machine addresses",
  options,
  create(services, { outer, order, machineBase, spare, pool, force, place }) {
    if (machineBase % 4096n !== 0n || machineBase > LAST_BASE) {
      fail(services, "machineBase", `0x${machineBase.toString(16)}`, "a multiple of 4096, at most 0x10000000000");
    }
    const placed = readPlaces(services, place);
    const machine = pvMachineOf(services, { outer, order, machineBase: Number(machineBase), spare, place: placed });
    return {
      translator: (host) => machine.bus(host),
      dmaOps(context) {
        const { guest, upstream } = context;
        if (upstream !== null) {
          const { file, path } = services.where;
          const expected = "a bridge that no other platform is above: machine addresses are those of the whole machine";
          throw new InputError({ file, path, found: "xen-pv below another platform", expected });
        }
        const allocate = (pages: number) => guest.heap.allocPages(pages) ?? outOfMemory(pages);
        return new PvDmaOps(context, pvGuestOf(guest, () => machine.build(allocate), pool), force);
      },
    };
  },
});

export default xenPv;

/** 1 TiB. */
const LAST_BASE = 0x100_0000_0000n;

function outOfMemory(pages: number): never {
  throw new GuestMemoryError("the p2m table of a PV guest", pages * 4096);
}

function readPlaces(services: MachineServices, place: Record<string, unknown>): Map<number, number> {
  return new Map(
    Object.entries(place).map(([key, value]) => {
      const pfn = parseAddress(key);
      const mfn = parseAddress(value);
      if (pfn === undefined || mfn === undefined || pfn > MAX_FRAME || mfn > MAX_FRAME) {
        fail(services, `place.${key}`, `${key} at ${value}`, 'two frame numbers, such as "0x100": "0x9000"');
      }
      return [Number(pfn), Number(mfn)];
    }),
  );
}

const MAX_FRAME = 0x7fff_ffffn;

function fail({ where: { file, path } }: MachineServices, name: string, found: string, expected: string): never {
  throw new InputError({ file, path: `${path}.with.${name}`, found, expected });
}

import direct from "@iova/direct";
import { platformConformance, type PlatformQuirks } from "@iova/core/testing";
import platform from "./mod.ts";

const pages = "translates whole pages";
const shared = "every device of a bridge uses the bridge's windows";

const LINUX = {
  "fault-outside": pages,
  "fault-read": "Linux always lets the device read",
  "fault-other": shared,
  "misuse-reported": "Linux frees whatever range of the table it is told",
} as const;

const STRICT = { "fault-outside": pages, "fault-other": shared } as const;

const stopped = "the first fault stops the endpoint, and what follows is refused";

const FROZEN = {
  ...LINUX,
  "fault-after-unmap": stopped,
  "fault-write": stopped,
} as const;

const always = "a window of all memory protects nothing";

const DIRECT_WINDOW = {
  "fault-outside": always,
  "fault-read": always,
  "fault-other": always,
  "misuse-reported": always,
  "fault-after-unmap": always,
  "fault-write": always,
  "fault-recorded": always,
  "lease": always,
} as const;

function conform(options: Record<string, unknown>, quirks: PlatformQuirks): void {
  for (const { name, run } of platformConformance(platform, options, quirks)) Deno.test(name, run);
}

// The default window.
conform({ eeh: false }, { leftOut: LINUX });
conform({ profile: "qemu-tcg" }, { leftOut: LINUX });
conform({ profile: "kvm" }, { leftOut: LINUX });
conform({ eeh: false, multiTce: false }, { leftOut: LINUX });
conform({ eeh: false, guestPage: "64KiB" }, { leftOut: LINUX });
conform({ eeh: false, strict: true }, { leftOut: STRICT });
conform({}, { leftOut: FROZEN });

// A window of all memory, and a 64-bit window that is too small for that.
conform({ ddw: true, partition: "8GiB" }, { leftOut: DIRECT_WINDOW });
conform({ ddw: true, partition: "8GiB", windows: 1 }, { leftOut: DIRECT_WINDOW });
conform({ ddw: true, largestBlock: 65536, pageSizes: "64KiB", eeh: false }, { leftOut: LINUX });

// Below another platform.
conform({ eeh: false, profile: "qemu-tcg" }, {
  leftOut: LINUX,
  below: { plugin: direct, with: { offset: "0x80000000" } },
});

/**
 * The options that every virtio device plugin has: how the device is reached, which ring features it offers and its
 * driver takes, who makes addresses. A plugin spreads them into its own and hands all of them on to
 * {@linkcode VirtioDevice}, {@linkcode plugVirtio} and its driver.
 *
 * @module
 */

import { type DeviceContext, InputError, option, type OptionSpec } from "@iova/core";

/** The values of {@linkcode virtioOptions}; their descriptions say what they mean. */
export interface VirtioOptions {
  /** The interfaces of the device. */
  readonly transport: "modern" | "transitional" | "legacy";
  /** The interface that the driver takes. */
  readonly driverInterface: "modern" | "legacy";
  /** MSI-X vectors. */
  readonly vectors: number;
  /** INDIRECT_DESC. */
  readonly indirect: boolean;
  /** EVENT_IDX. */
  readonly eventIndex: boolean;
  /** RING_PACKED. */
  readonly packed: boolean;
  /** IN_ORDER. */
  readonly inOrder: boolean;
  /** NOTIFICATION_DATA. */
  readonly notificationData: boolean;
  /** NOTIF_CONFIG_DATA. */
  readonly notifConfigData: boolean;
  /** RING_RESET. */
  readonly ringReset: boolean;
  /** ORDER_PLATFORM. */
  readonly orderPlatform: boolean;
  /** ACCESS_PLATFORM. */
  readonly accessPlatform: boolean;
  /** Who makes the driver's addresses. */
  readonly driverAddressing: "dma-api" | "physical" | "always-dma-api" | "restricted";
  /** Whose manners. */
  readonly personality: "spec" | "qemu";
}

/** A schema with a default for every option. */
export type VirtioOptionSchema = {
  readonly [K in keyof VirtioOptions]: OptionSpec<VirtioOptions[K]> & { readonly default: VirtioOptions[K] };
};

/** See the module's text. */
export const virtioOptions: VirtioOptionSchema = {
  transport: option.choice(
    "The modern interface, the legacy one (virtio 0.9), or on PCI both. A device with nothing but the legacy one cannot " +
      "offer ACCESS_PLATFORM: it uses physical addresses.",
    ["modern", "transitional", "legacy"],
    { default: "modern" },
  ),
  driverInterface: option.choice("Which interface the driver takes where a device has both.", ["modern", "legacy"], {
    default: "modern",
  }),
  vectors: option.integer("MSI-X vectors on PCI; 0: an interrupt line.", { default: 2, min: 0, max: 2048 }),
  indirect: option.boolean("Offer and use indirect descriptors.", { default: true }),
  eventIndex: option.boolean("Offer and use event indices instead of flags to suppress notifications.", {
    default: true,
  }),
  packed: option.boolean("Offer and use packed rings.", { default: false }),
  inOrder: option.boolean("Offer and use IN_ORDER: buffers are used in the order in which they were made available.", {
    default: false,
  }),
  notificationData: option.boolean("Offer and use NOTIFICATION_DATA: a kick says how far the driver is.", {
    default: false,
  }),
  notifConfigData: option.boolean(
    "Offer and use NOTIF_CONFIG_DATA: on PCI a kick names its queue as the device says.",
    {
      default: false,
    },
  ),
  ringReset: option.boolean("Offer RING_RESET: one queue can be reset by itself.", { default: true }),
  orderPlatform: option.boolean("Offer and accept ORDER_PLATFORM: barriers as for real devices.", { default: false }),
  accessPlatform: option.boolean(
    "The device uses bus addresses (feature bit 33). False: physical addresses, whatever the platform says.",
    { default: true },
  ),
  driverAddressing: option.choice(
    "Who makes the driver's addresses. `dma-api`: the platform, if ACCESS_PLATFORM is negotiated. `physical`: nobody, " +
      "whatever the device expects. `always-dma-api`: the platform, whatever was negotiated, as Linux does on Xen. " +
      "`restricted`: the platform, and a device without VERSION_1 and ACCESS_PLATFORM is refused, as Linux does where " +
      "memory is encrypted.",
    ["dma-api", "physical", "always-dma-api", "restricted"],
    { default: "dma-api" },
  ),
  personality: option.choice("Where QEMU differs from the specification: who is right.", ["spec", "qemu"], {
    default: "spec",
  }),
};

/**
 * Whether a device with these options puts CPU physical addresses on its bus: what a plugin answers to
 * `physicallyAddressed`.
 */
export function usesPhysicalAddresses({ accessPlatform, transport }: VirtioOptions): boolean {
  return !accessPlatform || transport === "legacy";
}

/** Options that a legacy interface, with 32 feature bits, has no bit for. */
const MODERN_ONLY = ["packed", "inOrder", "notificationData", "notifConfigData", "orderPlatform"] as const;

/** What is asked for and cannot be had together. @throws {InputError} when there is such a pair. */
export function checkVirtioOptions({ where }: Pick<DeviceContext, "where">, given: VirtioOptions): void {
  const { transport, driverInterface } = given;
  const refuse = (name: string, expected: string) => {
    const found = `${JSON.stringify(given[name as keyof VirtioOptions])} beside "transport": "${transport}"`;
    throw new InputError({ file: where.file, path: `${where.path}.with.${name}`, found, expected });
  };
  const modern = transport === "legacy" ? MODERN_ONLY.find((name) => given[name]) : undefined;
  if (modern !== undefined) refuse(modern, "a modern interface: a legacy one has no such feature");
  if (transport === "modern" && driverInterface === "legacy") {
    refuse("driverInterface", 'a device that has that interface, as with "transport": "transitional"');
  }
}

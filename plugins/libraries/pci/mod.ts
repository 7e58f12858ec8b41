/**
 * PCI, as a bus plugin and as a library for device plugins. The hardware half ({@linkcode pciBus}) gives a device its
 * configuration space, BARs, capabilities, MSI, MSI-X and INTx; the guest half ({@linkcode pciGuest}) enumerates by
 * configuration mechanism #1 and gives a driver the same from the other side. They meet in the bytes of `layout.ts`.
 *
 * @module
 */

import { type BusPlugin, defineBus } from "@iova/core";
import { pciGuest } from "./guest.ts";
import { pciBus, PciHost } from "./hardware.ts";

export * from "./guest.ts";
export * from "./hardware.ts";
export * from "./layout.ts";

/** The bus plugin. */
const pci: BusPlugin<Record<never, never>> = defineBus({
  name: "pci",
  kind: "bus",
  api: 1,
  summary: "Conventional PCI: configuration space, BARs, bridges, MSI, MSI-X, INTx",
  options: {},
  create(services, root) {
    const { root: pciRoot } = new PciHost(services, root);
    let started = false;
    return {
      bridge: (parent, id, at) => pciBus(parent).addBridge(id, at).core,
      start(guest) {
        // What was pulled out later is no mistake of the manifest's.
        if (!started) pciRoot.checkPlaces();
        started = true;
        pciGuest(guest).enumerate();
      },
    };
  },
});

export default pci;

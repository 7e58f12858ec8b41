/**
 * virtio devices without PCI: a bus plugin with slots at fixed addresses, as microvm and many ARM machines have them.
 *
 * @module
 */

import { type BusPlugin, defineBus, InputError, option } from "@iova/core";
import { MMIO_SLOT_SIZE, tellMmioSlots } from "@iova/virtio";
import { MmioSlots } from "./hardware.ts";

const options = {
  slots: option.integer("Slots, with a device or without.", { default: 8, min: 1, max: 32 }),
  base: option.integer("Address of the first register of slot 0; slots follow each other.", {
    default: 0xfeb0_0000,
    max: 2 ** 52 - 1,
  }),
  line: option.integer("Interrupt line of slot 0; slots have one each.", { default: 24, max: 1023 }),
  personality: option.choice("Whose empty slots they are.", ["spec", "qemu"], { default: "spec" }),
} as const;

/** The bus plugin. */
const virtioMmio: BusPlugin = defineBus({
  name: "virtio-mmio",
  kind: "bus",
  api: 1,
  summary: "virtio devices at fixed addresses, without PCI",
  options,
  create(services, root, given) {
    const { file, path } = services.where;
    const wrong = (found: string, expected: string) =>
      new InputError({ file, path: `${path}.with.base`, found, expected });
    const found = `0x${given.base.toString(16)}`;
    if (given.base % MMIO_SLOT_SIZE !== 0) throw wrong(found, `a multiple of ${MMIO_SLOT_SIZE}`);
    const slots = makeSlots();
    return {
      bridge: (parent, id) => slots.addBus(parent, id),
      start: (guest) => tellMmioSlots(guest, slots.describe()),
    };

    function makeSlots(): MmioSlots {
      try {
        return new MmioSlots(services, root, given);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw wrong(`${found} (${error.message})`, `room for ${given.slots} slots`);
      }
    }
  },
});

export default virtioMmio;

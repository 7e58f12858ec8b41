/** A small virtio device, plugged in by any transport, with a mock ring for it. */

import { type PciWorld, pciWorld } from "@iova/pci/testing";
import { plugVirtio, type VirtioPlug } from "../device_attach.ts";
import type { Chain } from "../device_chain.ts";
import { VirtioMmioDevice } from "../device_mmio.ts";
import { Outcome, VirtioDevice, type VirtioModel } from "../device_model.ts";
import { driverTransport } from "../driver_attach.ts";
import { mmioRequester, tellMmioSlots } from "../driver_mmio.ts";
import type { DriverTransport } from "../driver_transport.ts";
import { FeatureSet, Status } from "../layout_features.ts";
import type { VirtioOptions } from "../options.ts";
import { MockRing } from "../testing.ts";

/** A device that writes the letter A into every chain, and keeps chains of queue 1 until it is told. */
export class Letters implements VirtioModel {
  readonly type = 4;
  readonly features = [3];
  readonly queueSizes = [64, 32, 0];
  readonly config = Uint8Array.from([1, 2, 3, 4, 5, 6]);
  readonly kept: number[] = [];
  readonly queueResets: number[] = [];
  accepted = new FeatureSet();
  resets = 0;
  plug!: VirtioPlug;

  negotiated(features: FeatureSet): boolean {
    this.accepted = features;
    return true;
  }

  configWritten(offset: number, value: number): void {
    this.config[offset] = value;
  }

  request(queue: number, chain: Chain): Outcome {
    if (queue === 1) {
      this.kept.push(chain.id);
      return Outcome.LATER;
    }
    if (chain.writeBytes === 0) return Outcome.BROKEN;
    chain.write(this.plug.port, 0, Uint8Array.from([0x41]), 0, 1);
    chain.written = 1;
    return Outcome.DONE;
  }

  queueReset(queue: number): void {
    this.queueResets.push(queue);
    this.kept.length = 0;
  }

  reset(): void {
    this.resets++;
    this.kept.length = 0;
  }
}

export interface LetterWorld extends PciWorld {
  readonly model: Letters;
  readonly plug: VirtioPlug;
  readonly transport: DriverTransport;
  readonly requester: number;
}

export type LetterOptions = Partial<VirtioOptions> & { mmio?: boolean };

/** Where the MMIO slot is. */
export const SLOT = 0xfeb0_0000;
/** Its interrupt line. */
export const LINE = 24;

export function letterWorld(options: LetterOptions = {}): LetterWorld {
  const w = pciWorld();
  const model = new Letters();
  const { scheduler, events } = w;
  const { mmio = false, transport = "modern", vectors = 2 } = options;
  const spec = {
    type: model.type,
    classCode: 0xff0000,
    transport,
    vectors,
    configSize: model.config.length,
    make: (port: VirtioPlug["port"]) => new VirtioDevice({ ...options, id: "letters", port, scheduler, events, model }),
  };
  if (mmio) {
    const port = w.root.attach("letters", mmioRequester(0));
    const device = new VirtioMmioDevice(spec, {
      port,
      drive: (asserted) => w.interrupts.drive(LINE, asserted),
      remove: () => w.root.detach(port),
    });
    w.space.addRegisters(SLOT, 0x200, "slot", device);
    model.plug = device;
    tellMmioSlots(w.guest, [`512@0x${SLOT.toString(16)}:${LINE}:0`]);
  } else {
    model.plug = plugVirtio({ id: "letters", bus: w.root }, spec);
    w.pci.enumerate();
  }
  const requester = 8;
  const driver = driverTransport({ guest: w.guest, requester }, options);
  return { ...w, model, plug: model.plug, transport: driver, requester };
}

/** A ring of a queue as a legacy device wants it: in one block. */
export function ringOf(w: LetterWorld, size: number, base = 0x10000): MockRing {
  return new MockRing(w.space, { size, base });
}

/** The ring's parts as a driver tells them. */
export function addressesOf({ addresses }: MockRing) {
  const [desc, driver, device] = addresses.map(Number);
  return { descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device };
}

/** Brings the device up with these features; the queues are not set up. */
export function bringUp({ transport }: LetterWorld, features: readonly number[]): void {
  transport.writeStatus(0);
  transport.writeStatus(Status.ACKNOWLEDGE);
  transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER);
  transport.accept(new FeatureSet(features));
  if (!transport.legacy) transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK);
}

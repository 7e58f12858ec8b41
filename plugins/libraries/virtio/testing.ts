/**
 * A mock virtqueue driver for tests of devices, ours and others: it writes raw descriptors, rings and registers, sane or
 * hostile, and reads back what the device did. It maps nothing: addresses are what the test says they are.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { AddressSpace, RamRegion } from "@iova/core";
 * import { MockRing } from "@iova/virtio/testing";
 *
 * const memory = new AddressSpace();
 * memory.addRam(new RamRegion(0, new ArrayBuffer(0x4000)));
 * const ring = new MockRing(memory, { size: 8, base: 0x1000 });
 * ring.desc(0, { addr: 0x3000n, len: 16, flags: 2 });
 * ring.offer(0);
 * assertEquals(ring.availIdx, 1);
 * assertEquals(ring.usedIdx, 0);
 * ```
 *
 * @module
 */

import type { AddressSpace, GuestPort, PhysAddr } from "@iova/core";
import { fromHex } from "@iova/fields/testing";
import { pciGuest } from "@iova/pci";
import { VirtioPciTransport } from "./driver_pci.ts";
import { driverOk, resetDevice } from "./driver_transport.ts";
import { FeatureSet, Status } from "./layout_features.ts";
import {
  AVAIL_RING,
  availEventAt,
  placeSplit,
  type SplitPlacement,
  USED_RING,
  usedEventAt,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from "./layout_ring.ts";

export * from "./testing_hostile.ts";
export * from "./testing_packed.ts";

/** Where a mock ring lies. */
export interface MockRingOptions {
  /** Entries. */
  readonly size: number;
  /** First byte, as the CPU sees it; parts follow as Linux places them. */
  readonly base: PhysAddr;
  /** What is added to a physical address to make a bus address. Default 0. */
  readonly offset?: bigint;
}

/** A descriptor's fields; those left out are zero. */
export type MockDesc = Partial<{ addr: bigint; len: number; flags: number; next: number }>;

/** A split ring as raw bytes in guest memory. Nothing is checked: a test may write what it likes. */
export class MockRing {
  /** Entries. */
  readonly size: number;
  /** First byte of each part, as the CPU sees it. */
  readonly at: SplitPlacement;
  /** Bus addresses of descriptor area, driver area, device area. */
  readonly addresses: readonly [bigint, bigint, bigint];
  readonly #memory: AddressSpace;

  /** A ring of zeros in `memory`. */
  constructor(memory: AddressSpace, { size, base, offset = 0n }: MockRingOptions) {
    this.size = size;
    this.#memory = memory;
    const { desc, avail, used, bytes } = placeSplit(size);
    this.at = { desc: base + desc, avail: base + avail, used: base + used, bytes };
    const { at } = this;
    this.addresses = [BigInt(at.desc) + offset, BigInt(at.avail) + offset, BigInt(at.used) + offset];
    memory.bytes(base, bytes).fill(0);
  }

  /** Writes descriptor `index`, from fields or from 16 bytes in hexadecimal. */
  desc(index: number, desc: MockDesc | string): void {
    this.entry(this.at.desc + index * VirtqDesc.size, desc);
  }

  /** Writes a descriptor anywhere: an entry of an indirect table. */
  entry(address: PhysAddr, desc: MockDesc | string): void {
    this.#memory.bytes(address, VirtqDesc.size).set(typeof desc === "string" ? fromHex(desc) : VirtqDesc.encode(desc));
  }

  /** Makes a chain of descriptors from `first` on, one after the other, and offers it. */
  chain(first: number, descs: readonly MockDesc[]): void {
    descs.forEach((desc, i) => {
      const more = i < descs.length - 1 ? 1 : 0;
      this.desc(first + i, { ...desc, flags: (desc.flags ?? 0) | more, next: more * (first + i + 1) });
    });
    this.offer(first);
  }

  /** Makes head `head` available: next slot, next index. */
  offer(head: number): void {
    this.#set16(this.at.avail + AVAIL_RING + 2 * (this.availIdx % this.size), head);
    this.availIdx = (this.availIdx + 1) & 0xffff;
  }

  /** `avail.idx`. */
  get availIdx(): number {
    return this.#get16(this.at.avail + VirtqAvail.at.idx);
  }
  set availIdx(value: number) {
    this.#set16(this.at.avail + VirtqAvail.at.idx, value);
  }

  /** `avail.flags`. */
  set availFlags(value: number) {
    this.#set16(this.at.avail + VirtqAvail.at.flags, value);
  }

  /** `used_event`, which this side writes. */
  set usedEvent(value: number) {
    this.#set16(this.at.avail + usedEventAt(this.size), value);
  }

  /** `used.idx`; writing it is what a hostile driver does. */
  get usedIdx(): number {
    return this.#get16(this.at.used + VirtqUsed.at.idx);
  }
  set usedIdx(value: number) {
    this.#set16(this.at.used + VirtqUsed.at.idx, value);
  }

  /** `used.flags`. */
  get usedFlags(): number {
    return this.#get16(this.at.used + VirtqUsed.at.flags);
  }

  /** `avail_event`, which the device writes. */
  get availEvent(): number {
    return this.#get16(this.at.used + availEventAt(this.size));
  }

  /** Used element in slot `slot`: head and bytes written. */
  used(slot: number): [id: number, length: number] {
    const at = this.at.used + USED_RING + slot * VirtqUsedElem.size;
    const { id, len } = VirtqUsedElem.decode(this.#memory.bytes(at, VirtqUsedElem.size));
    return [id, len];
  }

  #get16(address: PhysAddr): number {
    return this.#memory.read(address, 2);
  }

  #set16(address: PhysAddr, value: number): void {
    this.#memory.write(address, 2, value);
  }
}

/** What a mock driver needs to know of its ring. */
export interface MockQueue {
  /** Entries. */
  readonly size: number;
  /** Bus addresses of descriptor area, driver area, device area. */
  readonly addresses: readonly [bigint, bigint, bigint];
}

/** How a mock driver starts. */
export interface MockDriverOptions<R extends MockQueue = MockRing> {
  /** The CPU. */
  readonly guest: GuestPort;
  /** Requester id of the device's PCI function. */
  readonly requester: number;
  /** Queue 0. */
  readonly ring: R;
  /** Numbers of the features that it accepts. */
  readonly features: readonly number[];
  /** Takes interrupts and counts them. Default true; false leaves the interrupt status for {@linkcode MockDriver.isr}. */
  readonly interrupts?: boolean;
}

/** A driver for queue 0 of a virtio PCI device. It finds no mistake and makes every one that a test asks for. */
export class MockDriver<R extends MockQueue = MockRing> {
  /** The device's registers. */
  readonly transport: VirtioPciTransport;
  /** Queue 0. */
  readonly ring: R;
  /** Interrupts taken for used buffers. */
  usedInterrupts = 0;
  /** Interrupts taken for the configuration. */
  configInterrupts = 0;
  readonly #options: MockDriverOptions<R>;
  #notify: () => void = () => {};

  /** Finds the device; it is not touched yet. */
  constructor(options: MockDriverOptions<R>) {
    this.#options = options;
    this.ring = options.ring;
    this.transport = new VirtioPciTransport(options);
  }

  /** Reset, features, queue 0, DRIVER_OK. Returns the status register at the end. */
  start(): number {
    if ((this.negotiate() & Status.FEATURES_OK) === 0) return this.status;
    this.enable();
    driverOk(this.transport);
    return this.status;
  }

  /** Reset and negotiation only. Returns the status register. */
  negotiate(): number {
    const { transport } = this;
    resetDevice(transport, () => false);
    transport.writeStatus(Status.ACKNOWLEDGE);
    transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER);
    transport.accept(new FeatureSet(this.#options.features));
    transport.writeStatus(Status.ACKNOWLEDGE | Status.DRIVER | Status.FEATURES_OK);
    return this.status;
  }

  /** Sets queue 0 and the interrupts up. */
  enable(): void {
    const { transport, ring } = this;
    const [desc, driver, device] = ring.addresses;
    transport.enableQueue(0, ring.size, {
      descHi: high(desc),
      descLo: low(desc),
      driverHi: high(driver),
      driverLo: low(driver),
      deviceHi: high(device),
      deviceLo: low(device),
    });
    this.#notify = transport.notifier(0);
    if (this.#options.interrupts === false) return;
    transport.connect([() => void this.usedInterrupts++], () => void this.configInterrupts++);
  }

  /** The status register. */
  get status(): number {
    return this.transport.readStatus();
  }

  /** Rings the doorbell of queue 0. The device works when the scheduler runs. */
  kick(): void {
    this.#notify();
  }

  /** Reads, and so clears, the interrupt status of a device that uses our register layout. */
  isr(): number {
    return pciGuest(this.#options.guest).function(this.#options.requester).read(4, 0x1000, 1);
  }
}

function high(address: bigint): number {
  return Number(BigInt.asIntN(32, address >> 32n));
}

function low(address: bigint): number {
  return Number(BigInt.asIntN(32, address));
}

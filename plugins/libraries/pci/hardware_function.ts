/**
 * A PCI function: configuration space, BARs, capabilities, MSI, MSI-X, INTx, and its port onto the bus.
 *
 * @module
 */

import type { BusPort } from "@iova/core";
import { Bar } from "./hardware_bar.ts";
import type { PciBus } from "./hardware_bus.ts";
import { ConfigSpace } from "./hardware_config.ts";
import { atsCapability, EXTENDED_CONFIG_SIZE, layExtended } from "./hardware_extended.ts";
import { Intx } from "./hardware_intx.ts";
import { Msi, msiBody, msiWritable } from "./hardware_msi.ts";
import { Msix, msixBody, msixControl, msixWritable, placeMsix } from "./hardware_msix.ts";
import type { PciBarSpec, PciCapabilitySpec, PciFunctionSpec, PciMsixSpec } from "./hardware_spec.ts";
import { CAPABILITIES_START, CapabilityHeader, CapabilityId, Command, CONFIG_SIZE, Header0, Status } from "./layout.ts";

/** What stands at a place of a bus: a function or a bridge. */
export interface PciNode {
  /** What messages call it. */
  readonly name: string;
  /** `device << 3 | function`. */
  readonly place: number;
  /** What configuration cycles reach. */
  readonly config: ConfigSpace;
  /** Function 0 says that its device has more functions even when there are none. Absent: it says what is. */
  readonly multiFunction?: boolean;
}

/** Command bits that every function and bridge lets the guest write; the others read as zero. */
export const COMMAND_WRITABLE: number = Command.mask.io | Command.mask.memory | Command.mask.busMaster |
  Command.mask.parityErrorResponse | Command.mask.serr | Command.mask.interruptDisable;

/** Status bits that clear on 1. */
export const STATUS_CLEARABLE: number = Status.mask.masterDataParityError | Status.mask.signaledTargetAbort |
  Status.mask.receivedTargetAbort | Status.mask.receivedMasterAbort | Status.mask.signaledSystemError |
  Status.mask.detectedParityError;

/** A function. Made by {@linkcode PciBus.addFunction}. */
export class PciFunction implements PciNode {
  readonly name: string;
  readonly config: ConfigSpace;
  /**
   * Its way onto the bus. `requester` follows the numbering of the bus; `busMaster` follows the command register, off at
   * power-on: while it is off every access is an unsupported request, and losing it revokes every lease.
   */
  readonly port: BusPort;
  /** Its MSI unit; null when it declares none. */
  readonly msi: Msi | null;
  /** Its MSI-X unit; null when it declares none. */
  readonly msix: Msix | null;
  /** Its base address registers. */
  readonly bars: readonly Bar[];
  readonly #intx: Intx | null;
  readonly #powerOn: Uint8Array;
  #present = true;

  /** Made by {@linkcode PciBus.addFunction}, which knows that `place` is free. */
  constructor(readonly bus: PciBus, spec: PciFunctionSpec, readonly place: number, port: BusPort) {
    this.name = spec.id;
    this.port = port;
    port.busMaster = false;
    const extended = [...(spec.ats ? [atsCapability(port, spec.ats)] : []), ...(spec.extended ?? [])];
    this.config = new ConfigSpace(extended.length > 0 ? EXTENDED_CONFIG_SIZE : CONFIG_SIZE);
    const { vectors: msix, bars } = withMsix(spec, port);
    this.msi = spec.msi ? new Msi(this.config, port) : null;
    this.msix = msix?.unit ?? null;
    this.#header(spec);
    this.bars = bars.map((bar) => new Bar(`${spec.id} BAR ${bar.index}`, bar, this.config));
    checkDistinct(this.bars);
    const messages = [this.msi, this.msix];
    this.#intx = spec.interruptPin ? new Intx(this.config, bus, place >> 3, spec.interruptPin, messages) : null;
    this.#capabilities(spec.capabilities ?? [], msix?.spec);
    layExtended(this.config, extended, spec.id);
    for (const bar of this.bars) this.config.watch(bar.at, bar.bytes, { written: () => bus.host.refresh() });
    this.config.watch(Header0.at.command, 2, { written: () => this.#commanded() });
    this.#powerOn = this.config.bytes.slice();
  }

  /** The command register. */
  get command(): number {
    return this.config.view.getUint16(Header0.at.command, true);
  }

  /** Asserts its interrupt pin; it stays so until {@linkcode PciFunction.deassertIntx}. Silent while MSI or MSI-X is enabled. */
  assertIntx(): void {
    this.#intx?.want(true);
  }

  /** Deasserts its interrupt pin. */
  deassertIntx(): void {
    this.#intx?.want(false);
  }

  /** Offset in configuration space of the first capability with this id, or 0. */
  findCapability(id: number): number {
    const { bytes } = this.config;
    for (let at = bytes[Header0.at.capabilities]; at !== 0; at = bytes[at + CapabilityHeader.at.next]) {
      if (bytes[at] === id) return at;
    }
    return 0;
  }

  /** Back to power-on: BARs zero, nothing enabled, MSI-X masked. The guest must configure it again. */
  reset(): void {
    this.port.revokeAll("reset");
    this.#intx?.want(false);
    this.msix?.reset();
    this.config.reset(this.#powerOn);
    this.bus.markMultiFunction(this.place >> 3);
  }

  /** Pulls it off its bus: configuration reads all ones, its registers and claims are gone, its port gets nowhere. */
  remove(): void {
    if (!this.#present) return;
    this.#present = false;
    this.#intx?.want(false);
    this.bus.removeNode(this);
    this.bus.core.detach(this.port);
  }

  /** Takes the number that its bus has got. */
  renumber(): void {
    const requester = this.bus.number << 8 | this.place;
    if (requester === this.port.requester) return;
    this.port.revokeAll("the bus was renumbered");
    this.port.requester = requester;
  }

  #commanded(): void {
    const busMaster = (this.command & Command.mask.busMaster) !== 0;
    if (!busMaster && this.port.busMaster) this.port.revokeAll("bus mastering is off");
    this.port.busMaster = busMaster;
    this.#intx?.update();
    this.bus.host.refresh();
  }

  #header(spec: PciFunctionSpec): void {
    const { vendor, device, revision = 0, classCode, subsystemVendor = vendor, subsystem = 0 } = spec;
    const { config } = this;
    const interruptPin = spec.interruptPin ?? 0;
    config.define(0, Header0.encode({ vendor, device, revision, classCode, subsystemVendor, subsystem, interruptPin }));
    config.allow(Header0.at.command, 2, COMMAND_WRITABLE);
    config.clearOnOne(Header0.at.status, 2, STATUS_CLEARABLE);
    config.allow(Header0.at.cacheLineSize, 1, 0xff);
    config.allow(Header0.at.latencyTimer, 1, 0xff);
    config.allow(Header0.at.interruptLine, 1, 0xff);
  }

  #capabilities(list: readonly PciCapabilitySpec[], msix: Required<PciMsixSpec> | undefined): void {
    const head = Header0.at.capabilities;
    let at = CAPABILITIES_START;
    const add = (capability: PciCapabilitySpec) => {
      if (at + CapabilityHeader.size + capability.body.length > CONFIG_SIZE) {
        throw new RangeError(`${this.name}: capabilities do not fit ${CONFIG_SIZE} bytes`);
      }
      this.#capability(at, capability);
      // The newest is first in the list, as in QEMU.
      this.config.bytes[at + CapabilityHeader.at.next] = this.config.bytes[head];
      this.config.bytes[head] = at;
      at += Math.ceil((CapabilityHeader.size + capability.body.length) / 4) * 4;
    };
    for (const capability of list) add(capability);
    if (this.msi !== null) add(this.#msiCapability(this.msi, at));
    if (msix !== undefined) add(this.#msixCapability(msix, at));
    if (this.config.bytes[head] !== 0) this.config.bytes[Header0.at.status] |= Status.mask.capabilities;
  }

  #capability(at: number, { id, body, writable, ...hooks }: PciCapabilitySpec): void {
    const { config } = this;
    const start = at + CapabilityHeader.size;
    config.define(at, CapabilityHeader.encode({ id }));
    config.define(start, body, writable);
    const live = config.bytes.subarray(start, start + body.length);
    if (hooks.reading === undefined && hooks.written === undefined) return;
    config.watch(at, CapabilityHeader.size + body.length, {
      ...(hooks.reading && { reading: (offset, width) => hooks.reading!(live, offset - start, width) }),
      ...(hooks.written && { written: (offset, width) => hooks.written!(live, offset - start, width) }),
    });
  }

  #msiCapability(unit: Msi, at: number): PciCapabilitySpec {
    unit.place(at);
    return { id: CapabilityId.MSI, body: msiBody(), writable: msiWritable(), written: () => this.#intx?.update() };
  }

  #msixCapability(spec: Required<PciMsixSpec>, at: number): PciCapabilitySpec {
    const written = () => {
      const { enabled, functionMask } = msixControl(this.config, at);
      this.msix!.control(enabled, functionMask);
      this.#intx?.update();
    };
    return { id: CapabilityId.MSIX, body: msixBody(spec), writable: msixWritable(), written };
  }
}

interface Assembled {
  bars: PciBarSpec[];
  vectors: { unit: Msix; spec: Required<PciMsixSpec> } | null;
}

/** Puts the MSI-X unit in front of its BAR's registers, or makes a BAR for it. */
function withMsix({ id, msix, bars = [] }: PciFunctionSpec, port: BusPort): Assembled {
  if (msix === undefined) return { bars, vectors: null };
  const shared = bars.find((bar) => bar.index === msix.bar);
  const { spec, size } = placeMsix(msix, shared === undefined);
  if (!(msix.vectors >= 1 && msix.vectors <= 2048) || spec.tableOffset % 8 !== 0 || spec.pbaOffset % 8 !== 0) {
    throw new RangeError(`${id}: MSI-X has 1 to 2048 vectors, at multiples of 8 bytes`);
  }
  if (shared !== undefined && (shared.kind === "io" || shared.size < size)) {
    throw new RangeError(`${id}: MSI-X does not fit BAR ${msix.bar}`);
  }
  const unit = new Msix(spec, shared?.block ?? null, port);
  const holder: PciBarSpec = shared === undefined
    ? { index: msix.bar, kind: "memory", size, block: unit }
    : { ...shared, block: unit };
  return { bars: [...bars.filter((bar) => bar !== shared), holder], vectors: { unit, spec } };
}

function checkDistinct(bars: readonly Bar[]): void {
  const used = new Set<number>();
  for (const bar of bars) {
    for (let at = bar.at; at < bar.at + bar.bytes; at += 4) {
      if (used.has(at)) throw new RangeError(`${bar.name}: the register is taken`);
      used.add(at);
    }
  }
}

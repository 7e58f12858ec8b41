/**
 * The control queue: commands with which a driver changes a running device (virtio 1.4 §5.1.6.5).
 *
 * @module
 */

import { BusStatus, type DevicePort } from "@iova/core";
import { type Chain, type FeatureSet, Outcome } from "@iova/virtio";
import { MAC_TABLE_ENTRIES, type ReceiveFilter, VLANS } from "./device_filter.ts";
import { MAC_SIZE, NetFeature } from "./layout.ts";
import {
  Ack,
  AnnounceCommand,
  ControlClass,
  ControlHeader,
  MacCommand,
  MacCount,
  MqCommand,
  OffloadsCommand,
  OffloadsData,
  PairsData,
  RxCommand,
  SwitchData,
  VlanCommand,
  VlanData,
} from "./layout_control.ts";

/** What commands change. */
export interface ControlTarget {
  /** As negotiated. */
  readonly negotiatedFeatures: FeatureSet;
  /** A command whose feature was not negotiated is refused. */
  readonly refusesUnnegotiated: boolean;
  /** Which frames are received. */
  readonly filter: ReceiveFilter;
  /** The driver sets the address: the configuration shows it before the command is answered. */
  setMac(mac: Uint8Array): void;
  /** The driver uses `pairs` pairs of queues; false when there are not as many. */
  setPairs(pairs: number): boolean;
  /** The driver takes these offloads, given as feature bits; false when it may not. */
  setOffloads(offloads: bigint): boolean;
  /** The driver has announced itself; false when nobody had asked. */
  announced(): boolean;
}

/** The data of a command, read as a handler asks for it. */
class Data {
  length = 0;
  /** An address is not translated yet: whatever the handler says does not count. */
  pending = false;
  readonly bytes = new Uint8Array(MacCount.size * 2 + MAC_TABLE_ENTRIES * MAC_SIZE);
  #chain: Chain | null = null;

  constructor(readonly port: DevicePort) {}

  bind(chain: Chain): void {
    this.#chain = chain;
    this.length = chain.readBytes - ControlHeader.size;
    this.pending = false;
  }

  /** Reads `length` bytes at `at` of the data to `bytes[to]`; false when they are not there. */
  read(at: number, length: number, to = 0): boolean {
    if (at + length > this.length) return false;
    const status = this.#chain!.read(this.port, ControlHeader.size + at, this.bytes, to, length);
    if (status === BusStatus.PENDING) this.pending = true;
    return status === BusStatus.OK;
  }

  /** Reads data of exactly `length` bytes. */
  exactly(length: number): boolean {
    return this.length === length && this.read(0, length);
  }
}

interface Command {
  /** The feature that it comes with. */
  readonly feature: number;
  /** Does it; false: it makes no sense, and nothing has changed. */
  readonly run: (data: Data, target: ControlTarget) => boolean;
}

function switchMode(command: number, feature: number): Command {
  return {
    feature,
    run(data, { filter }) {
      // More than a byte is as good as one, as in QEMU.
      if (data.length < SwitchData.size || !data.read(0, SwitchData.size)) return false;
      filter.modes[command] = data.bytes[0] === 0 ? 0 : 1;
      return true;
    },
  };
}

const tableSet: Command = {
  feature: NetFeature.CTRL_RX,
  run(data, { filter }) {
    const head = MacCount.size;
    if (!data.read(0, head)) return false;
    const unicast = count(data);
    const second = head + unicast * MAC_SIZE;
    if (!data.read(second, head)) return false;
    const multicast = count(data);
    if (data.length !== second + head + multicast * MAC_SIZE) return false;
    const fits = unicast <= MAC_TABLE_ENTRIES ? unicast : 0;
    const rest = fits + multicast <= MAC_TABLE_ENTRIES ? multicast : 0;
    // Everything is read before anything changes.
    if (!data.read(head, fits * MAC_SIZE) || !data.read(second + head, rest * MAC_SIZE, fits * MAC_SIZE)) return false;
    filter.unicast.set(data.bytes, 0, fits);
    filter.multicast.set(data.bytes, fits * MAC_SIZE, rest);
    filter.unicast.overflow = fits !== unicast;
    filter.multicast.overflow = rest !== multicast;
    return true;
  },
};

/** A count of addresses: any 32 bits, so the sums made of it are exact but may be far beyond the data. */
function count({ bytes }: Data): number {
  return MacCount.decode(bytes).entries;
}

function setVlan(wanted: boolean): Command {
  return {
    feature: NetFeature.CTRL_VLAN,
    run(data, { filter }) {
      if (!data.exactly(VlanData.size)) return false;
      const { id } = VlanData.decode(data.bytes);
      if (id >= VLANS) return false;
      filter.setVlan(id, wanted);
      return true;
    },
  };
}

/** By class and command. */
const COMMANDS: Readonly<Record<number, Readonly<Record<number, Command>>>> = {
  [ControlClass.RX]: {
    [RxCommand.PROMISC]: switchMode(RxCommand.PROMISC, NetFeature.CTRL_RX),
    [RxCommand.ALLMULTI]: switchMode(RxCommand.ALLMULTI, NetFeature.CTRL_RX),
    [RxCommand.ALLUNI]: switchMode(RxCommand.ALLUNI, NetFeature.CTRL_RX_EXTRA),
    [RxCommand.NOMULTI]: switchMode(RxCommand.NOMULTI, NetFeature.CTRL_RX_EXTRA),
    [RxCommand.NOUNI]: switchMode(RxCommand.NOUNI, NetFeature.CTRL_RX_EXTRA),
    [RxCommand.NOBCAST]: switchMode(RxCommand.NOBCAST, NetFeature.CTRL_RX_EXTRA),
  },
  [ControlClass.MAC]: {
    [MacCommand.TABLE_SET]: tableSet,
    [MacCommand.ADDR_SET]: {
      feature: NetFeature.CTRL_MAC_ADDR,
      run(data, target) {
        if (!data.exactly(MAC_SIZE)) return false;
        target.setMac(data.bytes.subarray(0, MAC_SIZE));
        return true;
      },
    },
  },
  [ControlClass.VLAN]: { [VlanCommand.ADD]: setVlan(true), [VlanCommand.DEL]: setVlan(false) },
  [ControlClass.ANNOUNCE]: {
    [AnnounceCommand.ACK]: { feature: NetFeature.GUEST_ANNOUNCE, run: (_data, target) => target.announced() },
  },
  [ControlClass.MQ]: {
    [MqCommand.VQ_PAIRS_SET]: {
      feature: NetFeature.MQ,
      run: (data, target) => data.exactly(PairsData.size) && target.setPairs(PairsData.decode(data.bytes).pairs),
    },
  },
  [ControlClass.GUEST_OFFLOADS]: {
    [OffloadsCommand.SET]: {
      feature: NetFeature.CTRL_GUEST_OFFLOADS,
      run: (data, target) =>
        data.exactly(OffloadsData.size) && target.setOffloads(OffloadsData.decode(data.bytes).offloads),
    },
  },
};

/** Features without which a command is refused whatever the personality: there is nothing that it could change. */
const ALWAYS_NEEDED: ReadonlySet<number> = new Set<number>([NetFeature.MQ, NetFeature.CTRL_GUEST_OFFLOADS]);

/** The control queue of one device. */
export class ControlQueue {
  /** Commands answered. */
  commands = 0;
  /** Commands refused. */
  refused = 0;
  /** Why the last chain was malformed. */
  problem = "";
  readonly #port: DevicePort;
  readonly #target: ControlTarget;
  readonly #header = new Uint8Array(ControlHeader.size);
  readonly #ack = new Uint8Array(1);
  readonly #data: Data;
  /** The answer to a command that was executed, while it waits to be written; else −1. */
  #answer = -1;

  /** Commands read through `port` change `target`. */
  constructor(port: DevicePort, target: ControlTarget) {
    this.#port = port;
    this.#target = target;
    this.#data = new Data(port);
  }

  /** Forgets an answer that waits. */
  reset(): void {
    this.#answer = -1;
  }

  /** Executes the command in a chain. */
  command(chain: Chain): Outcome {
    if (chain.readBytes < ControlHeader.size) return this.#malformed("command shorter than its header");
    if (chain.writeBytes < this.#ack.length) return this.#malformed("no room for a command's answer");
    if (this.#answer < 0) {
      const status = chain.read(this.#port, 0, this.#header, 0, ControlHeader.size);
      if (status === BusStatus.PENDING) return Outcome.PENDING;
      if (status !== BusStatus.OK) return this.#malformed("command leads nowhere");
      const answer = this.#execute(chain);
      if (this.#data.pending) return Outcome.PENDING;
      this.#answer = answer;
    }
    return this.#finish(chain);
  }

  #execute(chain: Chain): number {
    const [group, number] = this.#header;
    const command = COMMANDS[group]?.[number];
    this.#data.bind(chain);
    if (command === undefined || !this.#allowed(command.feature)) return Ack.ERR;
    return command.run(this.#data, this.#target) ? Ack.OK : Ack.ERR;
  }

  #allowed(feature: number): boolean {
    const { negotiatedFeatures, refusesUnnegotiated } = this.#target;
    return negotiatedFeatures.has(feature) || !(refusesUnnegotiated || ALWAYS_NEEDED.has(feature));
  }

  #finish(chain: Chain): Outcome {
    this.#ack[0] = this.#answer;
    const status = chain.write(this.#port, 0, this.#ack, 0, this.#ack.length);
    if (status === BusStatus.PENDING) return Outcome.PENDING;
    this.commands++;
    if (this.#answer !== Ack.OK) this.refused++;
    this.#answer = -1;
    if (status !== BusStatus.OK) return this.#malformed("a command's answer leads nowhere");
    chain.written = this.#ack.length;
    return Outcome.DONE;
  }

  #malformed(problem: string): Outcome {
    this.problem = problem;
    return Outcome.BROKEN;
  }
}

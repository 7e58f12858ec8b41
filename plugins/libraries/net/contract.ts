/**
 * What network devices, what they are connected to, network drivers and network workloads have in common.
 *
 * @module
 */

import type { Driver, PhysAddr } from "@iova/core";
import type { Frame, Segmentation } from "./frame.ts";

/**
 * A network interface, as what it is connected to sees it. Frames come at any time: from another machine's turn, from a
 * timer, from a socket.
 */
export interface NetInterface {
  /** What it takes beside finished frames: a set of `Offload` bits. It changes when its driver says so. */
  readonly accepts: number;
  /**
   * Takes a frame, or drops it. The frame is lent for the call; see {@linkcode Frame.load} about long ones.
   *
   * @returns false when it has no room now: {@linkcode NetBackend.resume} is called when there may be some.
   */
  deliver(frame: Frame): boolean;
  /** What it is connected to can take frames again. */
  ready(): void;
  /** The cable was plugged in or pulled. */
  linkChanged(up: boolean): void;
}

/** What a network interface is connected to. Host errors are answers and counters, never exceptions. */
export interface NetBackend {
  /** What the other side takes beside finished frames: a set of `Offload` bits. Ask again for every frame. */
  readonly accepts: number;
  /** Whether the cable is plugged in. */
  readonly up: boolean;
  /** Connects the interface: called once, before anything else. */
  attach(nic: NetInterface): void;
  /**
   * Sends a frame whose needs it accepts, or drops it when nobody is there. The frame is lent for the call; see
   * {@linkcode Frame.load} about long ones.
   *
   * @returns false when it has no room now: {@linkcode NetInterface.ready} is called when there is some.
   */
  send(frame: Frame): boolean;
  /** The interface has room for frames again. */
  resume(): void;
  /** What it has counted, for the report. */
  counters(): Record<string, number>;
  /** Flushes and closes. Calling it twice is harmless. */
  close(): void;
}

/** What is to be done to a frame that is transmitted; the driver's user fills it in and may reuse it. */
export interface TransmitOffload {
  /** The checksum field holds the sum of the pseudo-header; the device completes it. */
  readonly checksumStart: number;
  /** Where the checksum field stands, from `checksumStart`. */
  readonly checksumOffset: number;
  /** How the frame is to be cut. */
  readonly segmentation: Segmentation;
  /** Payload bytes of a segment. */
  readonly segmentSize: number;
  /** Bytes of all headers: a hint. */
  readonly headerLength: number;
}

/** A frame that was received, in the driver's buffers: lent for one call. */
export interface ReceivedFrame {
  /** Bytes in all. */
  readonly length: number;
  /** Buffers that it lies in. */
  readonly pieces: number;
  /** First byte of piece `index`, as the CPU sees it. */
  cpu(index: number): PhysAddr;
  /** Bytes of piece `index`. */
  size(index: number): number;
  /** Copies the whole frame to `into[offset]`. */
  copy(into: Uint8Array, offset?: number): void;
  /** Its checksum covers the pseudo-header only. */
  readonly needsChecksum: boolean;
  /** Where the checksum begins to count. */
  readonly checksumStart: number;
  /** Where the checksum stands, from `checksumStart`. */
  readonly checksumOffset: number;
  /** How it would be cut on a wire. */
  readonly segmentation: Segmentation;
  /** Payload bytes of such a segment. */
  readonly segmentSize: number;
}

/** What a driver has counted. */
export interface NetStats {
  /** Frames transmitted. */
  txFrames: number;
  /** Bytes of them. */
  txBytes: number;
  /** Frames dropped before the device saw them: no mapping. */
  txDropped: number;
  /** Frames received. */
  rxFrames: number;
  /** Bytes of them. */
  rxBytes: number;
  /** What the device said about a received frame made no sense. */
  rxErrors: number;
}

/**
 * A network driver, as workloads see it. {@linkcode NetDriver.transmit} is the data path and allocates nothing: frames
 * are numbered by the caller's `tag`.
 */
export interface NetDriver extends Driver {
  /** The library's word for network devices. */
  readonly drives: "net";
  /** Its own address: 6 bytes. */
  readonly mac: Uint8Array;
  /** Longest payload of a frame on the wire. */
  readonly mtu: number;
  /** Whether the cable is plugged in. */
  readonly linkUp: boolean;
  /** Pairs of queues in use. */
  readonly pairs: number;
  /** Work that the device does on transmitted frames: a set of `Offload` bits. */
  readonly offloads: number;
  /** Longest frame that can be transmitted, in bytes. */
  readonly maxFrame: number;
  /** What was counted. */
  readonly stats: NetStats;
  /** Called when the device has let go of a transmitted frame's buffer, in interrupt context. */
  onTransmitted: (tag: number) => void;
  /** Called for every received frame, in interrupt context. */
  onReceive: (frame: ReceivedFrame) => void;
  /** Called when the cable is plugged in or pulled, or the device is gone, in interrupt context. */
  onLink: (up: boolean) => void;

  /**
   * Queues a frame of `length` bytes at `buffer`, which is the device's until {@linkcode NetDriver.onTransmitted}.
   *
   * @returns false when the queue is full: try again after a frame has gone. A frame that cannot be mapped while nothing
   * is in flight is dropped: `onTransmitted` is called for it.
   */
  transmit(buffer: PhysAddr, length: number, tag: number, offload?: TransmitOffload, pair?: number): boolean;
  /** Tells the device about queued frames, if it wants to know. */
  kick(): void;
  /** Receives everything, or only what is meant for it; whether the device has done so. */
  setPromiscuous(on: boolean): Promise<boolean>;
}

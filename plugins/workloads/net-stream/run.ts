/**
 * One run of `net-stream`.
 *
 * @module
 */

import { type GuestPort, InputError, type PhysAddr, type WorkloadContext, type WorkloadResult } from "@iova/core";
import { linksUp, type NetDriver, partners, Patience } from "@iova/net";
import { Content } from "./content.ts";
import type { StreamOptions } from "./options.ts";
import { StreamReceiver } from "./receiver.ts";
import { Template } from "./template.ts";

/** Runs the workload. @throws {InputError} when the options do not fit the devices. */
export async function runStream(context: WorkloadContext, options: StreamOptions): Promise<WorkloadResult> {
  const pair = partners(context, options.receiver);
  const { sender, receiver } = pair;
  const template = new Template(options, sender, receiver);
  fit(context, options, sender, template);
  if (!await linksUp(context, pair, options.patience)) {
    return { verified: false, requests: 0, bytes: 0, failure: "no cable is plugged in" };
  }
  const content = new Content(context.random.next());
  const stream = new StreamSender(context.guest, sender, template, content, options);
  const sink = new StreamReceiver(context, content);
  const patience = new Patience(context.guest, options.patience);
  const total = options.count * options.size;
  receiver.onReceive = (frame) => {
    sink.take(frame);
    patience.progress();
    context.progress(sink.position, total);
    if (sink.position >= total || sink.failure !== undefined) patience.finish();
  };
  const begin = context.guest.now;
  stream.start();
  const whole = await patience.over;
  receiver.onReceive = () => {};
  stream.stop();
  sink.observe();
  const failure = sink.failure ?? (whole ? undefined : `${total - sink.position} of ${total} bytes did not come out`);
  return {
    verified: failure === undefined,
    requests: stream.sent,
    bytes: sink.position,
    details: {
      framesSent: stream.sent,
      framesReceived: sink.frames,
      longestReceived: sink.longest,
      partialChecksums: sink.partial,
      elapsedNs: Math.round(context.guest.now - begin),
    },
    ...(failure !== undefined && { failure }),
  };
}

function fit({ where }: WorkloadContext, { size }: StreamOptions, sender: NetDriver, template: Template): void {
  const problem = (name: string, found: string, expected: string) =>
    new InputError({ file: where.file, path: `${where.path}.with.${name}`, found, expected });
  if ((template.needs & ~sender.offloads) !== 0) {
    throw problem("offload", "work that the device does not do", "a device that offers it, or less work");
  }
  const cut = template.offload !== undefined && template.offload.segmentSize > 0;
  const longest = cut ? sender.maxFrame - template.payload : sender.mtu + ETHERNET_HEADER - template.payload;
  if (size > longest) throw problem("size", `${size} bytes`, `at most ${longest} with this device and offload`);
}

const ETHERNET_HEADER = 14;

/** Sends the stream, as many frames at a time as there are buffers. */
class StreamSender {
  sent = 0;
  readonly #base: PhysAddr;
  readonly #stride: number;
  readonly #free: number[] = [];
  #stopped = false;

  constructor(
    readonly guest: GuestPort,
    readonly driver: NetDriver,
    readonly template: Template,
    readonly content: Content,
    readonly options: StreamOptions,
  ) {
    this.#stride = Math.ceil(template.bytes.length / 64) * 64;
    this.#base = guest.heap.require(options.depth * this.#stride, "the buffers of net-stream", 4096);
    for (let i = options.depth - 1; i >= 0; i--) this.#free.push(i);
  }

  start(): void {
    this.driver.onTransmitted = (buffer) => {
      this.#free.push(buffer);
      this.#send();
    };
    this.#send();
  }

  stop(): void {
    this.#stopped = true;
    this.driver.onTransmitted = () => {};
    if (this.#free.length === this.options.depth) this.guest.heap.free(this.#base);
  }

  #send(): void {
    const { template, content, driver, options } = this;
    let queued = false;
    while (!this.#stopped && this.sent < options.count && this.#free.length > 0) {
      const buffer = this.#free.pop()!;
      const position = this.sent * options.size;
      content.write(position, template.bytes, template.payload, options.size);
      template.finish(position);
      const at = this.#base + buffer * this.#stride;
      this.guest.memory.bytes(at, template.bytes.length).set(template.bytes);
      if (!driver.transmit(at, template.bytes.length, buffer, template.offload)) {
        this.#free.push(buffer);
        break;
      }
      this.sent++;
      queued = true;
    }
    if (queued) driver.kick();
  }
}

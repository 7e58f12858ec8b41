/**
 * One run of `net-replay`.
 *
 * @module
 */

import type { WorkloadContext, WorkloadResult } from "@iova/core";
import { CaptureFile, linksUp, partners, Patience } from "@iova/net";
import type { ReplayOptions } from "./options.ts";
import { prepare } from "./prepare.ts";
import { ReplayReceiver } from "./receiver.ts";
import { ReplaySender } from "./sender.ts";

/** Runs the workload. @throws {InputError} when a person's options do not work out. */
export async function runReplay(context: WorkloadContext, options: ReplayOptions): Promise<WorkloadResult> {
  const pair = partners(context, options.receiver);
  const { frames, begin } = prepare(context, options, pair.sender);
  const output = openOutput(context, options);
  try {
    // Without a control queue everything is received anyway.
    await pair.receiver.setPromiscuous(true);
    if (!await linksUp(context, pair, options.patience)) {
      return { verified: false, requests: 0, bytes: 0, failure: NO_LINK };
    }
    const sender = new ReplaySender(context.guest, pair.sender, frames, options.timing);
    const tolerance = options.timing ? options.tolerance : Infinity;
    const receiver = new ReplayReceiver(context, frames, (index) => sender.due(index), tolerance, output);
    const patience = new Patience(context.guest, options.patience);
    pair.receiver.onReceive = (frame) => {
      receiver.take(frame, begin);
      patience.progress();
      context.progress(receiver.received, frames.length);
      if (receiver.received === frames.length || receiver.failure !== undefined) patience.finish();
    };
    sender.start();
    const whole = await patience.over;
    pair.receiver.onReceive = () => {};
    sender.stop();
    const failure = receiver.failure ??
      (whole ? undefined : `${frames.length - receiver.received} of ${frames.length} frames did not come out`);
    return {
      verified: failure === undefined,
      requests: sender.sent,
      bytes: receiver.bytes,
      details: receiver.details(),
      ...(failure !== undefined && { failure }),
    };
  } finally {
    output?.close();
  }
}

const NO_LINK = "no cable is plugged in";

function openOutput({ where, resolvePath }: WorkloadContext, { output }: ReplayOptions): CaptureFile | null {
  if (output === undefined) return null;
  return new CaptureFile({ path: resolvePath(output), file: where.file, optionPath: `${where.path}.with.output` });
}

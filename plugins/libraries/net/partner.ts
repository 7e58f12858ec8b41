/**
 * The two drivers of a workload: one sends, one receives.
 *
 * @module
 */

import { InputError, type WorkloadContext } from "@iova/core";
import type { NetDriver } from "./contract.ts";
import { Patience } from "./patience.ts";

/** A sender, and who gets what it sends; both may be the same. */
export interface Partners {
  /** The workload's device. */
  readonly sender: NetDriver;
  /** The device named as receiver. */
  readonly receiver: NetDriver;
}

/** The drivers of `context`'s device and of the device called `receiver`. @throws {InputError} when that is none. */
export function partners(context: WorkloadContext, receiver: string | undefined): Partners {
  const sender = context.driver as NetDriver;
  if (receiver === undefined) return { sender, receiver: sender };
  const problem = (found: string) =>
    new InputError({
      file: context.where.file,
      path: `${context.where.path}.with.receiver`,
      found,
      expected: "the id of a network device of this machine",
    });
  let driver;
  try {
    driver = context.machine.driver(receiver);
  } catch {
    throw problem(`"${receiver}"`);
  }
  if (driver.drives !== "net") throw problem(`"${receiver}", which drives ${driver.drives}`);
  return { sender, receiver: driver as NetDriver };
}

/** Waits until both cables are plugged in: a socket's other end may take a moment. False when that does not happen. */
export function linksUp(
  { guest }: WorkloadContext,
  { sender, receiver }: Partners,
  patience: number,
): Promise<boolean> {
  if (sender.linkUp && receiver.linkUp) return Promise.resolve(true);
  const wait = new Patience(guest, patience);
  const look = () => {
    if (sender.linkUp && receiver.linkUp) wait.finish();
  };
  sender.onLink = look;
  receiver.onLink = look;
  return wait.over;
}

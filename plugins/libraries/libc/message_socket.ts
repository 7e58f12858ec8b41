/**
 * Stream sockets whose messages carry descriptors.
 *
 * @module
 */

import { calls, checked, fixedBuffer } from "./ffi.ts";
import { close } from "./calls.ts";
import { Message, Socket } from "./constants.ts";
import { Errno } from "./errno.ts";
import { Cmsghdr, Iovec, Msghdr, rightsLength } from "./layout.ts";

/** Most descriptors in one message; a message with more is refused and all of them are closed. */
export const MAX_DESCRIPTORS = 32;

/** Sends and receives on a stream socket. It owns no descriptor but those that it has received and nobody has taken. */
export class MessageSocket {
  // Fixed for the life of the socket: the kernel is given their addresses.
  readonly #header = fixedBuffer(Msghdr.size);
  readonly #iovec = fixedBuffer(Iovec.size);
  readonly #control = fixedBuffer(rightsLength(MAX_DESCRIPTORS).space);
  readonly #data: { bytes: Uint8Array<ArrayBuffer>; address: number };
  readonly #headerView = new DataView(this.#header.bytes.buffer);
  readonly #controlView = new DataView(this.#control.bytes.buffer);
  readonly #iovecView = new DataView(this.#iovec.bytes.buffer);
  #received: number[] = [];

  /** Messages on `fd`, which stays the caller's. At most `room` bytes go in one piece. */
  constructor(readonly fd: number, room = 8192) {
    this.#data = fixedBuffer(room);
    this.#headerView.setBigUint64(Msghdr.at.iov, BigInt(this.#iovec.address), true);
    this.#headerView.setBigUint64(Msghdr.at.iovlen, 1n, true);
    this.#headerView.setBigUint64(Msghdr.at.control, BigInt(this.#control.address), true);
  }

  /** Descriptors received since they were last taken, in order. They are the taker's from now on. */
  takeDescriptors(): number[] {
    const taken = this.#received;
    this.#received = [];
    return taken;
  }

  /** Closes the descriptors that nobody has taken. */
  closeDescriptors(): void {
    for (const fd of this.takeDescriptors()) close(fd);
  }

  /**
   * Receives at most `length` bytes into `into[offset]`, never more: what comes after belongs to the next message.
   *
   * @returns the bytes; 0 when the peer is gone; `-EAGAIN` when there is nothing and the socket does not wait;
   * `-EMSGSIZE` when descriptors were lost on the way.
   */
  receive(into: Uint8Array, offset: number, length: number, flags = 0): number {
    const room = Math.min(length, this.#data.bytes.length);
    this.#iovecView.setBigUint64(Iovec.at.base, BigInt(this.#data.address), true);
    this.#iovecView.setBigUint64(Iovec.at.len, BigInt(room), true);
    this.#headerView.setBigUint64(Msghdr.at.control, BigInt(this.#control.address), true);
    this.#headerView.setBigUint64(Msghdr.at.controllen, BigInt(this.#control.bytes.length), true);
    this.#headerView.setUint32(Msghdr.at.flags, 0, true);
    const count = checked(calls().recvmsg(this.fd, this.#header.bytes, flags | Message.CMSG_CLOEXEC));
    if (count < 0) return count;
    this.#collect(Number(this.#headerView.getBigUint64(Msghdr.at.controllen, true)));
    if ((this.#headerView.getUint32(Msghdr.at.flags, true) & Message.CTRUNC) !== 0) {
      this.closeDescriptors();
      return -Errno.EMSGSIZE;
    }
    into.set(this.#data.bytes.subarray(0, count), offset);
    return count;
  }

  /** Sends a view, with descriptors attached to its first byte; they stay the caller's. The bytes sent, or an errno. */
  send(from: Uint8Array, fds: readonly number[] = [], flags = 0): number {
    if (fds.length > MAX_DESCRIPTORS) return -Errno.EINVAL;
    const length = Math.min(from.length, this.#data.bytes.length);
    this.#data.bytes.set(length === from.length ? from : from.subarray(0, length));
    this.#iovecView.setBigUint64(Iovec.at.base, BigInt(this.#data.address), true);
    this.#iovecView.setBigUint64(Iovec.at.len, BigInt(length), true);
    this.#attach(fds);
    return checked(calls().sendmsg(this.fd, this.#header.bytes, flags | Message.NOSIGNAL));
  }

  #attach(fds: readonly number[]): void {
    const { len, space } = rightsLength(fds.length);
    const used = fds.length === 0 ? 0 : space;
    this.#headerView.setBigUint64(Msghdr.at.control, used === 0 ? 0n : BigInt(this.#control.address), true);
    this.#headerView.setBigUint64(Msghdr.at.controllen, BigInt(used), true);
    this.#headerView.setUint32(Msghdr.at.flags, 0, true);
    if (used === 0) return;
    this.#control.bytes.fill(0);
    this.#controlView.setBigUint64(Cmsghdr.at.len, BigInt(len), true);
    this.#controlView.setUint32(Cmsghdr.at.level, Socket.SOL_SOCKET, true);
    this.#controlView.setUint32(Cmsghdr.at.type, Socket.SCM_RIGHTS, true);
    fds.forEach((fd, i) => this.#controlView.setInt32(Cmsghdr.size + 4 * i, fd, true));
  }

  /** Notes the descriptors in `length` bytes of ancillary data, all heads of it. */
  #collect(length: number): void {
    for (let at = 0; at + Cmsghdr.size <= length;) {
      const size = Number(this.#controlView.getBigUint64(at + Cmsghdr.at.len, true));
      if (size < Cmsghdr.size || at + size > length) return;
      const isRights = this.#controlView.getUint32(at + Cmsghdr.at.level, true) === Socket.SOL_SOCKET &&
        this.#controlView.getUint32(at + Cmsghdr.at.type, true) === Socket.SCM_RIGHTS;
      for (let fd = at + Cmsghdr.size; isRights && fd + 4 <= at + size; fd += 4) {
        this.#received.push(this.#controlView.getInt32(fd, true));
      }
      at += (size + 7) & ~7;
    }
  }
}

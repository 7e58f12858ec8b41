/**
 * An image whose data goes between the file and the guest's memory in one call of the kernel, without a copy and without
 * a view made for it.
 *
 * @module
 */

import { type OpenedImage, RawFileBackend } from "@iova/block";
import { addressOf, close, Errno, Fallocate, fallocate, fdatasync, Open, open, preadAt, pwriteAt } from "@iova/libc";

/** See the module's text. Memory that is not mapped from outside is moved as everywhere else. */
export class MappedImage extends RawFileBackend {
  readonly #fd: number;
  // The buffer seen last, and its address. Holding on to it keeps the address from being given to somebody else.
  #buffer: ArrayBufferLike | null = null;
  #address = -1;
  #open = true;

  /** A medium over an image that is open already; the descriptor for foreign calls is its own. */
  constructor({ file, path, size, readOnly }: OpenedImage) {
    super(file, size, readOnly);
    this.#fd = open(path, readOnly ? Open.RDONLY : Open.RDWR);
  }

  /** See `BlockBackend.read`. */
  override read(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const base = this.#addressOf(bytes);
    if (base < 0) return super.read(position, bytes, offset, length);
    if (position + length > this.size) return false;
    for (let done = 0; done < length;) {
      const count = preadAt(this.#fd, base + offset + done, length - done, position + done);
      if (count > 0) done += count;
      // The end of the file inside the image, or an error that will not go away.
      else if (count !== -Errno.EINTR) return false;
    }
    return true;
  }

  /** See `BlockBackend.write`. */
  override write(position: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const base = this.#addressOf(bytes);
    if (base < 0) return super.write(position, bytes, offset, length);
    if (this.readOnly || position + length > this.size) return false;
    for (let done = 0; done < length;) {
      const count = pwriteAt(this.#fd, base + offset + done, length - done, position + done);
      if (count > 0) done += count;
      else if (count !== -Errno.EINTR) return false;
    }
    return true;
  }

  /** Lets the file system forget the bytes where it can; writes zeros where it cannot. */
  discard(position: number, length: number): boolean {
    if (this.readOnly || position + length > this.size) return false;
    const mode = Fallocate.PUNCH_HOLE | Fallocate.KEEP_SIZE;
    return this.#usable && fallocate(this.#fd, mode, position, length) === 0 || super.writeZeroes(position, length);
  }

  /** See `BlockBackend.writeZeroes`. */
  override writeZeroes(position: number, length: number): boolean {
    if (this.readOnly || position + length > this.size) return false;
    const mode = Fallocate.ZERO_RANGE | Fallocate.KEEP_SIZE;
    return this.#usable && fallocate(this.#fd, mode, position, length) === 0 || super.writeZeroes(position, length);
  }

  /** See `BlockBackend.flush`. */
  override flush(): boolean {
    return this.#usable ? this.readOnly || fdatasync(this.#fd) === 0 : super.flush();
  }

  /** See `BlockBackend.close`. */
  override close(): void {
    super.close();
    if (this.#usable) close(this.#fd);
    this.#open = false;
  }

  get #usable(): boolean {
    return this.#open && this.#fd >= 0;
  }

  /** The address of the first byte of a view; −1 when it is not memory that is mapped from outside. */
  #addressOf(bytes: Uint8Array): number {
    const { buffer } = bytes;
    if (buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#address = this.#usable ? addressOf(buffer) ?? -1 : -1;
    }
    return this.#address < 0 || !this.#open ? -1 : this.#address + bytes.byteOffset;
  }
}

/**
 * Reads pcapng: sections, interfaces and packets; every other block is passed over.
 *
 * @module
 */

import { BlockType, OptionCode, PacketBlock, SectionBlock } from "./capture_layout.ts";
import { type CapturedPacket, CaptureProblem, checkLinktype, packetAt, sectionOrder } from "./capture_packet.ts";

/** How an interface of a section counts time. */
interface Clock {
  readonly snaplen: number;
  /** Nanoseconds = ticks · `factor` / `divisor` + `offset`. */
  readonly factor: bigint;
  readonly divisor: bigint;
  readonly offset: bigint;
}

/** Where a block of `length` bytes, framing included, begins. */
interface Block {
  readonly at: number;
  readonly length: number;
}

const HEADER = 8;
const TRAILER = 4;
const FRAMING = HEADER + TRAILER;
/** Interfaces of a section at most. */
const MAX_INTERFACES = 65536;
const BILLION = 1_000_000_000n;

/** The packets of a pcapng file. @throws {CaptureProblem} */
export function readPcapng(bytes: Uint8Array, view: DataView): CapturedPacket[] {
  const file = new NgFile(bytes, view);
  for (let at = 0; at < bytes.length;) at = file.block(at);
  return file.packets;
}

class NgFile {
  readonly packets: CapturedPacket[] = [];
  #little = true;
  #clocks: Clock[] = [];

  constructor(readonly bytes: Uint8Array, readonly view: DataView) {}

  /** Reads the block at `at` and returns where the next one begins. */
  block(at: number): number {
    const { bytes, view } = this;
    if (bytes.length - at < FRAMING) throw new CaptureProblem(at, "the end of the file", "a block of 12 bytes or more");
    const isSection = view.getUint32(at) === BlockType.SECTION;
    // A section's magic must be there before its length can be read.
    if (isSection) this.#little = sectionOrder(view, at + HEADER);
    const type = view.getUint32(at, this.#little);
    const length = view.getUint32(at + 4, this.#little);
    if (length < FRAMING || length % 4 !== 0 || length > bytes.length - at) {
      throw new CaptureProblem(at + 4, `a block of ${length} bytes`, `a multiple of 4 within the file, 12 or more`);
    }
    const trailer = view.getUint32(at + length - TRAILER, this.#little);
    if (trailer !== length) {
      throw new CaptureProblem(at + length - TRAILER, `a trailing length of ${trailer}`, String(length));
    }
    READERS[type]?.call(this, { at, length });
    return at + length;
  }

  section(block: Block): void {
    this.#need(block, SectionBlock.size);
    const major = this.view.getUint16(block.at + SectionBlock.at.major, this.#little);
    if (major !== 1) throw new CaptureProblem(block.at + SectionBlock.at.major, `version ${major}`, "version 1");
    this.#clocks = [];
  }

  interface(block: Block): void {
    this.#need(block, FRAMING + 8);
    const { at } = block;
    if (this.#clocks.length === MAX_INTERFACES) {
      throw new CaptureProblem(at, "one more interface", `at most ${MAX_INTERFACES} of them`);
    }
    checkLinktype(this.view.getUint16(at + HEADER, this.#little), at + HEADER);
    const snaplen = this.view.getUint32(at + HEADER + 4, this.#little);
    let resolution = 6;
    let offset = 0n;
    this.#options({ at: at + HEADER + 8, length: block.length - FRAMING - 8 }, (code, where, size) => {
      if (code === OptionCode.IF_TSRESOL && size === 1) resolution = this.bytes[where];
      if (code === OptionCode.IF_TSOFFSET && size === 8) offset = this.view.getBigInt64(where, this.#little) * BILLION;
    });
    const exponent = BigInt(resolution & 0x7f);
    const divisor = resolution < 0x80 ? 10n ** exponent : 1n << exponent;
    this.#clocks.push({ snaplen, factor: BILLION, divisor, offset });
  }

  enhancedPacket(block: Block): void {
    this.#need(block, PacketBlock.size + TRAILER);
    this.#packet(block, this.view.getUint32(block.at + PacketBlock.at.interface, this.#little));
  }

  /** The form before the enhanced one: a 16-bit interface and a count of drops in the same place. */
  oldPacket(block: Block): void {
    this.#need(block, PacketBlock.size + TRAILER);
    this.#packet(block, this.view.getUint16(block.at + PacketBlock.at.interface, this.#little));
  }

  /** A packet without a time, of the first interface. */
  simplePacket(block: Block): void {
    this.#need(block, FRAMING + 4);
    const original = this.view.getUint32(block.at + HEADER, this.#little);
    const { snaplen } = this.#clock(block.at, 0);
    const room = block.length - FRAMING - 4;
    const captured = Math.min(original, snaplen === 0 ? original : snaplen);
    this.#keep(block.at + HEADER + 4, captured, original, 0n, room);
  }

  #packet({ at, length }: Block, interfaceId: number): void {
    const { view } = this;
    const field = PacketBlock.at;
    const { factor, divisor, offset } = this.#clock(at + field.interface, interfaceId);
    const high = view.getUint32(at + field.high, this.#little);
    const low = view.getUint32(at + field.low, this.#little);
    const time = (BigInt(high) << 32n | BigInt(low)) * factor / divisor + offset;
    const captured = view.getUint32(at + field.captured, this.#little);
    const original = view.getUint32(at + field.original, this.#little);
    this.#keep(at + PacketBlock.size, captured, original, time, length - PacketBlock.size - TRAILER);
  }

  #keep(at: number, captured: number, original: number, time: bigint, room: number): void {
    if (captured > room) throw new CaptureProblem(at, `a block with ${room} bytes of data`, `${captured} bytes`);
    this.packets.push(packetAt(this.bytes, at, captured, original, time, this.packets.length));
  }

  #clock(at: number, interfaceId: number): Clock {
    const clock = this.#clocks[interfaceId];
    if (clock !== undefined) return clock;
    throw new CaptureProblem(
      at,
      `interface ${interfaceId}`,
      `an interface of its section, of which there are ${this.#clocks.length}`,
    );
  }

  #need({ at, length }: Block, size: number): void {
    if (length < size) throw new CaptureProblem(at + 4, `a block of ${length} bytes`, `at least ${size}`);
  }

  #options({ at, length }: Block, each: (code: number, where: number, size: number) => void): void {
    const end = at + length;
    while (end - at >= 4) {
      const code = this.view.getUint16(at, this.#little);
      const size = this.view.getUint16(at + 2, this.#little);
      if (code === OptionCode.END) return;
      if (size > end - at - 4) throw new CaptureProblem(at + 2, `an option of ${size} bytes`, "one within its block");
      each(code, at + 4, size);
      at += 4 + (size + 3 & ~3);
    }
  }
}

/** By block type. */
const READERS: Record<number, (this: NgFile, block: Block) => void> = {
  [BlockType.SECTION]: NgFile.prototype.section,
  [BlockType.INTERFACE]: NgFile.prototype.interface,
  [BlockType.OLD_PACKET]: NgFile.prototype.oldPacket,
  [BlockType.SIMPLE_PACKET]: NgFile.prototype.simplePacket,
  [BlockType.ENHANCED_PACKET]: NgFile.prototype.enhancedPacket,
};

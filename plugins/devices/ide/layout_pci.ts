/**
 * The PCI function (82371SB §2.3) and the legacy places of the two channels.
 *
 * @module
 */

/** Intel. */
export const IDE_VENDOR = 0x8086;
/** The IDE function of a PIIX3 (82371SB). */
export const IDE_DEVICE = 0x7010;
/** Mass storage, IDE; both channels in legacy mode for good, bus master capable. */
export const IDE_CLASS = 0x010180;
/** Status at power-on: fast back-to-back, medium DEVSEL. */
export const IDE_STATUS = 0x0280;
/** Where it stands next to the ISA bridge of its chip. */
export const IDE_PLACE = "01.1";
/** The BAR of the bus-master registers: 16 ports, 8 for each channel. */
export const BUS_MASTER_BAR = 4;
/** Bytes of that BAR. */
export const BUS_MASTER_SIZE = 16;
/** Bytes of one channel's bus-master registers. */
export const BUS_MASTER_STRIDE = 8;

/** Timing registers: what is written is kept; two of them also decide whether a channel answers. */
export const Timing = {
  /** First byte: IDETIM of the primary channel, two bytes; the secondary's follows. */
  FIRST: 0x40,
  /** Bytes that software may write, up to and including UDMA timing. */
  SIZE: 0x0c,
  /** In the high byte of an IDETIM: the channel's legacy ports answer. */
  DECODE: 0x80,
} as const;

/** A channel's legacy ports and its interrupt line on the ISA side. */
export interface ChannelPlace {
  /** What messages call it. */
  readonly name: "primary" | "secondary";
  /** First of the eight ports of the command block. */
  readonly command: number;
  /** The one port of the control block. */
  readonly control: number;
  /** ISA interrupt. */
  readonly irq: number;
}

/** The two channels. */
export const CHANNELS: readonly ChannelPlace[] = [
  { name: "primary", command: 0x1f0, control: 0x3f6, irq: 14 },
  { name: "secondary", command: 0x170, control: 0x376, irq: 15 },
];

/**
 * Command codes and the words of SET FEATURES (ATA/ATAPI-7 vol. 1 §6, annex B).
 *
 * @module
 */

/** Commands that these devices know. */
export const Command = {
  DATA_SET_MANAGEMENT: 0x06,
  DEVICE_RESET: 0x08,
  RECALIBRATE: 0x10,
  READ_SECTORS: 0x20,
  READ_SECTORS_ONCE: 0x21,
  READ_SECTORS_EXT: 0x24,
  READ_DMA_EXT: 0x25,
  READ_NATIVE_MAX_EXT: 0x27,
  READ_MULTIPLE_EXT: 0x29,
  WRITE_SECTORS: 0x30,
  WRITE_SECTORS_ONCE: 0x31,
  WRITE_SECTORS_EXT: 0x34,
  WRITE_DMA_EXT: 0x35,
  WRITE_MULTIPLE_EXT: 0x39,
  WRITE_VERIFY: 0x3c,
  READ_VERIFY: 0x40,
  READ_VERIFY_ONCE: 0x41,
  READ_VERIFY_EXT: 0x42,
  SEEK: 0x70,
  EXECUTE_DEVICE_DIAGNOSTIC: 0x90,
  INITIALIZE_DEVICE_PARAMETERS: 0x91,
  STANDBY_IMMEDIATE_OLD: 0x94,
  IDLE_IMMEDIATE_OLD: 0x95,
  STANDBY_OLD: 0x96,
  IDLE_OLD: 0x97,
  CHECK_POWER_MODE_OLD: 0x98,
  SLEEP_OLD: 0x99,
  PACKET: 0xa0,
  IDENTIFY_PACKET_DEVICE: 0xa1,
  READ_MULTIPLE: 0xc4,
  WRITE_MULTIPLE: 0xc5,
  SET_MULTIPLE_MODE: 0xc6,
  READ_DMA: 0xc8,
  READ_DMA_ONCE: 0xc9,
  WRITE_DMA: 0xca,
  WRITE_DMA_ONCE: 0xcb,
  STANDBY_IMMEDIATE: 0xe0,
  IDLE_IMMEDIATE: 0xe1,
  STANDBY: 0xe2,
  IDLE: 0xe3,
  CHECK_POWER_MODE: 0xe5,
  SLEEP: 0xe6,
  FLUSH_CACHE: 0xe7,
  FLUSH_CACHE_EXT: 0xea,
  IDENTIFY_DEVICE: 0xec,
  SET_FEATURES: 0xef,
  READ_NATIVE_MAX: 0xf8,
} as const;

/** Subcommands of SET FEATURES, in the features register. */
export const Feature = {
  WRITE_CACHE_ON: 0x02,
  TRANSFER_MODE: 0x03,
  APM_ON: 0x05,
  ACOUSTIC_ON: 0x42,
  LOOK_AHEAD_OFF: 0x55,
  KEEP_SETTINGS: 0x66,
  WRITE_CACHE_OFF: 0x82,
  APM_OFF: 0x85,
  LOOK_AHEAD_ON: 0xaa,
  ACOUSTIC_OFF: 0xc2,
  REVERT_SETTINGS: 0xcc,
} as const;

/** Groups of transfer modes: bits 7:3 of the count register of {@linkcode Feature.TRANSFER_MODE}. */
export const ModeGroup = { PIO_DEFAULT: 0, PIO: 1, SINGLE_WORD: 2, MULTI_WORD: 4, ULTRA: 8 } as const;

/** Bit of the features register: DATA SET MANAGEMENT trims. */
export const DSM_TRIM = 0x01;
/** Bytes of an entry of its data: first sector in 48 bits, then how many in 16. */
export const TRIM_ENTRY = 8;
/** What CHECK POWER MODE puts into the count register: active or idle. */
export const POWER_ACTIVE = 0xff;
/** Most sectors that READ and WRITE MULTIPLE move in one block. */
export const MAX_MULTIPLE = 16;
/** Sectors that 28 bits can address. */
export const LBA28_SECTORS = 0x1000_0000;

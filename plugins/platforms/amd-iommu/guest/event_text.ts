/**
 * Events in Linux's words (drivers/iommu/amd/iommu.c, `iommu_print_event`): what people search for.
 *
 * @module
 */

import {
  Event,
  EventCode,
  FaultEvent,
  HardwareErrorEvent,
  InvalidDeviceRequestEvent,
  InvalidPprRequestEvent,
  IotlbInvTimeoutEvent,
} from "../layout.ts";

/** `0000:bb:dd.f`. */
export function formatDevice(id: number): string {
  return `0000:${hex(id >> 8, 2)}:${hex(id >> 3 & 0x1f, 2)}.${id & 7}`;
}

/** The DeviceID of an event; null when it names none. */
export function eventDevice(bytes: Uint8Array): number | null {
  const { code } = Event.decode(bytes);
  if (code === EventCode.ILLEGAL_COMMAND_ERROR || code === EventCode.COMMAND_HARDWARE_ERROR) return null;
  return FaultEvent.decode(bytes).deviceId;
}

/** One line for the kernel's log. */
export function formatEvent(bytes: Uint8Array): string {
  const { code, address } = Event.decode(bytes);
  const name = NAMES[code];
  if (name === undefined) return `AMD-Vi: Event logged [UNKNOWN ${unknownWords(bytes)}]`;
  const details = PRINT[code](bytes, `address=0x${address.toString(16)}`, `flags=0x${hex(flags(bytes), 4)}`);
  return `AMD-Vi: Event logged [${name} ${details}]`;
}

type Print = (bytes: Uint8Array, address: string, flags: string) => string;

const NAMES: Record<number, string> = Object.fromEntries(
  Object.entries(EventCode).filter(([name]) => name !== "EVENT_COUNTER_ZERO").map(([name, code]) => [code, name]),
);

const PRINT: Record<number, Print> = {
  [EventCode.ILLEGAL_DEV_TABLE_ENTRY]: (bytes, address, flags) => {
    const { deviceId, pasidHigh, domainId } = FaultEvent.decode(bytes);
    return `device=${formatDevice(deviceId)} pasid=0x${hex(pasidHigh << 16 | domainId, 5)} ${address} ${flags}`;
  },
  [EventCode.IO_PAGE_FAULT]: (bytes, address, flags) => {
    const { deviceId, domainId } = FaultEvent.decode(bytes);
    return `device=${formatDevice(deviceId)} domain=0x${hex(domainId, 4)} ${address} ${flags}`;
  },
  [EventCode.DEV_TAB_HARDWARE_ERROR]: (bytes, address, flags) =>
    `device=${formatDevice(HardwareErrorEvent.decode(bytes).deviceId)} ${address} ${flags}`,
  [EventCode.PAGE_TAB_HARDWARE_ERROR]: (bytes, address, flags) => {
    const { deviceId, domainId } = HardwareErrorEvent.decode(bytes);
    return `device=${formatDevice(deviceId)} pasid=0x${hex(domainId, 4)} ${address} ${flags}`;
  },
  [EventCode.ILLEGAL_COMMAND_ERROR]: (_bytes, address) => address,
  [EventCode.COMMAND_HARDWARE_ERROR]: (_bytes, address, flags) => `${address} ${flags}`,
  [EventCode.IOTLB_INV_TIMEOUT]: (bytes, address) =>
    `device=${formatDevice(IotlbInvTimeoutEvent.decode(bytes).deviceId)} ${address}`,
  [EventCode.INVALID_DEVICE_REQUEST]: (bytes, address, flags) => {
    const { deviceId, pasidHigh, pasidLow } = InvalidDeviceRequestEvent.decode(bytes);
    return `device=${formatDevice(deviceId)} pasid=0x${hex(pasidHigh << 16 | pasidLow, 5)} ${address} ${flags}`;
  },
  [EventCode.INVALID_PPR_REQUEST]: (bytes, address, flags) => {
    const { deviceId, pasidHigh, pasidLow, tag } = InvalidPprRequestEvent.decode(bytes);
    const pasid = `pasid=0x${hex(pasidHigh << 16 | pasidLow, 5)}`;
    return `device=${formatDevice(deviceId)} ${pasid} ${address} ${flags} tag=0x${hex(tag, 3)}`;
  },
};

/** Bits 59:48, as the kernel prints them. */
function flags(bytes: Uint8Array): number {
  return (bytes[6] | bytes[7] << 8) & 0xfff;
}

function unknownWords(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [0, 1, 2, 3].map((i) => `event[${i}]=0x${hex(view.getUint32(4 * i, true), 8)}`).join(" ");
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

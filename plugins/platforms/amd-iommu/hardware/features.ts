/**
 * What this IOMMU offers: the extended feature registers (AMD 48882 §3.4.6, §3.4.14), and the bits of the control register
 * that follow from them. What is not offered cannot be switched on.
 *
 * @module
 */

import { Control, Efr, Efr2, maskOf } from "../layout.ts";
import type { HardwareOptions } from "./options.ts";
import { PERSONALITIES } from "./personality.ts";

/** The extended feature register's bytes. */
export function featureBytes({ pri, hostLevels, accessDirty, personality }: HardwareOptions): Uint8Array {
  const { efr } = PERSONALITIES[personality];
  if (efr !== null) return new Uint8Array(Int32Array.from(efr).buffer);
  const page = pri ? 1 : 0;
  const had = accessDirty ? 1 : 0;
  return Efr.encode({
    preFSup: 1,
    pprSup: page,
    iaSup: 1,
    heSup: 1,
    hats: hostLevels - 4,
    pprAutoRspSup: page,
    haSup: had,
    hdSup: had,
  });
}

/** The second feature register's bytes. */
export function feature2Bytes({ htRangeIgnore }: HardwareOptions): Uint8Array {
  return Efr2.encode({ htRangeIgnore: htRangeIgnore ? 1 : 0 });
}

/** The bits of the control register that can be set. */
export function controlMask({ pri, accessDirty }: HardwareOptions): Int32Array {
  return maskOf(Control, [
    "iommuEn",
    "htTunEn",
    "eventLogEn",
    "eventIntEn",
    "comWaitIntEn",
    "invTimeOut",
    "passPw",
    "resPassPw",
    "coherent",
    "isoc",
    "cmdBufEn",
    "crw",
    ...(pri ? ["pprLogEn", "pprIntEn", "pprEn", "pprAutoRspEn", "pprAutoRspAon"] as const : []),
    ...(accessDirty ? ["hadUpdate"] as const : []),
  ]);
}

/** A platform in one file: memory begins at another address on the bus than for the CPU. */

import { Access, AddressType, API_VERSION, BaseDmaOps, BusStatus, type BusTranslator } from "@iova/core";
import { definePlatform, type DmaHandle, type PhysAddr, type PlatformPlugin } from "@iova/core";

/** Bus addresses 0x1_0000_0000 … 0x1_ffff_ffff are the first 4 GiB of memory, and nothing else is anything. */
const WINDOW_HIGH = 1;
const OFFSET = 0x1_0000_0000;
const WINDOW_END = 0x2_0000_0000;

/** The guest half: what a driver calls. */
class WindowDmaOps extends BaseDmaOps {
  protected map(out: DmaHandle, cpu: PhysAddr, size: number): boolean {
    const last = cpu + OFFSET + size - 1;
    if (last > this.limit || last >= WINDOW_END) return false;
    out.setNumber(cpu + OFFSET);
    return true;
  }

  protected unmap(): void {} // nothing was set up, so nothing is taken down

  protected override acceptsMask(mask: bigint): boolean {
    return mask >= this.requiredMask(); // 32 bits, which is what devices begin with, do not reach the window
  }

  override requiredMask(): bigint {
    return BigInt(WINDOW_END - 1);
  }

  protected override coherentPhysLimit(): number {
    return Math.min(this.coherentLimit, WINDOW_END - 1) - OFFSET;
  }
}

/** The hardware half: what the bridge does. */
const window: BusTranslator = {
  name: "window",
  translate(tx, out) {
    if (tx.addressType !== AddressType.UNTRANSLATED) return BusStatus.UNSUPPORTED_REQUEST;
    if (tx.hi !== WINDOW_HIGH) return BusStatus.UNSUPPORTED_REQUEST;
    out.set(0, 0, 32, Access.READ | Access.WRITE); // 2^32 bytes from address 0
    return BusStatus.OK;
  },
};

const platform: PlatformPlugin = definePlatform({
  name: "window",
  kind: "platform",
  api: API_VERSION,
  summary: "Memory begins at bus address 4 GiB.",
  options: {},
  create: () => ({ translator: () => window, dmaOps: (context) => new WindowDmaOps(context) }),
});

export default platform;

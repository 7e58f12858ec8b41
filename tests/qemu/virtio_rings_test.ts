// Our driver's rings against QEMU's: every kind that QEMU 7.2 has, with and without an IOMMU in between.

import { assert, assertEquals } from "@std/assert";
import { driverTransport, Feature } from "@iova/virtio";
import { driveMachine } from "@iova/qtest";
import { qemuTest } from "@iova/qtest/testing";

/** Kinds of ring, as options of the disk, and the feature bit that QEMU has to offer for it. */
const KINDS: readonly (readonly [name: string, options: Record<string, unknown>, bit: number])[] = [
  ["split", {}, Feature.INDIRECT_DESC],
  ["split without tables and event indices", { indirect: false, eventIndex: false }, Feature.VERSION_1],
  ["packed", { packed: true }, Feature.RING_PACKED],
  ["packed, a full ring with tables", { packed: true, queueSize: 32 }, Feature.RING_PACKED],
  [
    "packed without tables and event indices",
    { packed: true, indirect: false, eventIndex: false },
    Feature.RING_PACKED,
  ],
];

for (const platform of ["direct", "amd-iommu"]) {
  for (const [name, options, bit] of KINDS) {
    qemuTest(`QEMU serves our rings on ${platform}: ${name}`, async () => {
      const { machine, stop } = await driveMachine({
        memory: "64MiB",
        platform,
        devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB", requestMemory: "streaming", ...options } }],
        workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", depth: 24, count: 300 } }],
      });
      try {
        const { guest } = machine;
        const transport = driverTransport({ guest, requester: machine.device("disk0").port.requester });
        assert(transport.offered().has(bit), "QEMU does not offer it");
        const report = await machine.run();
        assertEquals([report.verified, report.warnings], [true, []]);
      } finally {
        await stop();
      }
    });
  }
}

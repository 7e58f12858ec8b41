import { assertEquals } from "@std/assert";
import { checkVectors } from "@iova/fields/testing";
import {
  CommonCfg,
  crosses,
  FeatureSet,
  isPackedSize,
  isRingSize,
  nextOf,
  Notification,
  notificationWord,
  PackedDesc,
  PackedEvent,
  passes,
  placeSplit,
  ringFeatures,
  VirtioPciCap,
  VirtioPciNotifyCap,
  VirtqAvail,
  VirtqDesc,
  VirtqUsed,
  VirtqUsedElem,
} from "./layout.ts";
import desc from "./vectors/virtq_desc.json" with { type: "json" };
import avail from "./vectors/virtq_avail.json" with { type: "json" };
import used from "./vectors/virtq_used.json" with { type: "json" };
import elem from "./vectors/virtq_used_elem.json" with { type: "json" };
import notification from "./vectors/virtq_notification.json" with { type: "json" };
import packedDesc from "./vectors/pvirtq_desc.json" with { type: "json" };
import packedEvent from "./vectors/pvirtq_event_suppress.json" with { type: "json" };
import cap from "./vectors/virtio_pci_cap.json" with { type: "json" };
import notifyCap from "./vectors/virtio_pci_notify_cap.json" with { type: "json" };
import { MmioLegacyRegisters, MmioRegisters } from "./layout_mmio.ts";
import { LegacyHeader, LegacyVectors } from "./layout_pci_legacy.ts";
import legacyHeader from "./vectors/virtio_legacy_header.json" with { type: "json" };
import legacyVectors from "./vectors/virtio_legacy_vectors.json" with { type: "json" };
import mmio from "./vectors/virtio_mmio.json" with { type: "json" };
import mmioLegacy from "./vectors/virtio_mmio_legacy.json" with { type: "json" };
import common from "./vectors/virtio_pci_common_cfg.json" with { type: "json" };

Deno.test("ring structures agree with bytes written by hand", () => {
  checkVectors(VirtqDesc, desc);
  checkVectors(VirtqAvail, avail);
  checkVectors(VirtqUsed, used);
  checkVectors(VirtqUsedElem, elem);
  checkVectors(PackedDesc, packedDesc);
  checkVectors(PackedEvent, packedEvent);
  checkVectors(Notification, notification);
});

Deno.test("PCI structures agree with bytes written by hand", () => {
  checkVectors(VirtioPciCap, cap);
  checkVectors(VirtioPciNotifyCap, notifyCap);
  checkVectors(CommonCfg, common);
  checkVectors(LegacyHeader, legacyHeader);
  checkVectors(LegacyVectors, legacyVectors);
});

Deno.test("MMIO registers of both versions agree with bytes written by hand", () => {
  checkVectors(MmioRegisters, mmio);
  checkVectors(MmioLegacyRegisters, mmioLegacy);
});

Deno.test("C11: a split ring of 256 has available at 4096, used at 8192 and 10246 bytes", () => {
  assertEquals(placeSplit(256), { desc: 0, avail: 4096, used: 8192, bytes: 10246 });
  assertEquals([128, 512, 1024].map((size) => placeSplit(size).bytes), [5126, 16390, 28678]);
});

Deno.test("the crossing test works across the wrap of 16-bit indices", () => {
  const cases: [event: number, now: number, old: number, expected: boolean][] = [
    [0, 1, 0, true],
    [0, 2, 1, false],
    [3, 4, 3, true],
    [3, 5, 4, false],
    [65535, 0, 65535, true],
    [65534, 2, 65533, true],
    [2, 2, 65533, false],
  ];
  for (const [event, now, old, expected] of cases) assertEquals(crosses(event, now, old), expected, `${event}`);
});

Deno.test("ring sizes are powers of two up to 32768", () => {
  assertEquals([0, 1, 3, 16, 100, 32768, 65536].map(isRingSize), [false, true, false, true, false, true, false]);
});

Deno.test("a feature set of bits 9, 28, 32 and 33 has the words that registers show", () => {
  const features = new FeatureSet([9, 28, 32, 33]);
  assertEquals([0, 1, 2, 9].map((i) => features.word(i)), [0x1000_0200, 3, 0, 0]);
  assertEquals(features.value, 0x3_1000_0200n);
  assertEquals([features.has(33), features.has(34)], [true, false]);
  assertEquals(new FeatureSet([32]).within(features), true);
  assertEquals(new FeatureSet([32, 34]).within(features), false);
});

Deno.test("the packed crossing test names a slot and a lap", () => {
  const at = (slot: number, wrap: number) => slot | wrap << 15;
  const cases: [event: number, position: number, wrap: number, steps: number, expected: boolean][] = [
    [at(0, 1), 0, 1, 1, true],
    [at(1, 1), 0, 1, 1, false],
    [at(2, 1), 0, 1, 3, true],
    [at(0, 0), 3, 1, 2, false],
    [at(0, 0), 3, 1, 3, true],
    [at(1, 0), 3, 1, 3, false],
    [at(4, 0), 3, 1, 5, false],
    [at(2, 1), 3, 1, 5, false],
    [at(3, 0), 3, 1, 5, false],
    [at(2, 0), 3, 1, 5, true],
    [at(9, 1), 0, 1, 5, false],
  ];
  for (const [event, position, wrap, steps, expected] of cases) {
    assertEquals(passes(event, position, wrap, steps, 5), expected, `${event} from ${position}/${wrap} by ${steps}`);
  }
});

Deno.test("a packed ring has any size up to 32768", () => {
  assertEquals([0, 1, 3, 100, 32768, 32769].map(isPackedSize), [false, true, true, true, true, false]);
});

Deno.test("what is chosen about rings stands for feature bits", () => {
  assertEquals(ringFeatures({}), [32, 28, 29, 33, 40]);
  const all = { packed: true, inOrder: true, notificationData: true, orderPlatform: true };
  assertEquals(ringFeatures({ ...all, indirect: false, eventIndex: false }), [32, 33, 34, 35, 36, 38, 40]);
});

Deno.test("a notification of queue 1 at slot 5 of an odd lap is the word 0x80050001", () => {
  assertEquals([notificationWord(1, 0x8005), nextOf(0x8005_0001)], [0x8005_0001, 0x8005]);
  assertEquals(
    notificationWord(1, 0x8005),
    new DataView(Notification.encode({ vq_index: 1, next_off: 5, next_wrap: 1 }).buffer).getUint32(0, true),
  );
});

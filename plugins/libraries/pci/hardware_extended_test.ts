import { assertEquals } from "@std/assert";
import { AddressType, BusStatus } from "@iova/core";
import { ConfigWindow, type PciFunctionSpec } from "./hardware.ts";
import { pciWorld } from "./testing.ts";

const CARD: PciFunctionSpec = { id: "card", vendor: 0x1af4, device: 1, classCode: 0 };

Deno.test("extended capabilities form a list from 0x100 on, which only the window in memory reaches", () => {
  const { bus, io } = pciWorld();
  bus.addFunction({
    ...CARD,
    ats: {},
    extended: [{ id: 0x0b, version: 2, body: Uint8Array.of(1, 2, 3, 4), writable: Uint8Array.of(0, 0xff, 0, 0) }],
  });
  const window = new ConfigWindow(bus.host);
  const at = (offset: number) => 1 << 15 | offset;
  assertEquals([window.read(at(0), 4), window.read(at(0x100), 4)], [0x00011af4, 0x1081000f]);
  assertEquals([window.read(at(0x108), 4), window.read(at(0x10c), 4)], [0x0002000b, 0x04030201]);
  window.write(at(0x10c), 4, 0xffffffff);
  assertEquals([window.read(at(0x10c), 4), window.read(at(0xffc), 4)], [0x0403ff01, 0]);
  io.write(0xcf8, 4, 0x81000800);
  assertEquals(io.read(0xcfc, 4), 0x00011af4); // the ports have no more than 256 bytes
  assertEquals([window.read(2 << 15, 4), window.read(5 << 20, 2)], [0xffffffff, 0xffff]);
});

Deno.test("a function without extended capabilities ends after 256 bytes", () => {
  const { bus } = pciWorld();
  bus.addFunction(CARD);
  assertEquals(new ConfigWindow(bus.host).read(1 << 15 | 0x100, 4), 0xffffffff);
});

Deno.test("the guest turns a function's translation cache on and off, and a reset turns it off", () => {
  const { bus, root, context, space } = pciWorld();
  const requests: number[] = [];
  root.bridge.translate(context, () => ({
    name: "identity",
    ats: { attach() {}, detach() {}, invalidateCompletion() {} },
    translate(tx, out) {
      requests.push(tx.addressType);
      out.set(0, tx.lo, 12, 3);
      return BusStatus.OK;
    },
  }));
  const card = bus.addFunction({ ...CARD, ats: {} });
  const window = new ConfigWindow(bus.host);
  const control = 1 << 15 | 0x106;
  window.write(1 << 15 | 4, 2, 4);
  const read = () => {
    requests.length = 0;
    assertEquals(card.port.read(0x3000n, new Uint8Array(4)), BusStatus.OK);
    return requests[0];
  };
  space.write(0x3000, 4, 1);
  assertEquals(read(), AddressType.UNTRANSLATED);
  window.write(control, 2, 0x8000);
  assertEquals([read(), window.read(control, 2)], [AddressType.TRANSLATION_REQUEST, 0x8000]);
  window.write(control, 2, 0);
  assertEquals(read(), AddressType.UNTRANSLATED);
  window.write(control, 2, 0x8000);
  card.reset();
  window.write(1 << 15 | 4, 2, 4);
  assertEquals(read(), AddressType.UNTRANSLATED);
});

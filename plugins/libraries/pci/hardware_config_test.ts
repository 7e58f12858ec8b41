import { assertEquals, assertThrows } from "@std/assert";
import { PlaceError, type Width } from "@iova/core";
import type { PciFunctionSpec } from "./hardware.ts";
import { pciWorld } from "./testing.ts";

const CARD: PciFunctionSpec = { id: "card", vendor: 0x1af4, device: 0x1042, revision: 1, classCode: 0x010000 };

/** A world with `CARD` at 00:01.0, and raw access to the two configuration ports. */
function world(spec: Partial<PciFunctionSpec> = {}) {
  const w = pciWorld();
  const card = w.bus.addFunction({ ...CARD, ...spec });
  const select = (address: number) => w.guest.ioWrite(0xcf8, 4, address);
  const read = (port: number, width: Width) => w.guest.ioRead(port, width);
  const write = (port: number, width: Width, value: number) => w.guest.ioWrite(port, width, value);
  return { ...w, card, select, read, write };
}

Deno.test("ports 0xCF8 and 0xCFC reach a register in every width", () => {
  const { select, read } = world();
  select(0x80000800);
  assertEquals(read(0xcfc, 4), 0x10421af4);
  assertEquals([read(0xcfc, 2), read(0xcfe, 2)], [0x1af4, 0x1042]);
  assertEquals([0xcfc, 0xcfd, 0xcfe, 0xcff].map((port) => read(port, 1)), [0xf4, 0x1a, 0x42, 0x10]);
  select(0x80000808);
  assertEquals(read(0xcfc, 4), 0x01000001);
});

Deno.test("the selected register reads back without its reserved bits", () => {
  const { select, read, write } = world();
  select(0xffffffff);
  assertEquals(read(0xcf8, 4), 0x80fffffc);
  write(0xcf8, 1, 0);
  write(0xcfa, 2, 0);
  assertEquals(read(0xcf8, 4), 0x80fffffc);
});

Deno.test("where nobody stands, reads give all ones and writes are dropped", () => {
  const { select, read, write } = world();
  for (const address of [0x80001000, 0x80010800, 0x80000900]) {
    select(address);
    write(0xcfc, 4, 0);
    assertEquals([read(0xcfc, 4), read(0xcfe, 2), read(0xcff, 1)], [0xffffffff, 0xffff, 0xff]);
  }
});

Deno.test("without the enable bit the data port is no configuration", () => {
  const { select, read, write, card } = world();
  select(0x00000804);
  write(0xcfc, 2, 4);
  assertEquals([read(0xcfc, 4), card.command], [0xffffffff, 0]);
});

Deno.test("an access that runs over the data port's end reaches nothing", () => {
  const { select, read, write, card } = world();
  select(0x80000804);
  write(0xcff, 2, 0xffff);
  assertEquals([read(0xcff, 2), card.config.read(4, 4)], [0xffff, 0]);
});

Deno.test("read-only bits stay, writable ones take the value, error bits clear on one, byte by byte", () => {
  const { select, read, write, card } = world({ interruptPin: 1 });
  select(0x80000800);
  write(0xcfc, 4, 0);
  assertEquals(read(0xcfc, 4), 0x10421af4);
  select(0x80000804);
  write(0xcfc, 2, 0xffff);
  assertEquals(read(0xcfc, 2), 0x0547);
  write(0xcfd, 1, 0);
  assertEquals(read(0xcfc, 2), 0x0047);
  card.config.bytes[7] = 0x28;
  write(0xcff, 1, 0x20);
  assertEquals(read(0xcfe, 2), 0x0800);
  select(0x8000083c);
  write(0xcfc, 4, 0xffffff2a);
  assertEquals(read(0xcfc, 4), 0x0000012a);
});

Deno.test("capabilities follow each other, MSI-X last, and the newest is first in the list; with the bits that the guest may write and hooks that see them", () => {
  const seen: string[] = [];
  const { card } = world({
    msix: { vectors: 2, bar: 1 },
    capabilities: [
      { id: 0x09, body: new Uint8Array([16, 1, 4]) },
      {
        id: 0x09,
        body: new Uint8Array([0xaa, 0xbb, 0xcc, 0xdd, 0, 0]),
        writable: new Uint8Array([0, 0, 0, 0, 0xff, 0x0f]),
        reading: (body, offset, width) => {
          seen.push(`read ${offset} ${width}`);
          body[0]++;
        },
        written: (body, offset, width) => void seen.push(`write ${offset} ${width} ${body[4]} ${body[5]}`),
      },
    ],
  });
  const bytes = (at: number, count: number) => Array.from({ length: count }, (_, i) => card.config.read(at + i, 1));
  assertEquals([card.config.read(0x06, 2), card.config.read(0x34, 1)], [0x0010, 0x50]);
  assertEquals(bytes(0x50, 4), [0x11, 0x48, 0x01, 0x00]);
  assertEquals(bytes(0x40, 5), [0x09, 0x00, 16, 1, 4]);
  assertEquals(card.config.read(0x48, 4), 0xbbab4009);
  card.config.write(0x4e, 2, 0xffff);
  assertEquals(card.config.read(0x4e, 2), 0x0fff);
  assertEquals(seen, ["read -2 4", "write 4 2 255 15", "read 4 2"]);
});

Deno.test("two functions at one place, a place that is none, and a full bus are refused with a free place", () => {
  const { bus } = pciWorld();
  bus.addFunction({ ...CARD, id: "disk0", at: "03.0" });
  const add = (id: string, at?: string) => () => bus.addFunction({ ...CARD, id, at });
  const taken = 'found place "03.0", which disk0 has, expected a free place, such as "01.0"';
  assertThrows(add("disk1", "03.0"), PlaceError, taken);
  assertThrows(add("disk1", "0"), PlaceError, "which the host bridge has");
  assertThrows(add("disk1", "20.0"), PlaceError, 'expected device[.function] in hexadecimal, "00.0" to "1f.7"');
  assertThrows(add("disk1", "3.8"), PlaceError, 'found place "3.8"');
  for (let i = 0; i < 30; i++) add(`disk${i + 2}`)();
  assertThrows(add("disk40"), PlaceError, "found 32 devices on bus");
  assertThrows(() => bus.addBridge("bridge0", "1f.0"), PlaceError, 'found place "1f.0"');
});

Deno.test("function 0 says that its device has more functions while it has", () => {
  const { bus, pci } = pciWorld();
  const headerType = () => pci.config.read(0x0008, 0x0e, 1);
  bus.addFunction({ ...CARD, id: "a", at: "01.0" });
  assertEquals(headerType(), 0x00);
  const second = bus.addFunction({ ...CARD, id: "b", at: "01.5" });
  assertEquals(headerType(), 0x80);
  pci.enumerate();
  assertEquals(pci.devices.map((device) => device.requester), [0x0000, 0x0008, 0x000d]);
  second.remove();
  assertEquals(headerType(), 0x00);
});

Deno.test("a declaration that no hardware could have is refused", () => {
  const { bus } = pciWorld();
  const block = { read: () => 0, write() {} };
  const make = (spec: Partial<PciFunctionSpec>) => () => bus.addFunction({ ...CARD, ...spec });
  const bar = { index: 0, kind: "memory", size: 4096, block } as const;
  assertThrows(make({ bars: [{ ...bar, size: 24 }] }), RangeError, "no power of two");
  assertThrows(make({ bars: [{ ...bar, index: 5, width: 64 }] }), RangeError, "BARs 0 to 5");
  assertThrows(make({ bars: [{ ...bar, width: 64 }, { ...bar, index: 1 }] }), RangeError, "the register is taken");
  assertThrows(make({ msix: { vectors: 2049, bar: 1 } }), RangeError, "1 to 2048 vectors");
  assertThrows(make({ bars: [bar], msix: { vectors: 300, bar: 0 } }), RangeError, "does not fit BAR 0");
  assertThrows(make({ capabilities: [{ id: 9, body: new Uint8Array(191) }] }), RangeError, "do not fit 256 bytes");
  assertEquals([bus.core.ports.length, [...bus.nodes].length], [0, 1]);
});

Deno.test("software looks at function 0 first, so every device needs one", () => {
  const { bus } = pciWorld();
  const spec = { vendor: 1, device: 1, classCode: 0 };
  const below = bus.addBridge("bridge");
  below.addFunction({ ...spec, id: "card", at: "1f.7" });
  const message = 'found card at "1f.7" and nothing at "1f.0", expected a function 0 in each device';
  assertThrows(() => bus.checkPlaces(), PlaceError, message);
  below.addFunction({ ...spec, id: "other", at: "1f" });
  bus.checkPlaces();
});

Deno.test("there are bus numbers for 255 bridges", () => {
  const { bus } = pciWorld();
  let last = bus;
  for (let i = 0; i < 255; i++) last = last.addBridge(`b${i}`);
  assertThrows(() => last.addBridge("one more"), PlaceError, "found 256 bridges, expected at most 255");
});

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Width } from "@iova/core";
import type { PciBus } from "./hardware.ts";
import { pciWorld } from "./testing.ts";

/** A card on the root bus, one below a bridge and one below two. */
function world() {
  const w = pciWorld();
  const block = { read: () => 0x5a, write() {} };
  const add = (bus: PciBus, id: string) =>
    bus.addFunction({
      id,
      vendor: 0x1af4,
      device: 0x1042,
      classCode: 0x010000,
      bars: [
        { index: 0, kind: "io", size: 64, block },
        { index: 2, kind: "memory", size: 0x4000, width: 64, prefetchable: true, block },
        { index: 5, kind: "memory", size: 16, block },
      ],
      capabilities: [{ id: 9, body: new Uint8Array(14), writable: new Uint8Array(14).fill(0x0f) }],
      msix: { vectors: 5, bar: 4 },
      interruptPin: 3,
    });
  const below = w.bus.addBridge("bridge1");
  const furtherBelow = below.addBridge("bridge2");
  const functions = [add(w.bus, "card0"), add(below, "card1"), add(furtherBelow, "card2")];
  w.pci.enumerate();
  return { ...w, functions, nodes: [...w.bus.nodes, ...below.nodes, ...furtherBelow.nodes] };
}

/** What no write may change, by offset: identity, class, header type, capability pointers, reserved bytes. */
const FIXED = [
  0x00,
  0x01,
  0x02,
  0x03,
  0x08,
  0x09,
  0x0a,
  0x0b,
  0x0e,
  0x0f,
  0x34,
  0x35,
  0x36,
  0x37,
  0x3d,
  0x40,
  0x41,
  0x50,
  0x51,
];

const width = fc.constantFrom<Width>(1, 2, 4);
const value = fc.oneof(fc.constantFrom(0, 0xffffffff, 7, 0xc0000000, 0xfee00000, 0x1000), fc.nat(0xffffffff));
const registers = fc.oneof(fc.constantFrom(4, 0x10, 0x18, 0x19, 0x1c, 0x20, 0x24, 0x28, 0x52), fc.nat(255));

Deno.test("random configuration writes never throw, change no read-only byte and cover no memory", () => {
  const write = fc.record({ node: fc.nat(7), offset: registers, width, value });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), (writes) => {
      const { nodes, functions, space, guest } = world();
      const before = nodes.map(({ config }) => FIXED.map((at) => config.read(at, 1)));
      space.write(0x1000, 4, 0x600d600d);
      for (const { node, offset, width, value } of writes) {
        nodes[node % nodes.length].config.write(offset, width, value);
        functions[offset % functions.length].assertIntx();
      }
      assertEquals(nodes.map(({ config }) => FIXED.map((at) => config.read(at, 1))), before);
      for (const { config } of nodes) assertEquals(config.read(0x04, 2) & 0xfab8, 0, "reserved command bits");
      for (const { config } of functions) assertEquals(config.read(0x52, 2) & 0x3fff, 4, "MSI-X table size");
      assertEquals(guest.read(0x1000, 4), 0x600d600d);
      for (const { config } of nodes) config.write(0x04, 2, 0);
      assertEquals(space.registerRegions.map(({ name }) => name), ["interrupt messages"]);
    }),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("random accesses to the two configuration ports never throw", () => {
  const access = fc.record({ port: fc.integer({ min: 0xcf6, max: 0xd01 }), width, value, read: fc.boolean() });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
      const { guest } = world();
      for (const { port, width, value, read } of accesses) {
        if (!read) guest.ioWrite(port, width, value);
        const got = guest.ioRead(port, width);
        assertEquals(got >= 0 && got < 2 ** (8 * width), true);
      }
    }),
    { seed: 2, numRuns: 200 },
  );
});

Deno.test("random accesses to an MSI-X table and messages to anywhere never throw", () => {
  const access = fc.record({ offset: fc.nat(0x1010), width, value, vector: fc.integer({ min: -1, max: 6 }) });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 60 }), (accesses) => {
      const { functions: [{ config, msix }] } = world();
      config.write(0x04, 2, 0x06);
      config.write(0x42, 2, 0x8000);
      for (const { offset, width, value, vector } of accesses) {
        msix!.write(offset, width, value);
        msix!.raise(vector);
        const got = msix!.read(offset, width);
        assertEquals(got >= 0 && got < 2 ** (8 * width), true);
      }
      for (let i = 0; i < 5; i++) {
        assertEquals([msix!.read(16 * i, 4) & 3, msix!.read(16 * i + 12, 4) >>> 1], [0, 0], "bits that are not there");
      }
    }),
    { seed: 3, numRuns: 200 },
  );
});

Deno.test("a capability list that loops ends", () => {
  const { functions: [{ config, port }], pci } = world();
  config.bytes[0x41] = 0x50;
  const card = pci.function(port.requester);
  assertEquals([card.findCapability(5), card.findCapability(9), card.findCapability(0x11)], [0, 0x40, 0x50]);
});

Deno.test("bridges that a guest has numbered in a circle lead nowhere, and the host goes on", () => {
  const { pci, nodes } = world();
  const bridges = nodes.filter(({ name }) => name.startsWith("bridge"));
  for (const bridge of bridges) bridge.config.write(0x18, 4, 0x00ff0001);
  assertEquals(pci.config.read(0x0500, 0, 4), 0xffffffff);
  for (const bridge of bridges) bridge.config.write(0x18, 4, 0x00ff0101);
  assertEquals(pci.config.read(0x0500, 0, 4), 0xffffffff);
  pci.enumerate();
});

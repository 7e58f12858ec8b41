// Scenarios on the chips of `pc` and `q35`: configuration space of their functions, and the ports and registers that
// firmware finds. Routes of PCI interrupts are left out: whoever starts a machine has written them.

import type { GuestPort, Width } from "@iova/core";
import type { Scenario, Side } from "@iova/qtest/testing";

interface Board {
  readonly profile: string;
  /** Functions by requester id, and registers of theirs that firmware has set. */
  readonly functions: readonly (readonly [requester: number, set: readonly number[]])[];
}

const BOARDS: Board[] = [
  { profile: "pc", functions: [[0x00, []], [0x08, [0x60]], [0x0b, []]] },
  { profile: "q35", functions: [[0x00, [0x60]], [0xf8, [0x60, 0x68]]] },
];

const scenarios = (name: string, run: (side: Side, board: Board) => void): Scenario[] =>
  BOARDS.map((board) => ({
    name: `${board.profile} ${name}`,
    manifest: {
      memory: "64MiB",
      platform: "direct",
      profile: board.profile,
      devices: [{ id: "probe", use: "edu", at: "04.0" }],
    },
    run: (side) => run(side, board),
  }));

/** Configuration mechanism #1, by hand. */
function config(guest: GuestPort, requester: number, at: number): number {
  guest.ioWrite(0xcf8, 4, (0x8000_0000 | requester << 8 | at & 0xfc) >>> 0);
  return guest.ioRead(0xcfc + (at & 3), 4);
}

const ports = (guest: GuestPort, at: readonly number[], width: Width = 1) =>
  at.map((port) => guest.ioRead(port, width));

export const CHIPSET: Scenario[] = [
  ...scenarios("configuration space of its own functions", ({ guest, see }, { functions }) => {
    for (const [requester, set] of functions) {
      for (let at = 0; at < 0x100; at += 4) {
        const value = config(guest, requester, at);
        if (!set.includes(at) && value !== 0) see(`${requester.toString(16)} at ${at.toString(16)}`, value);
      }
    }
    for (const requester of [0x09, 0xfa, 0xfb]) see(`who is at ${requester.toString(16)}`, config(guest, requester, 0));
    see("a function that there is not", config(guest, 0x0f0, 0));
    see("a bus that there is not", config(guest, 0x500, 0));
    guest.ioWrite(0xcf8, 4, 0xffff_ffff);
    see("the address register after ones", guest.ioRead(0xcf8, 4));
    guest.ioWrite(0xcf8, 4, 0);
    see("data without the enable bit", guest.ioRead(0xcfc, 4));
  }),
  ...scenarios("interrupt controllers", ({ guest, see }) => {
    for (const base of [0x20, 0xa0]) {
      guest.ioWrite(base, 1, 0x11);
      guest.ioWrite(base + 1, 1, base === 0x20 ? 0x08 : 0x70);
      guest.ioWrite(base + 1, 1, base === 0x20 ? 4 : 2);
      guest.ioWrite(base + 1, 1, 1);
      see(`${base.toString(16)}: mask after initialisation`, guest.ioRead(base + 1, 1));
      guest.ioWrite(base + 1, 1, 0xa5);
      see(`${base.toString(16)}: mask`, guest.ioRead(base + 1, 1));
      guest.ioWrite(base, 1, 0x0b);
      see(`${base.toString(16)}: in service`, guest.ioRead(base, 1));
    }
    for (const value of [0, 0xff]) {
      guest.ioWrite(0x4d0, 1, value);
      guest.ioWrite(0x4d1, 1, value);
      see(`levels after ${value}`, ports(guest, [0x4d0, 0x4d1]));
    }
    const ioapic = (register: number) => (guest.write(0xfec0_0000, 4, register), guest.read(0xfec0_0010, 4));
    see("I/O APIC: id, version, arbitration", [0, 1, 2].map(ioapic));
    see("I/O APIC: entries 0 and 23", [0x10, 0x11, 0x3e, 0x3f].map(ioapic));
    guest.write(0xfec0_0000, 4, 0x12);
    guest.write(0xfec0_0010, 4, 0xffff_ffff);
    guest.write(0xfec0_0000, 4, 0x13);
    guest.write(0xfec0_0010, 4, 0xffff_ffff);
    see("I/O APIC: entry 1 after ones", [0x12, 0x13].map(ioapic));
    guest.write(0xfec0_0000, 4, 0);
    guest.write(0xfec0_0010, 4, 0xffff_ffff);
    see("I/O APIC: id after ones", ioapic(0));
    see("I/O APIC: beyond the last entry", ioapic(0x40));
  }),
  ...scenarios("clock memory, timer and ports", ({ guest, see }) => {
    const cmos = (at: number) => (guest.ioWrite(0x70, 1, at), guest.ioRead(0x71, 1));
    for (
      const at of [
        0x0b,
        0x0d,
        0x0f,
        0x10,
        0x14,
        0x15,
        0x16,
        0x17,
        0x18,
        0x30,
        0x31,
        0x34,
        0x35,
        0x38,
        0x3d,
        0x5b,
        0x5c,
        0x5d,
        0x5f,
      ]
    ) {
      see(`clock memory ${at.toString(16)}`, cmos(at));
    }
    guest.ioWrite(0x70, 1, 0x40);
    guest.ioWrite(0x71, 1, 0x5a);
    see("clock memory written", cmos(0x40));
    see("the index port reads", guest.ioRead(0x70, 1));
    see("port 92", guest.ioRead(0x92, 1));
    guest.ioWrite(0x92, 1, 2);
    see("port 92 with the gate open", guest.ioRead(0x92, 1));
    guest.ioWrite(0x43, 1, 0xb6);
    guest.ioWrite(0x42, 1, 0x34);
    guest.ioWrite(0x42, 1, 0x12);
    guest.ioWrite(0x43, 1, 0xe8);
    see("status of counter 2", guest.ioRead(0x42, 1) & 0x3f);
    see("ports that there are not", ports(guest, [0x1234, 0x2f8, 0x3bc, 0xe0]));
    see("a dword where there is no port", guest.ioRead(0x1234, 4));
  }),
  ...scenarios("firmware configuration", ({ guest, see }) => {
    const item = (key: number, length: number) => {
      guest.ioWrite(0x510, 2, key);
      return Uint8Array.from({ length }, () => guest.ioRead(0x511, 1));
    };
    for (
      const [name, key, length] of [
        ["signature", 0, 4],
        ["id", 1, 4],
        ["memory size", 3, 8],
        ["processors", 5, 2],
        ["most processors", 0xf, 2],
        ["graphics", 4, 2],
        ["boot menu", 0xe, 2],
        ["an item that there is not", 0x1fff, 4],
      ] as const
    ) {
      see(name, item(key, length));
    }
    see("behind the end of the signature", item(0, 8).subarray(4));
    see("DMA signature", [guest.ioRead(0x514, 4), guest.ioRead(0x518, 4)]);
  }),
];

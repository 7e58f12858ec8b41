import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { InputError, type Manifest } from "@iova/core";
import { pciGuest } from "@iova/pci";
import { descriptorCount, liveMappings } from "@iova/libc";
import { WATCHDOG } from "./board/pc_rom.ts";
import { MAILBOX, Mailbox } from "./board/pseries_rom.ts";
import { drive, driveMachine } from "./drive.ts";
import { QemuError } from "./qemu/lines.ts";
import { qemuTest } from "./testing.ts";

const EDU: Manifest = {
  memory: "16MiB",
  platform: "direct",
  devices: [{ id: "probe", use: "edu" }],
  workload: [{ use: "edu-dma", device: "probe", with: { count: 2 } }],
};

const PSERIES = { memory: "256MiB", platform: { use: "pseries-tce", with: { ddw: true } } };

const DISK: Manifest = {
  memory: "64MiB",
  platform: "direct",
  devices: [{ id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }],
  workload: [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", count: 100 } }],
};

qemuTest("the probe's driver drives QEMU's edu", async () => {
  const { verified, devices: [{ dma }], interrupts, workloads } = await drive(EDU);
  assert(verified);
  assertEquals([dma.maps, dma.unmaps], [4, 4]);
  assert(interrupts > 0);
  assertEquals(workloads[0].details.factorial, "10! = 3628800");
});

const DISKS: [what: string, options: Record<string, unknown>][] = [
  ["message interrupts", {}],
  ["an interrupt line", { vectors: 0 }],
  ["packed rings", { packed: true }],
  ["neither indirect descriptors nor event indices", { indirect: false, eventIndex: false }],
  ["physical addresses", { accessPlatform: false }],
];
for (const [what, options] of DISKS) {
  qemuTest(`the block driver drives QEMU's virtio-blk with ${what}`, async () => {
    const [device] = DISK.devices!;
    const report = await drive({ ...DISK, devices: [{ ...device, with: { ram: "1MiB", ...options } }] });
    assertEquals(report.workloads.map(({ failure }) => failure), [undefined]);
    assert(report.verified && report.interrupts > 0);
  });
}

const IDE: [platform: string, transfers: string, ram: string, workload: Record<string, unknown>][] = [
  ["direct", "dma", "1MiB", { count: 50 }],
  ["amd-iommu", "dma", "1MiB", { count: 50 }],
  // Every word is a line on the socket, and the whole disk is read in the end.
  ["direct", "pio", "16KiB", { blockSize: 512, count: 4 }],
];
for (const [platform, transfers, ram, more] of IDE) {
  qemuTest(`the IDE driver drives a disk of QEMU's by ${transfers} on platform ${platform}`, async () => {
    const devices = [{ id: "disk0", use: "ide", with: { ram, transfers } }];
    const workload = [{ use: "blk-io", device: "disk0", with: { pattern: "mixed", ...more } }];
    const report = await drive({ ...DISK, platform, devices, workload });
    assertEquals(report.workloads.map(({ failure }) => failure), [undefined]);
    assert(report.interrupts > 0);
  });
}

const NICS: Manifest = {
  memory: "64MiB",
  platform: "direct",
  devices: [{ id: "nic0", use: "virtio-net" }, { id: "nic1", use: "virtio-net" }],
  workload: [{ use: "net-stream", device: "nic1", with: { receiver: "nic0", count: 50, size: 1400 } }],
};

for (const platform of ["direct", "amd-iommu"]) {
  qemuTest(`two of QEMU's network cards carry what our driver sends on platform ${platform}`, async () => {
    const report = await drive({ ...NICS, platform });
    assertEquals(report.workloads.map(({ failure }) => failure), [undefined]);
    assert(report.verified && report.devices.every(({ dma }) => dma.maps > 0 && dma.maps === dma.unmaps));
  });
}

for (const [platform, profile] of [["direct", "pc"], ["direct", "q35"], ["amd-iommu", "q35"]]) {
  qemuTest(`the firmware of profile ${profile} brings QEMU's chipset up, on platform ${platform}`, async () => {
    const devices = [{ ...DISK.devices![0], with: { ram: "64KiB", vectors: 0 } }];
    const report = await drive({ ...DISK, platform, profile, devices });
    assert(report.verified && report.interrupts > 0);
  });
}

for (const transport of ["modern", "legacy"]) {
  qemuTest(`microvm's slots serve our drivers without PCI, ${transport}`, async () => {
    const devices = [{ id: "disk0", use: "virtio-blk", at: "3", with: { ram: "64KiB", transport } }];
    const report = await drive({ ...DISK, bus: { use: "virtio-mmio" }, devices });
    assertEquals(report.workloads.map(({ failure }) => failure), [undefined]);
    assert(report.interrupts > 0);
  });
}

qemuTest("checks see what our drivers do on QEMU's hardware", async () => {
  const report = await drive({ ...DISK, checks: ["dma-debug"] });
  assertEquals([report.verified, report.warnings], [true, []]);
});

qemuTest("an image's content is what our driver wrote through QEMU", async () => {
  const image = await Deno.makeTempFile();
  try {
    await Deno.writeFile(image, new Uint8Array(65536).fill(7));
    const driven = await driveMachine({ ...DISK, workload: [], devices: [{ ...DISK.devices![0], with: { image } }] });
    try {
      const disk = driven.machine.driver<import("@iova/block").BlockDriver>("disk0");
      assertEquals(disk.capacity, 128);
    } finally {
      await driven.stop();
    }
    const write = { use: "blk-io", device: "disk0", with: { pattern: "write", blockSize: "4KiB", count: 1 } };
    assert((await drive({ ...DISK, devices: [{ ...DISK.devices![0], with: { image } }], workload: [write] })).verified);
    const bytes = await Deno.readFile(image);
    assert(bytes.subarray(0, 4096).some((byte) => byte !== 7));
    assert(bytes.subarray(4096).every((byte) => byte === 7));
  } finally {
    await Deno.remove(image);
  }
});

qemuTest("a QEMU that dies while it is driven is an error with its name, and nothing is left open", async () => {
  const before = [descriptorCount(), liveMappings()];
  const driven = await driveMachine(EDU);
  await driven.qemu.kill();
  const error = await assertRejects(() => driven.machine.run());
  assertStringIncludes(String((error as Error).cause ?? error), "QEMU has closed the connection");
  await driven.stop();
  await driven.stop();
  assertEquals([descriptorCount(), liveMappings()], before);
});

/** Says that nobody has looked for as long as is allowed, and waits for QEMU to end. */
async function leaveAlone(manifest: Manifest, watchdog: number, littleEndian: boolean): Promise<boolean> {
  const driven = await driveMachine({ ...manifest, workload: [] });
  try {
    new DataView(driven.qemu.ram.buffer).setUint32(watchdog, 1, littleEndian);
    for (let i = 0; i < 500 && !driven.qemu.over; i++) await new Promise((wake) => setTimeout(wake, 10));
    return driven.qemu.over;
  } finally {
    await driven.stop().catch(() => {});
  }
}

qemuTest("a PC that nobody drives any more ends by itself", async () => {
  assert(await leaveAlone(EDU, WATCHDOG, true));
});

qemuTest("a pseries machine that nobody drives any more ends by itself", async () => {
  assert(await leaveAlone({ ...EDU, ...PSERIES }, MAILBOX + Mailbox.watchdog, false));
}, "qemu-system-ppc64");

qemuTest("a QEMU that refuses its arguments is an error with its own words", async () => {
  const before = [descriptorCount(), liveMappings()];
  const image = "/tmp/there-is-no-such-image";
  const manifest = { ...DISK, devices: [{ ...DISK.devices![0], with: { image } }] };
  await assertRejects(() => drive(manifest), QemuError, "Could not open '/tmp/there-is-no-such-image'");
  assertEquals([descriptorCount(), liveMappings()], before);
});

qemuTest("pages that our kernel maps are translated by QEMU's AMD IOMMU", async () => {
  const disk = await drive({ ...DISK, platform: "amd-iommu" });
  assert(disk.verified && disk.interrupts > 0);
  const devices = [{ id: "probe", use: "edu", with: { dmaMask: "0xffffffffffffffff" } }];
  const driven = await driveMachine({ ...EDU, platform: "amd-iommu", devices });
  try {
    const probe = driven.machine.driver<import("@iova/edu").EduDriver>("probe");
    const { guest } = driven.machine;
    const page = guest.heap.require(4096, "a page", 4096);
    await driven.machine.settle(probe.poke(BigInt(page), Uint8Array.of(1, 2, 3)));
    // Nothing is mapped at the page's physical address: the write has to stay outside.
    assertEquals(guest.memory.bytes(page, 3), new Uint8Array(3));
    assertEquals(await driven.machine.settle(probe.transfer(page, 16, false)), { ok: true });
    assertEquals(guest.memory.bytes(page, 4), Uint8Array.of(1, 2, 3, 0));
  } finally {
    await driven.stop();
  }
});

qemuTest("hypercalls of our guest half set QEMU's TCE tables", async () => {
  const report = await drive({ ...EDU, ...PSERIES });
  assert(report.verified);
  const [{ dma }] = report.devices;
  assertEquals(dma.hypercalls >= dma.maps + dma.unmaps, true);
}, "qemu-system-ppc64");

qemuTest("message interrupts of a pseries machine are what its RTAS gives to a function", async () => {
  const [device] = DISK.devices!;
  const report = await drive({ ...DISK, ...PSERIES, devices: [{ ...device, with: { ram: "64KiB" } }] });
  assert(report.verified && report.interrupts > 0);
  const driven = await driveMachine({ ...DISK, ...PSERIES, workload: [] });
  try {
    const { msixVectors, requester } = pciGuest(driven.machine.guest).function(0x20);
    assertEquals([msixVectors, requester], [2, 0x20]);
    // A function that has taken messages has no use for its pin.
    assertEquals(pciGuest(driven.machine.guest).function(0x20).configRead(4, 2) & 0x400, 0x400);
  } finally {
    await driven.stop();
  }
}, "qemu-system-ppc64");

qemuTest("a disk on pseries works through the direct window, and interrupts through the hypervisor", async () => {
  const [device] = DISK.devices!;
  const report = await drive({ ...DISK, ...PSERIES, devices: [{ ...device, with: { ram: "1MiB", vectors: 0 } }] });
  assert(report.verified && report.interrupts > 0);
  assertEquals(report.devices[0].dma.hypercalls, 0);
}, "qemu-system-ppc64");

qemuTest("a program that is no QEMU is bad input", async () => {
  await assertRejects(() => drive(EDU, { qemu: "deno" }), InputError, "--qemu: found deno, which does not say");
});

import { assertEquals, assertThrows } from "@std/assert";
import { InputError, validateManifest } from "@iova/core";
import { readArguments, splitWords } from "./arguments.ts";
import { readProperties, readSize } from "./properties.ts";

const read = (line: string) => readArguments(splitWords(line));

Deno.test("a command line falls apart as a shell has it", () => {
  assertEquals(splitWords(`-a "b c" 'd "e"' f\\ g h="i j"`), ["-a", "b c", 'd "e"', "f g", "h=i j"]);
});

Deno.test("lists of properties: the first word may stand alone, two commas are one, and a word alone is on", () => {
  assertEquals(readProperties("socket,id=c0,path=/a,,b,server", "backend"), {
    backend: "socket",
    id: "c0",
    path: "/a,b",
    server: "on",
  });
  assertEquals(["128M", "2g", "4096", "1x"].map((text) => readSize(text)), [1 << 27, 2 ** 31, 4096, null]);
});

Deno.test("what a harness starts a PC with becomes a manifest and two sockets to connect to", () => {
  const command = read(
    "-qtest unix:/tmp/q.sock -qtest-log /dev/null -chardev socket,path=/tmp/m.sock,id=char0 -mon chardev=char0,mode=control " +
      "-display none -machine pc -m 64 -smp 2 -drive if=none,id=d0,file=/tmp/d.img,format=raw -device " +
      "virtio-blk-pci,id=b0,drive=d0,addr=04.0,serial=x,disable-modern=on -device edu,dma_mask=0xffff -accel qtest -S",
  );
  assertEquals([command.qtest, command.qmp, command.stopped, command.machine.alias], [
    { path: "/tmp/q.sock", server: false },
    { path: "/tmp/m.sock", server: false },
    true,
    "pc",
  ]);
  validateManifest(command.manifest, "m");
  const { memory, platform, profile, devices } = command.manifest;
  assertEquals([memory, platform, profile], ["64MiB", "direct", { use: "pc", with: { clock: "host", cpus: 2 } }]);
  assertEquals(devices, [
    { id: "ide", use: "ide", with: { secondaryMaster: { kind: "cdrom" }, personality: "qemu" } },
    {
      id: "b0",
      use: "virtio-blk",
      at: "04.0",
      with: {
        transport: "legacy",
        accessPlatform: false,
        personality: "qemu",
        serial: "x",
        image: "/tmp/d.img",
        readOnly: false,
      },
    },
    {
      id: "device1",
      use: "edu",
      with: { dmaMask: "0xffff" },
    },
  ]);
});

Deno.test("IDE drives go where they are put, with the properties that globals gave them", () => {
  const drives = (line: string) => read(`-nodefaults ${line}`).manifest.devices![0].with;
  assertEquals(drives("-drive file=/a,if=ide,format=raw -global ide-hd.serial=S1 -global ide-hd.ver=V1"), {
    primaryMaster: { kind: "disk", image: "/a", readOnly: false, serial: "S1", firmware: "V1" },
    personality: "qemu",
  });
  assertEquals(
    drives(
      "-blockdev driver=file,node-name=h,filename=/b -device ide-hd,drive=h,bus=ide.1,unit=1 -device ide-cd,bus=ide.0",
    ),
    {
      secondarySlave: { kind: "disk", image: "/b", readOnly: false },
      primaryMaster: { kind: "cdrom" },
      personality: "qemu",
    },
  );
  assertEquals(drives("-cdrom /c -hda /d"), {
    secondaryMaster: { kind: "cdrom", image: "/c" },
    primaryMaster: { kind: "disk", image: "/d", readOnly: false },
    personality: "qemu",
  });
});

Deno.test("other machines: a partition with its platform, a q35 with an IOMMU, and nothing at all", () => {
  const pseries = read("-machine pseries -device edu").manifest;
  assertEquals([(pseries.platform as { use: string }).use, pseries.devices?.length], ["pseries-tce", 1]);
  assertEquals(read("-M q35,accel=tcg -device amd-iommu,intremap=off -nodefaults").manifest.platform, "amd-iommu");
  const { manifest, qtest } = read("-machine none -qtest unix:/x,server,nowait");
  assertEquals([manifest.profile, manifest.devices, qtest], [undefined, [], { path: "/x", server: true }]);
});

Deno.test("network back-ends are hubs, Unix sockets or nothing", () => {
  const net = (line: string) => read(`-nodefaults -machine pseries ${line}`).manifest.devices![0].with!;
  const { net: kind, hub } = net("-netdev hubport,hubid=3,id=n -device virtio-net-pci,netdev=n");
  assertEquals([kind, hub], ["hub", "hub3"]);
  const stream = net("-netdev stream,id=n,addr.type=unix,addr.path=/s,server=on -device virtio-net-pci,netdev=n");
  assertEquals([stream.net, stream.socket, stream.listen], ["stream", "/s", true]);
  assertEquals(net("-device virtio-net-pci").net, "none");
});

Deno.test("what cannot be had is the command line's mistake, in QEMU's words", () => {
  const wrong: [string, string][] = [
    ["pc", "--qemu: found pc, expected an option"],
    ["-frobnicate", "--qemu: found -frobnicate, expected one of "],
    ["-machine", "--qemu: found -machine, expected a value after it"],
    [
      "-device virtio-blk-pci",
      "--qemu: found -device virtio-blk-pci (drive property not set), expected what QEMU would take",
    ],
    [
      "-drive file=nbd:x,if=none,id=d",
      "--qemu: found -drive nbd:x (Unknown protocol 'nbd'), expected",
    ],
    ["-device ide-hd,drive=x", "--qemu: found -device ide-hd (Property 'ide-hd.drive' can't find value 'x'), expected"],
    [
      "-drive file=/a,if=ide,index=7",
      "--qemu: found -drive /a (Can't create IDE unit: there are four places), expected",
    ],
    ["-blockdev {broken", "--qemu: found -blockdev {broken (JSON parse error), expected"],
    ["-m x", "--qemu: found -m x, expected a size"],
  ];
  for (const [line, message] of wrong) {
    const error = assertThrows(() => read(line), InputError);
    assertEquals([line, error.message.slice(0, message.length)], [line, message]);
  }
});

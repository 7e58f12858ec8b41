import { assert, assertEquals } from "@std/assert";
import { random, world } from "../testdata/bench.ts";

const EDU = { id: "edu0", use: "edu", at: "04.0" };

/** Sends text to the monitor and returns the messages that come back. */
async function raw(text: string): Promise<unknown[]> {
  const { qmp, end } = await world();
  qmp.received = "";
  qmp.type(text);
  const heard = await qmp.hear((text) => text.endsWith("\r\n"));
  await end();
  return heard.trimEnd().split("\r\n").map((line) => JSON.parse(line));
}

const generic = (desc: string) => ({ error: { class: "GenericError", desc } });

Deno.test("a client is greeted, negotiates, and only then commands", async () => {
  const { events, command, end } = await world();
  assertEquals(events[0].QMP.version.qemu.major, 7);
  assertEquals(await command("qmp_capabilities"), {
    error: { class: "CommandNotFound", desc: "Capabilities negotiation is already complete, command ignored" },
  });
  assertEquals(await command("nosuch"), {
    error: { class: "CommandNotFound", desc: "The command nosuch has not been found" },
  });
  assertEquals(await command("toString"), {
    error: { class: "CommandNotFound", desc: "The command toString has not been found" },
  });
  await end();
});

Deno.test("what is no request is refused in QEMU's words, with the id that it had", async () => {
  const answers: [string, unknown][] = [
    ["[]", generic("QMP input must be a JSON object")],
    ["{}", generic("QMP input lacks member 'execute'")],
    ['{"execute": 5}', generic("QMP input member 'execute' must be a string")],
    ['{"execute": "stop", "arguments": []}', generic("QMP input member 'arguments' must be an object")],
    ['{"execute": "stop", "extra": 1}', generic("QMP input member 'extra' is unexpected")],
    ['{"execute": "stop", "arguments": {"x": 1}, "id": [7]}', { id: [7], ...generic("Parameter 'x' is unexpected") }],
    ['{"execute": "qom-list"}', generic("Parameter 'path' is missing")],
    [
      '{"execute": "qom-list", "arguments": {"path": 5}}',
      generic("Invalid parameter type for 'path', expected: string"),
    ],
    ["{'execute': 'query-name', 'id': 'x'}", { return: {}, id: "x" }],
    ["{broken}", generic("JSON parse error, invalid keyword 'broken'")],
  ];
  for (const [text, answer] of answers) assertEquals([text, await raw(text)], [text, [answer]]);
});

Deno.test("what a command makes happen is told before its answer, as QEMU tells it", async () => {
  const { qmp, end } = await world();
  qmp.received = "";
  for (const execute of ["stop", "cont", "system_reset", "quit"]) qmp.type(JSON.stringify({ execute }));
  const heard = await qmp.hear((text) => text.split("\r\n").length > 8);
  const messages = heard.trimEnd().split("\r\n").map((line) => JSON.parse(line));
  assertEquals(
    messages.map(({ event }) => event ?? "answer"),
    ["STOP", "answer", "RESUME", "answer", "RESET", "answer", "SHUTDOWN", "answer"],
  );
  await end();
});

Deno.test("machines and types are listed under QEMU's names", async () => {
  const { command, end } = await world();
  const { return: machines } = await command("query-machines");
  assertEquals(machines.map(({ alias, name }: Record<string, string>) => alias ?? name), [
    "none",
    "pc",
    "q35",
    "pseries",
  ]);
  const { return: types } = await command("qom-list-types", { implements: "device", abstract: true });
  const names = types.map(({ name }: { name: string }) => name);
  for (const name of ["device", "virtio-blk-pci", "virtio-net-pci", "edu", "piix3-ide"]) {
    assert(names.includes(name), name);
  }
  const { return: commands } = await command("query-commands");
  for (const name of ["device_add", "qmp_capabilities"]) {
    assert(commands.some((command: { name: string }) => command.name === name), name);
  }
  assertEquals((await command("query-qmp-schema")).return[0]["meta-type"], "command");
  await end();
});

Deno.test("objects are found by path", async () => {
  const { command, end } = await world({ devices: [EDU] });
  const list = async (path: string) => (await command("qom-list", { path })).return;
  assertEquals(await list("/machine/peripheral"), [
    { name: "type", type: "string" },
    { name: "edu0", type: "child<edu>" },
  ]);
  assertEquals((await list("/machine/unattached")).length, 3);
  assertEquals((await command("qom-get", { path: "ioapic", property: "type" })).return, "ioapic");
  assertEquals(
    await command("qom-get", { path: "ioapic", property: "colour" }),
    generic("Property 'ioapic.colour' not found"),
  );
  assertEquals((await command("qom-list", { path: "/nowhere" })).error.class, "DeviceNotFound");
  await end();
});

Deno.test("a device is plugged in, seen by its client, asked to leave, and gone once it is ejected", async () => {
  const { command, ask, events, end } = await world();
  const idOf = async (slot: number) => {
    await ask(`outl 0xcf8 ${0x80000000 + slot * 0x800}`);
    return (await ask("inl 0xcfc"))[0];
  };
  assertEquals(await command("device_add", { driver: "edu", id: "probe", addr: "0x6" }), { return: {} });
  assertEquals([await idOf(6), (await ask("inl 0xae00"))[0]], ["OK 0x11e81234", "OK 0x0040"]);
  assertEquals(await command("device_add", { driver: "edu", id: "probe" }), generic("Duplicate device ID 'probe'"));
  assertEquals(
    await command("device_add", { driver: "edu", id: "other", addr: "6" }),
    generic("PCI: slot 6 not available for edu, in use"),
  );
  assertEquals(await command("device_del", { id: "probe" }), { return: {} });
  assertEquals([await idOf(6), (await ask("inl 0xae04"))[0]], ["OK 0x11e81234", "OK 0x0040"]);
  await ask("outl 0xae08 0x40");
  await command("query-status");
  const [deleted] = events.filter(({ event }) => event === "DEVICE_DELETED");
  assertEquals(deleted.data, { device: "probe", path: "/machine/peripheral/probe" });
  assertEquals(await idOf(6), "OK 0xffffffff");
  assertEquals(await command("device_del", { id: "probe" }), {
    error: { class: "DeviceNotFound", desc: "Device 'probe' not found" },
  });
  assertEquals(await command("device_add", { driver: "edu", id: "probe" }), { return: {} });
  await end();
});

Deno.test("what cannot be plugged in is refused in QEMU's words", async () => {
  const { command, end } = await world();
  const wrong: [Record<string, unknown>, string][] = [
    [{ driver: "foo" }, "'foo' is not a valid device model name"],
    [{ driver: "virtio-blk-pci" }, "drive property not set"],
    [{ driver: "virtio-blk-pci", drive: "d" }, "Property 'virtio-blk-device.drive' can't find value 'd'"],
    [{ driver: "edu", colour: "red" }, "Property 'edu.colour' not found"],
    [{ driver: "edu", addr: "20" }, "Property 'edu.addr' doesn't take value '20'"],
    [{ driver: "edu", id: "#1" }, "Parameter 'id' expects an identifier"],
    [{ driver: "virtio-blk-pci", drive: "d", packed: "maybe" }, "Parameter 'packed' expects 'on' or 'off'"],
  ];
  for (const [given, desc] of wrong) assertEquals(await command("device_add", given), generic(desc));
  await end();
});

Deno.test("a drive is made, put behind a disk, and a reset lets the disk go", async () => {
  const { command, ask, events, end } = await world();
  const node = { driver: "null-co", "node-name": "blank", size: 1024 * 1024 };
  assertEquals(await command("blockdev-add", node), { return: {} });
  assertEquals(await command("blockdev-add", node), generic("Duplicate nodes with node-name='blank'"));
  assertEquals(await command("device_add", { driver: "virtio-blk-pci", id: "disk", drive: "blank" }), { return: {} });
  await ask("outl 0xcf8 0x80001000");
  assertEquals(await ask("inl 0xcfc"), ["OK 0x10011af4"]);
  assertEquals(
    await command("block_resize", { device: "nothing", size: 5 }),
    generic("Cannot find device='nothing' nor node-name=''"),
  );
  assertEquals(
    await command("device_add", { driver: "virtio-blk-pci", id: "other", drive: "blank", bus: "nowhere" }),
    generic("Bus 'nowhere' not found"),
  );
  const taken = await command("device_add", { driver: "virtio-blk-pci", id: "other", drive: "blank", addr: "0" });
  assertEquals(taken, generic("PCI: slot 0 not available for virtio-blk-pci, in use"));
  assertEquals(await command("block_resize", { "node-name": "blank", size: 2 ** 21 }), { return: {} });
  await command("device_del", { id: "disk" });
  assertEquals(await command("system_reset"), { return: {} });
  assertEquals(events.slice(1).map(({ event, data }) => [event, data.path ?? data.reason]), [
    ["DEVICE_DELETED", "/machine/peripheral/disk/virtio-backend"],
    ["DEVICE_DELETED", "/machine/peripheral/disk"],
    ["RESET", "host-qmp-system-reset"],
  ]);
  await end();
});

Deno.test("a network device is plugged in and its cable pulled, by the name of what is behind it", async () => {
  const { command, ask, end } = await world();
  await command("netdev_add", { type: "hubport", id: "lan", hubid: 0 });
  const nic = { driver: "virtio-net-pci", id: "nic", netdev: "lan", addr: "5", "disable-modern": true };
  assertEquals(await command("device_add", nic), { return: {} });
  for (const line of ["outl 0xcf8 0x80002810", "outl 0xcfc 0xc000", "outl 0xcf8 0x80002804", "outl 0xcfc 7"]) {
    await ask(line);
  }
  const linkUp = async () => Number((await ask("inw 0xc01a"))[0].slice(3)) & 1;
  assertEquals(await linkUp(), 1);
  assertEquals(await command("set_link", { name: "lan", up: false }), { return: {} });
  assertEquals(await linkUp(), 0);
  assertEquals((await command("set_link", { name: "nobody", up: true })).error.class, "DeviceNotFound");
  await end();
});

Deno.test("a machine that is stopped does nothing by itself until it goes on", async () => {
  const { command, ask, events, end } = await world({ devices: [EDU], stopped: true });
  assertEquals((await command("query-status")).return, { status: "prelaunch", singlestep: false, running: false });
  await command("cont");
  await command("stop");
  await command("stop");
  assertEquals((await command("query-status")).return.status, "paused");
  assertEquals(
    (await command("human-monitor-command", { "command-line": "info status" })).return,
    "VM status: paused\r\n",
  );
  assertEquals(
    (await command("human-monitor-command", { "command-line": "foo" })).return,
    "unknown command: 'foo'\r\n",
  );
  assertEquals(events.slice(1).map(({ event }) => event), ["RESUME", "STOP"]);
  await ask("outb 0xcf9 6");
  assertEquals(events.length, 3);
  await command("cont");
  assertEquals(events.slice(3).map(({ event, data }) => [event, data?.reason]), [["RESUME", undefined], [
    "RESET",
    "guest-reset",
  ]]);
  await end();
});

Deno.test("quit answers, tells of the end, and ends", async () => {
  const { command, events, session, end } = await world();
  assertEquals(await command("quit"), { return: {} });
  await session.over;
  assertEquals(events.at(-1).data, { guest: false, reason: "host-qmp-quit" });
  await end();
});

const WORDS =
  "driver id drive bus addr path property device node-name size type implements filename serial packed hubid netdev"
    .split(" ");
const TEXTS =
  "edu virtio-blk-pci virtio-net-pci ide-hd foo x disk0 edu0 ioapic /machine /machine/peripheral 4 0x1f.7 99.0 on off"
    .split(" ").concat("null-co", "raw", "file", "hubport", "stream", "", "__proto__", "/nowhere");
const COMMANDS =
  ("query-status query-machines qom-list qom-get qom-list-types device_add device_del blockdev-add blockdev-del " +
    "netdev_add netdev_del block_resize stop cont system_reset human-monitor-command query-qmp-schema device-list-properties " +
    "nosuch constructor").split(" ");

Deno.test("whatever a monitor's client sends, each request gets one answer and the machine goes on", async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const below = random(seed);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const value = (depth: number): unknown => {
    const kinds: (() => unknown)[] = [
      () => pick(TEXTS),
      () => below(2 ** 30) - 2 ** 29,
      () => below(2) === 0,
      () => null,
      () => 1.5,
    ];
    if (depth > 0) kinds.push(() => [value(depth - 1)], () => given(depth - 1));
    return pick(kinds)();
  };
  const given = (depth: number): unknown =>
    Object.fromEntries(Array.from({ length: below(4) }, () => [pick(WORDS), value(depth)]));
  const request = () => {
    if (below(16) === 0) return value(2);
    return {
      execute: below(32) === 0 ? value(1) : pick(COMMANDS),
      ...(below(4) > 0 && { arguments: given(2) }),
      id: 1,
    };
  };
  const { qmp, ask, end } = await world({ devices: [EDU, { id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }] });
  const COUNT = 5000;
  let asked = 0;
  while (asked < COUNT) {
    const message = request();
    // A word alone ends with the line.
    qmp.type(JSON.stringify(message) + "\n");
    const heard = await qmp.hear((text) => /^\{"(return|error|id)/m.test(text));
    assertEquals(heard.match(/^\{"(return|error|id)/gm)?.length, 1, JSON.stringify(message));
    asked++;
  }
  assertEquals((await ask("endianness")).at(-1), "OK little");
  await end();
});

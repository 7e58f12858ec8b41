import { assertEquals } from "@std/assert";
import { world } from "../testdata/bench.ts";
import { type BlockDebug, failuresIn, splitBlkdebug } from "./blkdebug.ts";

Deno.test("a debugged drive is a configuration, which may be missing, and a file", () => {
  assertEquals(splitBlkdebug("blkdebug::/tmp/a"), { config: "", file: "/tmp/a" });
  assertEquals(splitBlkdebug("blkdebug:/tmp/c:/tmp/a"), { config: "/tmp/c", file: "/tmp/a" });
  assertEquals(splitBlkdebug("/tmp/a"), null);
});

Deno.test("of a configuration the injected errors of flushes count", () => {
  const inject = (event: string) => `[inject-error]\nevent = "${event}"\nerrno = "5"\nonce = "on"\n`;
  const state = `[set-state]\nevent = "flush_to_disk"\nnew_state = "2"\n`;
  assertEquals(failuresIn(inject("flush_to_disk") + state), 1);
  assertEquals(failuresIn(inject("read_aio") + state), 0);
  assertEquals(failuresIn(inject("flush_to_os") + inject("flush_to_disk")), 2);
});

/** A PC with a disk under a debugger, and a way to flush it and to look at its status. */
async function debuggedDisk(debug: BlockDebug) {
  const drive = { id: "ide", use: "ide", with: { ram: "64KiB", personality: "qemu" } };
  const debugged = { "ide0-hd0": { ...debug, device: "ide", place: 0 } };
  const { command, ask, events, end } = await world({ devices: [drive], debugged });
  const human = async (line: string) => (await command("human-monitor-command", { "command-line": line })).return;
  const status = async () => (await ask("inb 0x3f6"))[0].slice(-2);
  return { command, events, end, human, status, flush: () => ask("outb 0x1f7 0xe7") };
}

Deno.test("a breakpoint holds a flush until it is resumed", async () => {
  const { human, status, flush, end } = await debuggedDisk({ failures: 0, stops: false });
  assertEquals(await human('qemu-io ide0-hd0 "break flush_to_os A"'), "");
  await flush();
  assertEquals(await status(), "c0");
  assertEquals(await human('qemu-io ide0-hd0 "resume A"'), "");
  assertEquals(await status(), "50");
  assertEquals(await human('qemu-io ide9-hd9 "resume A"'), "Error: Device not found\r\n");
  assertEquals(await human('qemu-io ide0-hd0 "break read_aio A"'), 'command "break read_aio A" not found\r\n');
  await end();
});

Deno.test("a flush that fails stops the machine if it was asked to, and is tried again when it goes on", async () => {
  const { command, events, status, flush, end } = await debuggedDisk({ failures: 1, stops: true });
  await flush();
  assertEquals([await status(), (await command("query-status")).return.status], ["c0", "paused"]);
  await command("cont");
  assertEquals([await status(), (await command("query-status")).return.status], ["50", "running"]);
  assertEquals(events.slice(-2).map(({ event }) => event), ["STOP", "RESUME"]);
  await end();
});

Deno.test("a flush that fails is the drive's error otherwise", async () => {
  const { status, flush, end } = await debuggedDisk({ failures: 1, stops: false });
  await flush();
  assertEquals(await status(), "41");
  await flush();
  assertEquals(await status(), "50");
  await end();
});

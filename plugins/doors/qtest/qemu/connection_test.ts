import { assertEquals, assertThrows } from "@std/assert";
import { close, read, Socket, socketPair, unavailable, write } from "@iova/libc";
import { QtestConnection } from "./connection.ts";
import { QemuError } from "./lines.ts";

const ignore = unavailable() !== null;

/** A connection whose other end has said `answers` already. */
function world(answers: string, deadline = 200) {
  const pair = socketPair(Socket.NONBLOCK);
  if (typeof pair === "number") throw new Error("no sockets");
  const [ours, theirs] = pair;
  if (answers !== "") write(theirs, new TextEncoder().encode(answers));
  const qtest = new QtestConnection(ours, () => "qemu: last words\n", deadline);
  return {
    qtest,
    theirs,
    heard(): string {
      const into = new Uint8Array(new ArrayBuffer(4096));
      const got = read(theirs, into);
      return new TextDecoder().decode(into.subarray(0, Math.max(got, 0)));
    },
    [Symbol.dispose]() {
      qtest.close();
      close(theirs);
    },
  };
}

const test = (name: string, fn: () => void) => Deno.test({ name, ignore, fn });

test("a command is one line, and its answer is what follows OK", () => {
  using made = world("OK 0x55\n");
  assertEquals(made.qtest.command("inb 0x60"), "0x55");
  assertEquals(made.heard(), "inb 0x60\n");
  assertEquals(made.qtest.commands, 1);
});

test("interrupts between a command and its answer are heard at once", () => {
  using made = world("IRQ raise 5\nIRQ lower 5\nOK\nIRQ raise 7\n");
  const heard: [number, boolean][] = [];
  made.qtest.onInterrupt = (line, asserted) => heard.push([line, asserted]);
  made.qtest.command("outb 0x80 0x0");
  assertEquals(heard, [[5, true], [5, false]]);
  made.qtest.poll(0);
  assertEquals(heard, [[5, true], [5, false], [7, true]]);
  made.qtest.poll(0);
});

test("a refusal names the command and leaves the connection usable", () => {
  using made = world("FAIL Unknown command 'jump'\nOK\n");
  assertThrows(() => made.qtest.command("jump"), QemuError, "jump: FAIL Unknown command 'jump'");
  assertEquals(made.qtest.command("endianness"), "");
});

test("an answer that does not come in time is an error, and nothing is sent any more", () => {
  using made = world("", 30);
  assertThrows(() => made.qtest.command("readl 0x0"), QemuError, "readl 0x0: no answer within 30 ms; it said: qemu");
  assertThrows(() => made.qtest.command("readl 0x4"), QemuError, "the connection is closed");
});

test("half an answer is no answer", () => {
  using made = world("OK 0x1", 30);
  assertThrows(() => made.qtest.command("readl 0x0"), QemuError, "no answer within 30 ms");
});

test("an end of the connection is told with what QEMU said last", () => {
  using made = world("");
  close(made.theirs);
  assertThrows(() => made.qtest.poll(10), QemuError, "QEMU has closed the connection; it said: qemu: last words");
});

test("an answer to no question, and anything that is not the protocol, is an error", () => {
  using stray = world("OK 1\n");
  assertThrows(() => stray.qtest.poll(10), QemuError, "an answer to no question: OK 1");
  using strange = world("\u0001\u0002\n");
  assertThrows(() => strange.qtest.command("inb 0x60"), QemuError, "no line of the qtest protocol");
});

test("a command that is two lines is the caller's mistake", () => {
  using made = world("");
  assertThrows(() => made.qtest.command("inb 0x60\ninb 0x61"), TypeError);
});

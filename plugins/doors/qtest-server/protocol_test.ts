import { assert, assertEquals } from "@std/assert";
import type { Manifest } from "@iova/core";
import { random, world } from "./testdata/bench.ts";

const EDU = { id: "edu0", use: "edu", at: "04.0" };
const PARKED_CPU = new Uint8Array(65536).fill(0xf4);
// cli; hlt; jmp back
PARKED_CPU.set([0xfa, 0xf4, 0xeb, 0xfd], 0xfff0);

/** A machine, how QEMU starts it, and how the same one is made here. */
const MACHINES = {
  pc: { qemu: "qemu-system-x86_64", args: "-machine pc -nodefaults -accel tcg -bios BIOS", manifest: {} },
  q35: {
    qemu: "qemu-system-x86_64",
    args: "-machine q35 -nodefaults -accel tcg -bios BIOS",
    manifest: { profile: "q35" },
  },
  pseries: {
    qemu: "qemu-system-ppc64",
    args: "-machine pseries -nodefaults -accel tcg -S -device edu,addr=4",
    manifest: {
      profile: "pseries",
      platform: { use: "pseries-tce", with: { profile: "qemu-tcg", ddw: true } },
      devices: [EDU],
    },
  },
} as const;
type MachineName = keyof typeof MACHINES;

/** Commands and the lines that answered them, as measured on QEMU 7.2. */
function transcript(machine: MachineName): { command: string; answers: string[] }[] {
  const text = Deno.readTextFileSync(new URL(`./testdata/${machine}_transcript.txt`, import.meta.url));
  return text.split(/^> /m).slice(1).map((block) => {
    const [command, ...answers] = block.trimEnd().split("\n");
    return { command, answers: answers.map((line) => line.slice(2)) };
  });
}

function isInstalled(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** What a real QEMU says to the commands of a transcript. */
async function askQemu(program: string, args: string, commands: readonly string[], count: number): Promise<string[]> {
  const bios = Deno.makeTempFileSync({ dir: "/tmp" });
  Deno.writeFileSync(bios, PARKED_CPU);
  const child = new Deno.Command(program, {
    args: `${args} -display none -qtest stdio -qtest-log /dev/null`.replace("BIOS", bios).split(" "),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(commands.map((command) => command + "\n").join("")));
    // Its timer ticks by itself, on input 0.
    const said = (text: string) => text.split("\n").slice(0, -1).filter((line) => !/^IRQ \w+ 0$/.test(line));
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (said(text).length >= count) break;
    }
    await writer.close().catch(() => {});
    return said(text);
  } finally {
    child.kill("SIGKILL");
    await child.status;
    Deno.removeSync(bios);
  }
}

for (const [name, { qemu, args, manifest }] of Object.entries(MACHINES)) {
  const lines = transcript(name as MachineName);

  Deno.test(`${name} answers as QEMU 7.2 did when it was measured, command by command`, async () => {
    const { ask, end } = await world(manifest as Partial<Manifest>);
    for (const { command, answers } of lines) assertEquals([command, await ask(command)], [command, answers]);
    await end();
  });

  Deno.test({
    name: `the QEMU that is installed answers for ${name} as it was measured`,
    ignore: !isInstalled(qemu),
    async fn() {
      const expected = lines.flatMap(({ answers }) => answers);
      assertEquals(await askQemu(qemu, args, lines.map(({ command }) => command), expected.length), expected);
    },
  });
}

Deno.test("every word that QEMU would stop over is refused, and the next command is carried out", async () => {
  const { ask, end } = await world();
  const wrong = [
    "inb",
    "inb 65536",
    "inb x",
    "outb 1",
    "outb 1 2x",
    "readl",
    "read 0",
    "read 0 0",
    "read 0 99999999999",
    "write 0 99999999999 0x00",
    "memset 0 1",
    "set_irq_in ioapic unnamed-gpio-in x 1",
    "clock_set",
    "module_load a",
    "hcall",
  ];
  for (const line of wrong) {
    const [name] = line.split(" ");
    assertEquals(await ask(line), [`FAIL Invalid arguments for '${name}'`]);
  }
  assertEquals(await ask(""), ["FAIL Unknown command ''"]);
  assertEquals(await ask("toString 1"), ["FAIL Unknown command 'toString'"]);
  assertEquals(await ask("rtas nothing 0 0 0 0"), ["FAIL Unknown command 'rtas'"]);
  assertEquals(await ask("endianness"), ["OK little"]);
  await end();
});

Deno.test("a device is set up, moves data and interrupts as its client says; time goes where the client says", async () => {
  const { ask, end } = await world({ devices: [EDU] });
  const all = async (...lines: string[]) =>
    (await Promise.resolve(lines)).reduce<Promise<string[]>>(
      async (before, line) => [...await before, ...await ask(line)],
      Promise.resolve([]),
    );
  const config = (register: number, value: string) => [`outl 0xcf8 ${0x80002000 + register}`, `outl 0xcfc ${value}`];
  await all(...config(0x10, "0xe0000000"), ...config(0x04, "6"), "outl 0xcf8 0x80000860", "outl 0xcfc 0x0b0b0b0b");
  assertEquals(await all("readl 0xe0000000", "irq_intercept_in ioapic"), ["OK 0x00000000010000ed", "OK"]);
  await ask("write 0x8000 4 0xdeadbeef");
  await all("writeq 0xe0000080 0x8000", "writeq 0xe0000088 0x40000", "writeq 0xe0000090 4", "writel 0xe0000098 5");
  assertEquals(await ask("clock_step 99999999"), ["OK 99999999"]);
  assertEquals(await ask("clock_step"), ["IRQ raise 11", "OK 100000000"]);
  assertEquals(await all("readl 0xe0000024", "writel 0xe0000064 0x100"), [
    "OK 0x0000000000000100",
    "IRQ lower 11",
    "OK",
  ]);
  await all("writeq 0xe0000080 0x40000", "writeq 0xe0000088 0x9000", "writel 0xe0000098 3", "clock_step");
  assertEquals(await all("read 0x9000 4", "clock_set 5"), ["OK 0xdeadbeef", "OK 200000000"]);
  await end();
});

Deno.test("with the computer's own clock timers come by themselves, and nobody steps it", async () => {
  const { ask, qtest, end } = await world({ devices: [EDU], clock: "real" });
  assertEquals(await ask("clock_step 5"), ["FAIL Unknown command 'clock_step'"]);
  for (const line of ["outl 0xcf8 0x80002010", "outl 0xcfc 0xe0000000", "outl 0xcf8 0x80002004", "outl 0xcfc 6"]) {
    await ask(line);
  }
  for (const line of ["outl 0xcf8 0x80000860", "outl 0xcfc 0x0b0b0b0b", "irq_intercept_in ioapic"]) await ask(line);
  for (const line of ["writel 0xe0000090 4", "writel 0xe0000088 0x40000", "writel 0xe0000098 5"]) await ask(line);
  assertEquals(await qtest.hear((text) => text.includes("IRQ")), "IRQ raise 11\n");
  await end();
});

Deno.test("a new client finds every input down", async () => {
  const { ask, session, qtest, end } = await world();
  await ask("irq_intercept_in ioapic");
  assertEquals(await ask("set_irq_in ioapic unnamed-gpio-in 7 1"), ["IRQ raise 7", "OK"]);
  qtest.leave();
  await new Promise((resolve) => setTimeout(resolve, 0));
  const { Client } = await import("./testdata/bench.ts");
  const next = new Client();
  const served = session.serveQtest(next);
  next.type("set_irq_in ioapic unnamed-gpio-in 7 0\nset_irq_in ioapic unnamed-gpio-in 7 1\n");
  assertEquals(await next.hear((text) => text.split("\n").length > 3), "OK\nIRQ raise 7\nOK\n");
  next.leave();
  await served;
  await end();
});

const NAMES =
  "outb outw outl inb inw inl writeb writew writel writeq readb readw readl readq read write b64read b64write " +
  "memset irq_intercept_in irq_intercept_out set_irq_in clock_step clock_set endianness module_load rtas hcall query";
const WORDS =
  "0 1 -1 4 0x10 0xcf8 0xcfc 0x80002010 0xe0000000 0xfec00000 0xfee00000 0x510 0x514 0x70 0x71 0xae08 0x1f7 0xcf9 " +
  "0xffffffff 18446744073709551615 99999999999999999999 ioapic unnamed-gpio-in /machine x 0x 0xzz AQID ==== 512 65535 0x92";

Deno.test("whatever a client sends, each line gets one answer and the machine goes on", async () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const below = random(seed);
  const [names, words] = [NAMES.split(" "), WORDS.split(" ")];
  const { qtest, ask, end } = await world({
    devices: [EDU, { id: "disk0", use: "virtio-blk", with: { ram: "1MiB" } }],
  });
  const COUNT = 20_000;
  const lines = Array.from({ length: COUNT }, () => {
    const tail = Array.from({ length: below(6) }, () => words[below(words.length)]);
    return [names[below(names.length)], ...tail].join(" ");
  });
  qtest.type(lines.join("\n") + "\n");
  const answers = (text: string) => text.match(/^(OK|FAIL|ERR)/gm)?.length ?? 0;
  const heard = await qtest.hear((text) => answers(text) >= COUNT);
  assertEquals(answers(heard), COUNT);
  assert(/^OK/m.test(heard));
  assertEquals((await ask("endianness")).at(-1), "OK little");
  await end();
});

Deno.test("nothing more is done for a client that leaves its answers unread", async () => {
  const { qtest, events, command, end } = await world();
  const resets = async () => {
    await command("query-status");
    return events.filter(({ event }) => event === "RESET").length;
  };
  let read = () => {};
  qtest.crowded = new Promise((resolve) => read = resolve);
  qtest.type("endianness\noutb 0xcf9 6\n");
  await qtest.hear((text) => text !== "");
  assertEquals(await resets(), 0);
  qtest.crowded = null;
  read();
  await qtest.hear((text) => text !== "");
  assertEquals(await resets(), 1);
  await end();
});

Deno.test("bytes that are no text, and a line without end, are answered too", async () => {
  const { qtest, ask, end } = await world();
  qtest.type(Uint8Array.of(0xff, 0xfe, 0, 0x0a));
  assert((await qtest.hear((text) => text.endsWith("\n"))).startsWith("FAIL Unknown command"));
  const chunk = new Uint8Array(16 * 1024 ** 2).fill(0x41);
  for (let i = 0; i < 9; i++) qtest.type(chunk);
  qtest.type("\n");
  assertEquals(await qtest.hear((text) => text.endsWith("\n")), "FAIL Line too long\n");
  assertEquals(await ask("endianness"), ["OK little"]);
  await end();
});

Deno.test("a client programs q35's AMD IOMMU through its registers and tables: blocked, then translated", async () => {
  const { ask, end } = await world({ profile: "q35", platform: "amd-iommu", devices: [{ ...EDU, at: "05.0" }] });
  const all = async (...lines: string[]) => {
    let last = "";
    for (const line of lines) last = (await ask(line)).at(-1)!;
    return last;
  };
  const DEVICE_TABLE = 0x100000;
  const ENTRY = DEVICE_TABLE + 0x28 * 32;
  const ROOT = 0x700000;
  /** The device fetches 4 bytes at a bus address; `back` has it put them at another. */
  const read = async (bus: number) => {
    await all(
      "writeq 0xe0000088 0x40000",
      "writeq 0xe0000090 4",
      `writeq 0xe0000080 ${bus}`,
      "writel 0xe0000098 1",
      "clock_step",
    );
  };
  await all(
    "outl 0xcf8 0x80002810",
    "outl 0xcfc 0xe0000000",
    "outl 0xcf8 0x80002804",
    "outl 0xcfc 6",
    "write 0x8000 4 0x11223344",
    "write 0x9000 4 0x55667788",
  );
  const back = async (bus: number) => {
    await all(
      "memset 0xa000 4 0",
      "writeq 0xe0000080 0x40000",
      `writeq 0xe0000088 ${bus}`,
      "writel 0xe0000098 3",
      "clock_step",
    );
    return await all("read 0xa000 4");
  };
  // Off: addresses pass.
  await read(0x8000);
  assertEquals(await back(0xa000), "OK 0x11223344");
  // On, with an entry whose device may reach nothing.
  await all(`writeq 0xfed80000 ${DEVICE_TABLE + 1}`, `writeq ${ENTRY} 3`, "writeq 0xfed80018 1");
  await read(0x9000);
  assertEquals(await back(0xa000), "OK 0x00000000");
  // One level of tables: bus pages 1 and 2 are physical pages 9 and 10; the command to forget what was cached.
  const IR_IW_PR = 0x6000000000000001n;
  await all(
    `writeq ${ENTRY} ${0x6000000000000003n | BigInt(ROOT) | 1n << 9n}`,
    `writeq ${ROOT + 8} ${IR_IW_PR | 0x9000n}`,
    `writeq ${ROOT + 16} ${IR_IW_PR | 0xa000n}`,
    `writeq 0xfed80008 ${0x0800000000000000n | 0x200000n}`,
    "writeq 0xfed80018 0x1001",
    "writeq 0x200000 0x2000000000000028",
    "writeq 0x200008 0",
    "writeq 0xfed82008 0x10",
  );
  await read(0x1000);
  assertEquals(await back(0x2000), "OK 0x55667788");
  assertEquals(await all("readq 0xfed82000"), "OK 0x0000000000000010"); // the command was taken
  await end();
});

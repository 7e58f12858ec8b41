import { assert, assertEquals, assertThrows } from "@std/assert";
import { InputError } from "@iova/core";
import { checkVectors, fromHex, toHex } from "@iova/fields/testing";
import fc from "fast-check";
import { CaptureFile, loadCapture } from "./capture_file.ts";
import { InterfaceBlock, PacketBlock, PcapHeader, PcapRecord, SectionBlock } from "./capture_layout.ts";
import { CaptureProblem } from "./capture_packet.ts";
import { readCapture } from "./capture_read.ts";
import { ENCODERS, formatOf } from "./capture_write.ts";
import pcap from "./vectors/pcap.json" with { type: "json" };
import pcapPacket from "./vectors/pcap_packet.json" with { type: "json" };
import ngInterface from "./vectors/pcapng_interface.json" with { type: "json" };
import ngPacket from "./vectors/pcapng_packet.json" with { type: "json" };
import ngSection from "./vectors/pcapng_section.json" with { type: "json" };

const REAL = new URL("../../../examples/lan.pcap", import.meta.url).pathname;
const WHERE = { file: "machine.json", optionPath: "devices[0].with.file" };

/** By hand: one packet of 5 bytes at 1 s + 2 units. */
const SAMPLES: Record<string, [hex: string, time: bigint]> = {
  "pcap, little-endian, microseconds": [
    "d4c3b2a1 02000400 00000000 00000000 00000400 01000000 01000000 02000000 05000000 06000000 0102030405",
    1_000_002_000n,
  ],
  "pcap, little-endian, nanoseconds": [
    "4d3cb2a1 02000400 00000000 00000000 00000400 01000000 01000000 02000000 05000000 06000000 0102030405",
    1_000_000_002n,
  ],
  "pcap, big-endian, microseconds": [
    "a1b2c3d4 00020004 00000000 00000000 00040000 00000001 00000001 00000002 00000005 00000006 0102030405",
    1_000_002_000n,
  ],
  "pcapng, big-endian, microseconds by default, with a block that nobody knows": [
    "0a0d0d0a 0000001c 1a2b3c4d 00010000 ffffffffffffffff 0000001c" +
    "00000001 00000014 00010000 00040000 00000014" +
    "000000aa 0000000c 0000000c" +
    "00000006 00000028 00000000 00000000 000f4242 00000005 00000006 0102030405000000 00000028",
    1_000_002_000n,
  ],
  "pcapng, little-endian, 2^-32 seconds and an offset of 1 s": [
    "0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffffffffffff 1c000000" +
    "01000000 2c000000 01000000 00000400 0900 0100 a0000000 0e00 0800 0100000000000000 00000000 2c000000" +
    "06000000 28000000 00000000 00000000 09000000 05000000 06000000 0102030405000000 28000000",
    1_000_000_002n,
  ],
  "pcapng, the old packet block": [
    "0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffffffffffff 1c000000" +
    "01000000 14000000 01000000 00000400 14000000" +
    "02000000 28000000 0000 ffff 00000000 42420f00 05000000 06000000 0102030405000000 28000000",
    1_000_002_000n,
  ],
  "pcapng, a simple packet that the interface cut": [
    "0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffffffffffff 1c000000" +
    "01000000 14000000 01000000 05000000 14000000" +
    "03000000 18000000 06000000 0102030405000000 18000000",
    0n,
  ],
};

for (const [name, [hex, time]] of Object.entries(SAMPLES)) {
  Deno.test(`${name}: a packet is read`, () => {
    const packets = readCapture(fromHex(hex));
    assertEquals(packets.map(({ bytes, ...rest }) => ({ ...rest, hex: toHex(bytes) })), [
      { time, original: 6, hex: "0102030405" },
    ]);
  });
}

Deno.test("the tables of capture files agree with bytes written by hand", () => {
  checkVectors(PcapHeader, pcap);
  checkVectors(PcapRecord, pcapPacket);
  checkVectors(SectionBlock, ngSection);
  checkVectors(InterfaceBlock, ngInterface);
  checkVectors(PacketBlock, ngPacket);
});

const SECTION = "0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffffffffffff 1c000000";
const INTERFACE = "01000000 14000000 01000000 00000400 14000000";
const PCAP = "d4c3b2a1 02000400 00000000 00000000 00000400 01000000";

/** Mistakes, and what is said about them. */
const MALFORMED: Record<string, [hex: string, message: string]> = {
  "nothing": ["", "at byte 0: found 0 bytes"],
  "another kind of file": ["7f454c46 00000000", "at byte 0: found the magic number 7f454c46"],
  "a header that is cut off": ["d4c3b2a1 0200", "at byte 6: found the end of the file"],
  "pcap of version 3": ["d4c3b2a1 03000400 00000000 00000000 00000400 01000000", "found version 3"],
  "pcap of another link": ["d4c3b2a1 02000400 00000000 00000000 00000400 71000000", "found link type 113"],
  "a packet header that is cut off": [PCAP + "01000000", "at byte 24: found the end of the file"],
  "a packet longer than the file": [
    PCAP + "00000000 00000000 05000000 05000000 01",
    "at byte 40: found 1 bytes to the end",
  ],
  "a packet longer than any": [PCAP + "00000000 00000000 ffffffff ffffffff 01", "found a packet of 4294967295 bytes"],
  "more kept than there was": [
    PCAP + "00000000 00000000 02000000 01000000 0102",
    "found 2 bytes kept of a packet of 1",
  ],
  "a section without its magic": [
    "0a0d0d0a 1c000000 00000000 01000000 ffffffffffffffff 1c000000",
    "at byte 8: found 00000000",
  ],
  "a section of version 2": ["0a0d0d0a 1c000000 4d3c2b1a 02000000 ffffffffffffffff 1c000000", "found version 2"],
  "a section that is too short": [
    "0a0d0d0a 10000000 4d3c2b1a 10000000",
    "found a block of 16 bytes, expected at least 28",
  ],
  "a block of 8 bytes": [SECTION + "01000000 08000000 08000000", "found a block of 8 bytes"],
  "a block of 13 bytes": [SECTION + "01000000 0d000000 0000000000 0d000000", "found a block of 13 bytes"],
  "a block beyond the file": [SECTION + "01000000 ffffff7c 00000000", "found a block of"],
  "lengths that differ": [SECTION + "aa000000 0c000000 10000000", "found a trailing length of 16, expected 12"],
  "half a block": [SECTION + "aa000000", "at byte 28: found the end of the file"],
  "an interface of another link": [SECTION + "01000000 14000000 71000000 00000400 14000000", "found link type 113"],
  "an option beyond its block": [
    SECTION + "01000000 18000000 01000000 00000400 0900ff00 18000000",
    "an option of 255 bytes",
  ],
  "a packet without its interface": [
    SECTION + "06000000 20000000 00000000 00000000 00000000 00000000 00000000 20000000",
    "found interface 0, expected an interface of its section, of which there are 0",
  ],
  "a packet block without room": [SECTION + INTERFACE + "06000000 0c000000 0c000000", "a block of 12 bytes"],
  "a packet longer than its block": [
    SECTION + INTERFACE + "06000000 24000000 00000000 00000000 00000000 05000000 05000000 01020304 24000000",
    "found a block with 4 bytes of data, expected 5 bytes",
  ],
  "an interface of the section before": [
    SECTION + INTERFACE + SECTION + "03000000 10000000 00000000 10000000",
    "found interface 0",
  ],
};

for (const [mistake, [hex, message]] of Object.entries(MALFORMED)) {
  Deno.test(`${mistake}: said with its place`, () => {
    const error = assertThrows(() => readCapture(fromHex(hex)), CaptureProblem);
    assert(error.message.includes(message), error.message);
  });
}

Deno.test("whatever the bytes are, reading ends, with packets inside the file or a problem", () => {
  const start = fc.constantFrom(...Object.values(SAMPLES).map(([hex]) => fromHex(hex)));
  const edits = fc.array(fc.tuple(fc.nat(140), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(start, edits, fc.nat(140), (base, changes, cut) => {
      const bytes = base.slice(0, Math.max(cut, 4));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      try {
        for (const packet of readCapture(bytes)) assert(packet.bytes.length <= bytes.length);
      } catch (error) {
        assert(error instanceof CaptureProblem, `${error}`);
      }
    }),
    { numRuns: 5000 },
  );
});

for (const format of ["pcap", "pcapng"] as const) {
  Deno.test(`what is written as ${format} is read again, to the nanosecond and the byte`, () => {
    const path = Deno.makeTempFileSync({ suffix: `.${format}` });
    try {
      const real = loadCapture({ path: REAL, ...WHERE });
      const file = new CaptureFile({ path, ...WHERE });
      for (const { time, bytes } of real) file.add(time + 7n, bytes);
      file.close();
      file.close();
      const again = loadCapture({ path, ...WHERE });
      assertEquals([again.length, file.packets, file.failed], [74, 74, false]);
      again.forEach(({ time, bytes }, i) => {
        assertEquals([time, toHex(bytes)], [real[i].time + 7n, toHex(real[i].bytes)]);
      });
    } finally {
      Deno.removeSync(path);
    }
  });
}

Deno.test("a format is known by the file's name, and its header by its table", () => {
  assertEquals([formatOf("a/b.pcapng"), formatOf("a/b.pcap"), formatOf("b")], ["pcapng", "pcap", "pcap"]);
  assertEquals(toHex(ENCODERS.pcap.header()).slice(0, 8), "4d3cb2a1");
});

Deno.test("a capture that cannot be read is one message with file, option and place", () => {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, fromHex(PCAP + "01"));
    const cut = assertThrows(() => loadCapture({ path, ...WHERE }), InputError);
    assert(cut.message.includes(`devices[0].with.file: found "${path}", at byte 24: the end of the file`), cut.message);
  } finally {
    Deno.removeSync(path);
  }
  const missing = assertThrows(() => loadCapture({ path: "/nowhere/at.all", ...WHERE }), InputError);
  assert(missing.message.includes("which does not exist"), missing.message);
  const folder = assertThrows(() => loadCapture({ path: "/tmp", ...WHERE }), InputError);
  assert(folder.message.includes("no regular file"), folder.message);
  const unwritable = assertThrows(() => new CaptureFile({ path: "/tmp/no/such/folder.pcap", ...WHERE }), InputError);
  assert(unwritable.message.includes("which does not exist"), unwritable.message);
});

/** Whether a tool is there and may be run. */
function canRun(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "tshark reads what is written, and finds the same packets and good checksums",
  ignore: !canRun("tshark"),
  fn() {
    for (const format of ["pcap", "pcapng"] as const) {
      const path = Deno.makeTempFileSync({ suffix: `.${format}` });
      try {
        const file = new CaptureFile({ path, ...WHERE });
        const packets = loadCapture({ path: REAL, ...WHERE });
        for (const { time, bytes } of packets) file.add(time, bytes);
        file.close();
        const preferences = ["ip", "tcp", "udp"].flatMap((name) => ["-o", `${name}.check_checksum:TRUE`]);
        const fields = ["frame.time_epoch", "frame.len", "tcp.checksum.status", "udp.checksum.status"];
        const args = ["-r", path, ...preferences, "-T", "fields", ...fields.flatMap((name) => ["-e", name])];
        const { stdout, success } = new Deno.Command("tshark", { args, stderr: "null" }).outputSync();
        const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
        assertEquals([success, lines.length], [true, packets.length]);
        lines.forEach((line, i) => {
          const [time, length, ...status] = line.split("\t");
          assertEquals(BigInt(time.replace(".", "")), packets[i].time);
          assertEquals(Number(length), packets[i].bytes.length);
          // 0: bad. An ICMP message quotes packets that are cut off.
          assert(!status.includes("0"), line);
        });
      } finally {
        Deno.removeSync(path);
      }
    }
  },
});

/**
 * Where QEMU's IDE differs from data sheets and standards: one table, from which the device takes its behaviour and the
 * README its text. Sources: 82371SB and SFF-8038i, ATA/ATAPI-7; QEMU 7.2, measured.
 *
 * @module
 */

/** Whose behaviour. */
export type PersonalityName = "spec" | "qemu";

/** What to do with memory that a transfer cannot reach. */
export type FaultPolicy = "abort" | "pretend" | "patch-2010";

interface Row<T> {
  readonly what: string;
  readonly spec: T;
  readonly qemu: T;
}

function row<T>(what: string, spec: T, qemu: T): Row<T> {
  return { what, spec, qemu };
}

const ERROR = { ABRT: 0x04, IDNF: 0x10, UNC: 0x40 } as const;

/** Every difference. */
export const DIFFERENCES = {
  decodesAlways: row("the legacy ports answer whatever IDETIM and the PCI command register say", false, true),
  emptyChannel: row("what a channel without devices reads as", 0x7f, 0x00),
  powerOnError: row("the error register after power-on and DEVICE RESET", 0x01, 0x00),
  resetsOnRise: row("SRST resets when it rises, not when it falls", false, true),
  resetInterrupts: row("disks interrupt at the end of a software reset", false, true),
  resetKeepsSelection: row("the selected device stays selected through a software reset", false, true),
  resetKeepsArmed: row(
    "a DMA command that waits for the engine survives SRST, with the registers of after it (CVE-2023-5088's kin)",
    false,
    true,
  ),
  diagnosesSelected: row(
    "EXECUTE DEVICE DIAGNOSTIC is the selected device's alone, which stays selected; else both run it, and device 0 answers",
    false,
    true,
  ),
  losesMaskedInterrupt: row("an interrupt that comes up while nIEN is set never comes", false, true),
  interruptBitAlways: row("every interrupt sets the bus-master bit, not only a rising one", false, true),
  rangeError: row("error of an address beyond the medium", ERROR.IDNF, ERROR.ABRT),
  readError: row("error of a sector that the host cannot read", ERROR.UNC, ERROR.ABRT),
  verifies: row("READ VERIFY looks at address and medium", true, false),
  strictChs: row("a CHS address outside the translation is an error before it is computed", true, false),
  extNeedsLba: row("48-bit commands are aborted without the LBA bit", true, false),
  trimLimit: row(
    "most blocks of a TRIM, as IDENTIFY word 105 says; 0: it says nothing, and the count has 8 bits",
    8,
    0,
  ),
  powerKeepsSeek: row("power commands leave bit 4, seek complete, in the status", true, false),
  parametersInIdentify: row("INITIALIZE DEVICE PARAMETERS shows in IDENTIFY words 54 to 58", true, false),
  tellsMultiple: row("IDENTIFY word 59 follows SET MULTIPLE", true, false),
  checksModes: row("SET FEATURES refuses transfer modes that IDENTIFY does not list", true, false),
  keepsEarlyModes: row("a transfer mode set before the first IDENTIFY is kept", true, false),
  byteRegisters: row("bus-master command and status answer to single bytes only", false, true),
  checksDirection: row("a start in the wrong direction is a bus error; else the command decides", true, false),
  checksBoundary: row("a region or table across 64 KiB is a bus error; else it is linear", true, false),
  evenAddress: row("bit 0 of a region's address is taken as 0", true, false),
  wholeTable: row("the table is read to its end, 512 entries at most, before anything moves", false, true),
  shortMoves: row(
    "what a short table describes is moved, and the drive goes on waiting; else nothing, and it is idle",
    true,
    false,
  ),
  runsPastEnd: row("a command after a longer table goes on with the entries behind its end", false, true),
  errorKeepsActive: row("an error of the drive leaves the engine active", true, false),
  stopDrains: row("stopping the engine lets the transfer finish first", false, true),
  waitsForBusMaster: row("without bus mastering the engine waits; else its accesses fail one by one", true, false),
  faultPolicy: row<FaultPolicy>("default of `faultPolicy`", "abort", "pretend"),
  holesAreZeros: row(
    "with `pretend`, memory that cannot be read is zeros on the medium; else the medium keeps its bytes",
    false,
    true,
  ),
} as const;

/** The behaviour of one personality. */
export type Personality = {
  readonly [K in keyof typeof DIFFERENCES]: (typeof DIFFERENCES)[K]["spec"] | (typeof DIFFERENCES)[K]["qemu"];
};

/** The column of {@linkcode DIFFERENCES} that belongs to `name`. */
export function personality(name: PersonalityName): Personality {
  return Object.fromEntries(Object.entries(DIFFERENCES).map(([key, row]) => [key, row[name]])) as Personality;
}

/** The table in Markdown. */
export function personalityTable(): string {
  const show = (value: unknown) =>
    value === true ? "yes" : value === false ? "no" : typeof value === "number" ? hex(value) : `\`${value}\``;
  const rows = Object.values(DIFFERENCES).map(({ what, spec, qemu }) => `| ${what} | ${show(spec)} | ${show(qemu)} |`);
  return ["| what | `spec` | `qemu` |", "| --- | --- | --- |", ...rows].join("\n");
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(2, "0")}`;
}

/**
 * What every PC has behind its ISA or LPC bridge, wired together: interrupt controllers, timer, clock, ports, firmware
 * configuration.
 *
 * @module
 */

import { InputError, type ProfileServices } from "@iova/core";
import { E820Entry, FwCfgKey, IO_APIC_BASE, Port } from "../layout.ts";
import { fillCmos } from "./cmos_memory.ts";
import { FwCfg, numberBytes } from "./fw_cfg.ts";
import { IoApic } from "./io_apic.ts";
import { PicPair } from "./pic.ts";
import { Pit } from "./pit.ts";
import { PlainPorts } from "./ports.ts";
import { Rtc } from "./rtc.ts";

/** The clock's interrupt line. */
const RTC_LINE = 8;
const IO_APIC_SIZE = 0x1000;
const E820_RAM = 1;
/** The sleep states that there are: S0, S3, S4 with its argument, S5. */
const SLEEP_STATES = Uint8Array.of(128, 0, 0, 129, 128, 128);

/** What profiles of PCs let people choose. */
export interface LegacyOptions {
  /** Processors, as firmware is told. */
  readonly cpus: number;
  /** What the clock says at power-on. */
  readonly clock: string;
}

/** See the module's text. */
export class LegacyParts {
  /** Interrupt controllers. */
  readonly pics: PicPair;
  /** I/O APIC. */
  readonly ioApic: IoApic = new IoApic();
  /** Timer. */
  readonly pit: Pit;
  /** Clock and its memory. */
  readonly rtc: Rtc;
  /** Firmware configuration. */
  readonly fwCfg: FwCfg;
  /** Ports that nothing much stands behind. */
  readonly ports: PlainPorts;

  /** Puts everything in. @throws {InputError} when the clock's time cannot be read. */
  constructor(services: ProfileServices, options: LegacyOptions) {
    const { space, io, interrupts, scheduler } = services;
    const regions = space.ramRegions;
    const low = regions.filter(({ base }) => base < 2 ** 32).reduce((sum, { size }) => sum + size, 0);
    const all = regions.reduce((sum, { size }) => sum + size, 0);
    this.pics = new PicPair(io, interrupts);
    space.addRegisters(IO_APIC_BASE, IO_APIC_SIZE, "I/O APIC", this.ioApic);
    this.pit = new Pit(() => scheduler.now);
    io.add(Port.PIT, 4, this.pit);
    const interrupt = (asserted: boolean) => interrupts.drive(RTC_LINE, asserted);
    this.rtc = new Rtc({ scheduler, interrupt, start: startTime(options.clock, services.where) });
    io.add(Port.RTC, 2, this.rtc);
    fillCmos(this.rtc.bytes, { low, high: all - low, cpus: options.cpus });
    this.ports = new PlainPorts(io, this.pit, () => services.reset());
    this.fwCfg = new FwCfg(io, space);
    this.#configure(all, options.cpus, regions);
  }

  /** Back to power-on. */
  reset(): void {
    for (const part of [this.pics, this.ioApic, this.pit, this.rtc, this.ports, this.fwCfg]) part.reset();
  }

  #configure(ram: number, cpus: number, regions: readonly { base: number; size: number }[]): void {
    const { fwCfg } = this;
    fwCfg.add(FwCfgKey.UUID, new Uint8Array(16));
    fwCfg.addNumber(FwCfgKey.RAM_SIZE, 8, ram);
    fwCfg.addNumber(FwCfgKey.NOGRAPHIC, 2, 0);
    fwCfg.addNumber(FwCfgKey.CPUS, 2, cpus);
    fwCfg.addNumber(FwCfgKey.MAX_CPUS, 2, cpus);
    fwCfg.addNumber(FwCfgKey.BOOT_MENU, 2, 0);
    // No node, and each processor in node 0.
    fwCfg.add(FwCfgKey.NUMA, new Uint8Array(8 * (1 + cpus)));
    fwCfg.addNumber(FwCfgKey.IRQ0_OVERRIDE, 4, 1);
    const map = regions.map(({ base, size }) => {
      return [...E820Entry.encode({ address: BigInt(base), length: BigInt(size), type: E820_RAM })];
    });
    fwCfg.addFile("etc/e820", Uint8Array.from(map.flat()));
    fwCfg.addFile("etc/boot-fail-wait", numberBytes(4, -1));
    fwCfg.addFile("etc/system-states", SLEEP_STATES);
  }
}

/** The instant, in Unix milliseconds, that the option `clock` names. @throws {InputError} when it names none. */
export function startTime(text: string, where: { file: string; path: string }): number {
  const time = text === "host" ? Date.now() : Date.parse(text);
  if (Number.isNaN(time)) {
    const expected = 'a date and time such as "2000-01-01T00:00:00Z", or "host"';
    throw new InputError({ file: where.file, path: `${where.path}.with.clock`, found: `"${text}"`, expected });
  }
  return time;
}

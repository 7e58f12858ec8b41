/**
 * Ports that every PC has and nothing much stands behind: the POST code, system control port A with the A20 gate, the
 * speaker.
 *
 * @module
 */

import type { IoSpace, RegisterBlock } from "@iova/core";
import { Port } from "../layout.ts";
import type { Pit } from "./pit.ts";

/** Bits of system control port A. */
const FAST_RESET = 0x01;
/** Bits of the speaker's port: gate and data are kept, refresh toggles, the timer's output shows. */
const SPEAKER_KEPT = 0x03;
const REFRESH = 0x10;
const OUTPUT = 0x20;

/** See the module's text. */
export class PlainPorts {
  #control = 0;
  #speaker = 0;
  #refresh = 0;

  /** Puts the ports in. Whoever writes the fast-reset bit resets the machine through `restart`. */
  constructor(io: IoSpace, pit: Pit, restart: () => void) {
    io.add(Port.POST, 1, { read: () => 0xff, write() {} });
    io.add(Port.SYSTEM_CONTROL, 1, {
      read: () => this.#control,
      write: (_offset, _width, value) => {
        if ((value & FAST_RESET) !== 0 && (this.#control & FAST_RESET) === 0) restart();
        this.#control = value & 0xff;
      },
    });
    io.add(Port.SPEAKER, 1, this.#speakerPort(pit));
  }

  /** Back to power-on. */
  reset(): void {
    this.#control = 0;
    this.#speaker = this.#refresh = 0;
  }

  #speakerPort(pit: Pit): RegisterBlock {
    return {
      read: () => {
        this.#refresh ^= REFRESH;
        return this.#speaker | this.#refresh | (pit.speaker ? OUTPUT : 0);
      },
      write: (_offset, _width, value) => void (this.#speaker = value & SPEAKER_KEPT),
    };
  }
}

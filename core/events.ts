/**
 * The event stream that traces, checks, reports and comparisons are built on. It is free when nobody listens: every
 * place that emits first asks {@linkcode EventStream.listening}, and only then builds the event.
 *
 * @module
 */

/** One thing that happened. Plain JSON values only (addresses as `0x…` strings), so that a trace is one line an event. */
export interface MachineEvent {
  /** What happened: `map`, `unmap`, `sync`, `dma`, `fault`, `interrupt`, `request`, `invalidate`, `warning`, … */
  type: string;
  /** Virtual time in nanoseconds; filled in by the stream. */
  time?: number;
  /** The manifest id of the device concerned, if one is. */
  device?: string;
  /** Whatever else belongs to this type. */
  [field: string]: string | number | boolean | null | undefined | (string | number)[];
}

/** A listener; it must not keep the event (its owner is the stream) and must not throw. */
export type EventListener = (event: MachineEvent) => void;

/** The stream of one machine. Listeners are called in the order in which they came, synchronously. */
export class EventStream {
  /** True when somebody listens; test it before building an event. */
  listening = false;
  #listeners: EventListener[] = [];
  readonly #now: () => number;

  /** A stream whose events are stamped with `now()`, in nanoseconds of virtual time. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a listener and returns the function that removes it. */
  listen(listener: EventListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    this.listening = true;
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
      this.listening = this.#listeners.length > 0;
    };
  }

  /** Stamps an event and hands it to every listener. */
  emit(event: MachineEvent): void {
    event.time = this.#now();
    for (const listener of this.#listeners) listener(event);
  }
}

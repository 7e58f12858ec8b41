/**
 * A real guest: Debian's kernel under QEMU without hardware virtualisation, with a user space that runs one script.
 * `setup.sh` in this folder fetches its parts.
 *
 * @module
 */

/** Where {@linkcode setup.sh} leaves its parts; it takes another folder from IOVA_QEMU_CACHE. */
const CACHE = Deno.permissions.querySync({ name: "env", variable: "IOVA_QEMU_CACHE" }).state === "granted"
  ? Deno.env.get("IOVA_QEMU_CACHE") ?? "/tmp/iova-qemu"
  : "/tmp/iova-qemu";
/** What differs between machines. */
const MACHINES = {
  q35: { qemu: "qemu-system-x86_64", parts: "", processor: ["-cpu", "max"], console: "ttyS0", needs: "" },
  // Mitigations of a processor's flaws that emulation does not have.
  pseries: {
    qemu: "qemu-system-ppc64",
    parts: "/ppc64el",
    processor: [],
    console: "hvc0",
    needs: ",cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken",
  },
  virt: {
    qemu: "qemu-system-aarch64",
    parts: "/arm64",
    processor: ["-cpu", "cortex-a57"],
    console: "ttyAMA0",
    needs: ",iommu=smmuv3",
  },
} as const;
/** Milliseconds after which a guest that does not come to its end is switched off. */
const LONGEST = 240_000;

/** Why no guest can be started here, or null. */
export function noGuest(kind: keyof typeof MACHINES = "q35"): string | null {
  const { qemu: QEMU, parts } = MACHINES[kind];
  if (Deno.permissions.querySync({ name: "run", command: QEMU }).state !== "granted") {
    return `needs --allow-run=${QEMU}`;
  }
  try {
    new Deno.Command(QEMU, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
  } catch {
    return `needs ${QEMU}`;
  }
  try {
    Deno.statSync(`${CACHE}${parts}/vmlinux`);
    return null;
  } catch {
    return `needs the kernel that tests/qemu/setup.sh fetches${parts === "" ? "" : ` for ${parts.slice(1)}`}`;
  }
}

/** What a guest is made with. */
export interface GuestOptions {
  /** The kind of machine. Default `q35`. */
  readonly kind?: keyof typeof MACHINES;
  /** What it runs. Its exit code is the guest's. */
  readonly script: string;
  /** More for QEMU. */
  readonly devices: readonly string[];
  /** Properties of the machine. Default none. */
  readonly machine?: string;
  /** More for the kernel's command line. */
  readonly kernel?: string;
  /** MiB. Default 512. */
  readonly memory?: number;
  /** Processors. Default 1. */
  readonly processors?: number;
  /** With fio among the programs. */
  readonly fio?: boolean;
}

/** A guest that is running. */
export class Guest {
  /** Everything that it and QEMU have printed. */
  output = "";
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #timer: ReturnType<typeof setTimeout>;
  #waiting: { text: string; found: (there: boolean) => void }[] = [];
  #ended = false;
  readonly #done: Promise<unknown>;

  /** Starts a guest. */
  constructor(options: GuestOptions) {
    this.#process = new Deno.Command(MACHINES[options.kind ?? "q35"].qemu, {
      args: argumentsOf(options),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    })
      .spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#timer = setTimeout(() => this.stop(), LONGEST);
    const { stdout, stderr, status } = this.#process;
    this.#done = Promise.all([this.#read(stdout), this.#read(stderr), status]).finally(() => {
      this.#ended = true;
      clearTimeout(this.#timer);
      for (const { found } of this.#waiting.splice(0)) found(false);
    });
  }

  /** Waits until it has printed a text; false when it has ended without. */
  printed(text: string): Promise<boolean> {
    if (this.output.includes(text)) return Promise.resolve(true);
    if (this.#ended) return Promise.resolve(false);
    return new Promise((found) => this.#waiting.push({ text, found }));
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(line + "\n"));
  }

  /** Waits until it has switched itself off. True when its script was content. */
  async ended(): Promise<boolean> {
    await this.#done;
    await this.#input.close().catch(() => {});
    return this.output.includes("iova: ended 0");
  }

  /** Switches it off. */
  stop(): void {
    if (!this.#ended) this.#process.kill("SIGKILL");
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
      this.output += text;
      this.#waiting = this.#waiting.filter(({ text, found }) => {
        if (!this.output.includes(text)) return true;
        found(true);
        return false;
      });
    }
  }
}

function argumentsOf(options: GuestOptions): string[] {
  const { script, devices, machine = "", kernel = "", memory = 512, processors = 1, fio = false, kind = "q35" } =
    options;
  const { parts, processor, console, needs } = MACHINES[kind];
  const run = btoa(script);
  return [
    ..."-nodefaults -no-user-config -display none -no-reboot -serial stdio -accel tcg".split(" "),
    ...processor,
    ...["-m", String(memory), "-smp", String(processors)],
    ...["-object", `memory-backend-memfd,id=mem,size=${memory}M,share=on`],
    ...["-machine", `${kind}${machine}${needs},memory-backend=mem`],
    ...["-kernel", `${CACHE}${parts}/vmlinux`, "-initrd", `${CACHE}${parts}/${fio ? "initrd-fio" : "initrd"}`],
    ...["-append", `console=${console} quiet panic=-1 ${kernel} run=${run}`],
    ...devices,
  ];
}

/**
 * `run`: one machine and its report, or several and their comparison.
 *
 * @module
 */

import { InputError, PluginError } from "../errors.ts";
import { readManifest } from "../manifest/loader.ts";
import { loadMachine, type LoadOptions, type Machine } from "../machine.ts";
import { resolvePlugin } from "../manifest/plugin_loader.ts";
import type { MachineReport } from "../report/report.ts";
import type { Arguments, Command } from "./command.ts";
import type { Run } from "./compare.ts";
import { Exit, explain, StalledError } from "./failure.ts";
import { toJson } from "./json.ts";
import { fromHere, readOverrides, readSeed } from "./overrides.ts";
import { Progress } from "./progress.ts";
import { machineText, resultText } from "./report_text.ts";
import { styleFor } from "./style.ts";
import type { TraceWriter } from "./trace.ts";

/** The command. */
export const command: Command = {
  usage: "<manifest>…",
  names: [1, Infinity],
  about: `Needs --allow-read, and --allow-write only where a workload, an image or a trace writes.
Several manifests or several platforms run one after the other and are compared.`,
  options: {
    platform: { value: "a,b,c", help: "Use these platforms instead of the manifest's, one run for each." },
    seed: { value: "N", help: "Instead of the manifest's seed." },
    set: { value: "path=value", many: true, help: "Replace a value of the manifest: devices.disk0.with.depth=8." },
    trace: { value: "file.jsonl", help: "Write every event into a file, one line of JSON each." },
    json: { help: "Print one JSON document." },
    quiet: { help: "Print nothing but errors." },
  },
  run: runCommand,
};

/** One machine to run. */
interface Plan {
  readonly label: string;
  readonly manifest: string;
  readonly platform: string | undefined;
}

/** What a run is given besides its machine. */
interface Session {
  readonly args: Arguments;
  readonly options: LoadOptions;
  readonly trace: TraceWriter | undefined;
}

async function runCommand(args: Arguments): Promise<number> {
  const plans = planRuns(args);
  const options = readLoadOptions(args);
  if (plans.length > 1) await checkInputs(plans);
  const path = args.value("trace");
  const trace = path === undefined ? undefined : new (await import("./trace.ts")).TraceWriter(path);
  const session = { args, options, trace };
  try {
    return plans.length === 1 ? await runOne(plans[0], session) : await runAll(plans, session);
  } finally {
    trace?.close();
  }
}

function planRuns(args: Arguments): Plan[] {
  const platforms: (string | undefined)[] = args.value("platform")?.split(",").map((name) => name.trim()) ??
    [undefined];
  if (platforms.includes("")) {
    throw new InputError({
      file: "--platform",
      found: `"${args.value("platform")}"`,
      expected: "names with commas between",
    });
  }
  return args.names.flatMap((manifest) =>
    platforms.map((platform) => ({
      label: [args.names.length > 1 ? manifest : "", platforms.length > 1 ? platform : ""].filter(Boolean).join(" "),
      manifest,
      platform: platform === undefined ? undefined : fromHere(platform),
    }))
  );
}

function readLoadOptions(args: Arguments): LoadOptions {
  const seed = args.value("seed");
  return { set: readOverrides(args), ...(seed !== undefined && { seed: readSeed(seed) }) };
}

/** What no run could recover from is said before the first one: a manifest or platform that is not there. */
async function checkInputs(plans: readonly Plan[]): Promise<void> {
  for (const { manifest, platform } of plans) {
    const { base } = await readManifest(manifest);
    if (platform !== undefined) await resolvePlugin(platform, { file: "--platform", path: "" }, base, "platform");
  }
}

async function runOne(plan: Plan, session: Session): Promise<number> {
  const { args } = session;
  const style = styleFor(Deno.stdout, args.flag("no-color"));
  const talks = !args.flag("json") && !args.flag("quiet");
  const report = await runMachine(plan, session, { listen: session.trace?.listener() }, (machine) => {
    if (talks) console.log(machineText(machine.tree(), style));
  });
  if (args.flag("json")) console.log(toJson(report));
  else if (talks) console.log(resultText(report, style));
  return report.verified ? Exit.OK : Exit.FAILED;
}

async function runAll(plans: readonly Plan[], session: Session): Promise<number> {
  const { args, trace } = session;
  const { compareRuns, comparisonText } = await import("./compare.ts");
  const runs: Run[] = [];
  for (const plan of plans) {
    runs.push(await tryRun(plan, session, { observe: true, listen: trace?.listener(plan.label) }));
  }
  const comparison = compareRuns(runs);
  if (args.flag("json")) console.log(toJson({ runs, comparison }));
  else if (!args.flag("quiet")) {
    console.log(comparisonText(runs, comparison, styleFor(Deno.stdout, args.flag("no-color"))));
  } else runs.forEach(({ label, error }) => error === undefined || console.error(`error: ${label}: ${error}`));
  if (runs.every(({ badInput }) => badInput)) return Exit.BAD_INPUT;
  return runs.every(({ report }) => report?.verified) ? Exit.OK : Exit.FAILED;
}

/** A platform that cannot serve this machine is a result of the comparison, not its end. */
async function tryRun(plan: Plan, session: Session, more: LoadOptions): Promise<Run> {
  try {
    return { label: plan.label, report: await runMachine(plan, session, more) };
  } catch (error) {
    const { message, exitCode } = explain(error);
    const known = error instanceof InputError || error instanceof PluginError || error instanceof StalledError;
    if (!known) throw error;
    return { label: plan.label, error: message, badInput: exitCode === Exit.BAD_INPUT };
  }
}

async function runMachine(
  { manifest, platform, label }: Plan,
  { args, options }: Session,
  more: LoadOptions,
  made: (machine: Machine) => void = () => {},
): Promise<MachineReport> {
  const shown = Deno.stderr.isTerminal() && !args.flag("quiet") && !args.flag("json");
  const progress = shown ? new Progress(Deno.stderr) : undefined;
  const prefix = label === "" ? "" : `${label}: `;
  try {
    const machine = await loadMachine(manifest, {
      ...options,
      ...more,
      ...(platform !== undefined && { platform }),
      ...(progress && { progress: (what, done, total) => progress.update(prefix + what, done, total) }),
    });
    made(machine);
    return await orStalled(machine);
  } finally {
    progress?.clear();
  }
}

/** Runs a machine. One whose workload awaits what can never come any more is stopped, so that its images are flushed. */
async function orStalled(machine: Machine): Promise<MachineReport> {
  let onIdle = (_event: Event) => {};
  const stalled = new Promise<never>((_, reject) => {
    onIdle = (event) => {
      event.preventDefault();
      reject(
        new StalledError("the machine waits for something that never comes: no work, no timer and no file is left"),
      );
    };
  });
  addEventListener("beforeunload", onIdle);
  try {
    return await Promise.race([machine.run(), stalled]);
  } catch (error) {
    if (error instanceof StalledError) machine.stop();
    throw error;
  } finally {
    removeEventListener("beforeunload", onIdle);
  }
}

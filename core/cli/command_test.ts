import { assertEquals, assertThrows } from "@std/assert";
import { InputError } from "../errors.ts";
import { checkNames, type Command, readArguments } from "./command.ts";
import { readOverrides } from "./overrides.ts";

const COMMAND: Command = {
  usage: "<name>",
  names: [1, 1],
  about: "",
  options: {
    seed: { value: "N", help: "" },
    set: { value: "path=value", many: true, help: "" },
    json: { help: "" },
  },
  run: () => Promise.resolve(0),
};

const read = (...args: string[]) => readArguments(args, COMMAND.options);
const complaint = (...args: string[]) => assertThrows(() => read(...args), InputError).message;

Deno.test("names, flags and values are told apart", () => {
  const args = read("12", "--json", "--seed", "7", "--set", "a=1", "--set=b=c=2", "-h");
  assertEquals(args.names, ["12"]);
  assertEquals([args.flag("json"), args.flag("debug"), args.flag("help")], [true, false, true]);
  assertEquals([args.value("seed"), args.all("set")], ["7", ["a=1", "b=c=2"]]);
  assertEquals([read("x").value("seed"), read("x").all("set")], [undefined, []]);
});

Deno.test("an unknown option is refused with the nearest one", () => {
  assertEquals(
    complaint("x", "--sed=1"),
    "--sed: found an unknown option, expected one of --no-color, --debug, --help, --seed, --set, --json; " +
      'did you mean "--seed"?',
  );
});

Deno.test("an option without its value is refused", () => {
  assertEquals(complaint("x", "--seed"), "--seed: found no value, expected --seed N");
  assertEquals(complaint("x", "--seed", "--json"), "--seed: found no value, expected --seed N");
});

Deno.test("too few and too many names are refused", () => {
  const check = (...names: string[]) => assertThrows(() => checkNames("check", COMMAND, names), InputError).message;
  assertEquals(check(), "check: found nothing more, expected check <name>");
  assertEquals(check("a", "b"), 'check: found "b", expected check <name>');
});

Deno.test("a value to set is JSON where it is JSON, otherwise text", () => {
  const values = readOverrides(read("--set=a=8", '--set=b={"use":"c"}', "--set=d=64MiB", "--set=e=", "--set=f=x=y"));
  assertEquals(values, [["a", 8], ["b", { use: "c" }], ["d", "64MiB"], ["e", ""], ["f", "x=y"]]);
});

Deno.test("what is not path=value is refused", () => {
  for (const text of ["platform", "=strict"]) {
    const { message } = assertThrows(() => readOverrides(read(`--set=${text}`)), InputError);
    assertEquals(message, `--set: found "${text}", expected path=value`);
  }
});

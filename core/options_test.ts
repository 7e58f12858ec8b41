import { assertEquals, assertThrows } from "@std/assert";
import { InputError } from "./errors.ts";
import {
  describeValue,
  option,
  optionsJsonSchema,
  type OptionsOf,
  parseAddress,
  parseDuration,
  parseSize,
  readOptions,
} from "./options.ts";

const schema = {
  image: option.path("The disk image.", { required: true }),
  depth: option.integer("Requests in flight.", { default: 32, min: 1, max: 256 }),
  offset: option.address("Bus minus physical.", { default: 0n }),
  mode: option.choice("How to flush.", ["strict", "lazy"], { default: "strict" }),
  block: option.size("Bytes a request.", { min: 512, max: 1 << 20 }),
} as const;

const where = { file: "m.json", path: "devices[0].with" };
const read = (values: unknown) => readOptions(schema, values, where);

Deno.test("defaults are filled in and the types are the declared ones", () => {
  const options: OptionsOf<typeof schema> = read({ image: "a.img" });
  const depth: number = options.depth;
  const block: number | undefined = options.block;
  const mode: "strict" | "lazy" = options.mode;
  assertEquals({ ...options, depth, block, mode }, {
    image: "a.img",
    depth: 32,
    offset: 0n,
    mode: "strict",
    block: undefined,
  });
});

Deno.test("values are read in the forms that people write", () => {
  const options = read({ image: "a", depth: 1, offset: "0x8000_0000_0000_0000", block: "4KiB" });
  assertEquals([options.depth, options.offset, options.block], [1, 1n << 63n, 4096]);
});

Deno.test("each kind of bad value gets one message with file, path, found and expected", () => {
  const messages: [unknown, string][] = [
    [{ image: "a", depth: 257 }, "m.json: devices[0].with.depth: found 257, expected a whole number, 1 to 256"],
    [{ image: "a", depth: "8" }, 'm.json: devices[0].with.depth: found "8", expected a whole number, 1 to 256'],
    [{ image: "a", mode: "eager" }, 'm.json: devices[0].with.mode: found "eager", expected one of "strict", "lazy"'],
    [
      { image: "a", block: "1 byte" },
      'm.json: devices[0].with.block: found "1 byte", expected a size such as 4096 or "4KiB", 512 bytes to 1 MiB',
    ],
    [
      { image: "a", offset: -1 },
      'm.json: devices[0].with.offset: found -1, expected an address below 2^64 such as "0x80000000"',
    ],
    [{ image: "" }, 'm.json: devices[0].with.image: found "", expected a file name'],
    [{}, "m.json: devices[0].with.image: found nothing, expected The disk image."],
    [
      { image: "a", dpeth: 1 },
      'm.json: devices[0].with.dpeth: found unknown option "dpeth", expected one of image, depth, offset, mode, block; did you mean "depth"?',
    ],
    [[], "m.json: devices[0].with: found [], expected an object of options"],
  ];
  for (const [values, message] of messages) assertEquals(assertThrows(() => read(values), InputError).message, message);
});

Deno.test("sizes and times are exact or refused", () => {
  assertEquals(["64MiB", "2 kib", "0x1000", "1.5KiB", 7].map(parseSize), [67108864, 2048, 4096, 1536, 7]);
  assertEquals(["64MQ", "", "-1", "1.3", 0.5, -1, null].map(parseSize), Array(7).fill(undefined));
  assertEquals(["10ms", "5us", "1.5 s", 20].map(parseDuration), [1e7, 5e3, 1.5e9, 20]);
  assertEquals(["10", "ms", -1, Infinity, "9".repeat(400) + "s"].map(parseDuration), Array(5).fill(undefined));
});

Deno.test("the same declaration gives the JSON Schema", () => {
  assertEquals(optionsJsonSchema({ depth: schema.depth, image: schema.image }), {
    type: "object",
    additionalProperties: false,
    properties: {
      depth: { description: "Requests in flight.", type: "integer", minimum: 1, maximum: 256, default: 32 },
      image: { description: "The disk image.", type: "string", minLength: 1 },
    },
    required: ["image"],
  });
});

Deno.test("addresses are read in every form, and nothing else is one", () => {
  const good = ["0x8000_0000", "0", 4096, 0x10n, "0xffff_ffff_ffff_ffff"];
  assertEquals(good.map(parseAddress), [0x8000_0000n, 0n, 4096n, 16n, (1n << 64n) - 1n]);
  assertEquals(["0x_", "___", "0x", "", -1, -1n, 1n << 64n, "1 2"].map(parseAddress), Array(8).fill(undefined));
});

Deno.test("a value that is no JSON is described all the same", () => {
  assertEquals([describeValue({ a: 16n }), describeValue(3n)], ['{"a":"0x10"}', "0x3"]);
});

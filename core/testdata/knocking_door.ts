import { API_VERSION, defineDoor, type DoorPlugin, option } from "../mod.ts";

/** A door that says what it was given. */
const knocking: DoorPlugin = defineDoor({
  name: "knocking",
  kind: "door",
  api: API_VERSION,
  summary: "Says what it was given.",
  command: "knock",
  usage: "<manifest>",
  about: "Needs nothing.",
  options: {
    pollTime: option.duration("How long to look.", { default: 5 }),
    slots: option.integer("How many.", { min: 1, max: 9, default: 1 }),
    loud: option.boolean("Whether to shout.", { default: false }),
    at: option.path("Where.", { required: true }),
  },
  run({ names, load, json, quiet }, options) {
    console.log(JSON.stringify({ names, load, json, quiet, options }));
    return Promise.resolve(options.slots === 9 ? 1 : 0);
  },
});

export default knocking;

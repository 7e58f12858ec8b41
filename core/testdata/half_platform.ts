/** A platform that forgot its create function. */

export default { name: "half", kind: "platform", api: 1, summary: "Not all there.", options: {} };

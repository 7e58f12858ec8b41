/**
 * The pretty-printer and the documentation table.
 *
 * @module
 */

import type { PlacedField } from "./place.ts";
import type { StructSpec } from "./spec.ts";

/** See `Struct.format`. */
export function formatStruct(spec: StructSpec, fields: readonly PlacedField[], bytes: Uint8Array): string {
  if (bytes.length < spec.size) throw new RangeError(`${spec.name} is ${spec.size} bytes, not ${bytes.length}`);
  const shown = fields.filter((field) => !field.reserved || field.read(bytes) !== 0n);
  const labels = shown.map((field) => field.reserved ? `reserved ${placeText(field)}` : field.name);
  const column = Math.max(0, ...labels.map((label) => label.length));
  return [
    spec.name,
    ...shown.map((field, i) => `  ${labels[i].padEnd(column)}  ${valueText(field, field.read(bytes))}`),
  ]
    .join("\n");
}

function valueText(field: PlacedField, value: bigint): string {
  const hex = "0x" + value.toString(16).padStart(Math.ceil(field.width / 4), "0");
  if (field.reserved) return `${hex} (reserved bits are set)`;
  const names = namesOf(field, value);
  return names === "" ? hex : `${hex} ${names}`;
}

function namesOf({ spec }: PlacedField, value: bigint): string {
  if (spec.reserved) return "";
  for (const [name, number] of Object.entries(spec.values ?? {})) {
    if (BigInt(number) === value) return name;
  }
  if (spec.values !== undefined) return "(no such value)";
  let rest = value;
  const names: string[] = [];
  for (const [name, mask] of Object.entries(spec.flags ?? {})) {
    const bits = BigInt(mask);
    if (bits === 0n || (value & bits) !== bits) continue;
    names.push(name);
    rest &= ~bits;
  }
  if (spec.flags !== undefined && rest !== 0n) names.push("0x" + rest.toString(16));
  return names.join("|");
}

/** See `Struct.table`. */
export function structTable(spec: StructSpec, fields: readonly PlacedField[]): string {
  const rows = fields.map((field) => {
    const { spec: line } = field;
    if (line.reserved) return [placeText(field), "reserved", "", "", line.doc ?? ""];
    return [placeText(field), `\`${line.name}\``, line.writtenBy ?? "", line.readBy ?? "", docText(field)];
  });
  const head = ["Place", "Field", "Written by", "Read by", "Meaning"];
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.map(escapeCell).join(" | ")} |`);
  return [`**${spec.name}**: ${spec.size} bytes, ${spec.endian}-endian (${spec.source})`, "", ...lines].join("\n");
}

function docText({ spec }: PlacedField): string {
  if (spec.reserved) return spec.doc ?? "";
  const named = Object.entries({ ...spec.values, ...spec.flags });
  if (named.length === 0) return spec.doc;
  return `${spec.doc} ${named.map(([name, value]) => `${value}: ${name}`).join(", ")}.`;
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** Where a field lies: `+4..7`, `+4..7 [11:9]`, or `[11:9]` of the whole structure. */
function placeText({ spec, low, width }: PlacedField): string {
  const bits = spec.bits === undefined ? "" : width === 1 ? `[${low}]` : `[${low + width - 1}:${low}]`;
  if (spec.at === undefined) return bits;
  const bytes = spec.bytes === 1 ? `+${spec.at}` : `+${spec.at}..${spec.at + spec.bytes - 1}`;
  return bits === "" ? bytes : `${bytes} ${bits}`;
}

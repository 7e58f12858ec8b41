/**
 * QEMU's `key=value` lists.
 *
 * @module
 */

/** A list, as text by key. */
export type Properties = Record<string, string>;

/**
 * Reads a list; a first word without `=` is the value of `implied`, and any other is `on`, or `off` after `no`. Two commas
 * stand for one in a value.
 */
export function readProperties(text: string, implied?: string): Properties {
  const properties: Properties = {};
  text.split(/(?<!,),(?!,)/).forEach((part, i) => {
    const word = part.replaceAll(",,", ",");
    const equals = word.indexOf("=");
    if (equals >= 0) properties[word.slice(0, equals)] = word.slice(equals + 1);
    else if (i === 0 && implied !== undefined) properties[implied] = word;
    else if (word !== "") properties[word] = "on";
  });
  return properties;
}

const SIZE = /^(\d+)([kmgt]?)b?$/i;
const UNITS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** A size in bytes; a number without a unit counts `unit`s. Null when it is none. */
export function readSize(text: string, unit = 1): number | null {
  const match = SIZE.exec(text);
  return match === null ? null : Number(match[1]) * (UNITS[match[2].toLowerCase()] ?? unit);
}

/** Whether a word means yes; null when it is neither yes nor no. */
export function readSwitch(text: string): boolean | null {
  if (/^(on|true|yes|y)$/.test(text)) return true;
  return /^(off|false|no|n)$/.test(text) ? false : null;
}

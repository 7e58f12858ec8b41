/**
 * Numbers as people read them.
 *
 * @module
 */

/** A count with its thousands set apart: `1,234,567`. */
export function formatCount(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let unit = 0;
  // 999.5 would print as 1000: it is the next unit's already.
  while (unit < units.length - 1 && value >= step - 0.5) {
    value /= step;
    unit++;
  }
  const digits = unit === 0 && Number.isInteger(value) ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits).replace(/\.0+$/, "")} ${units[unit]}`;
}

/** Bytes in the unit that fits: `512 B`, `1.50 KiB`. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
}

/** Nanoseconds in the unit that fits: `850 ns`, `1.25 ms`. */
export function formatTime(nanoseconds: number): string {
  return scaled(nanoseconds, 1000, ["ns", "µs", "ms", "s"]);
}

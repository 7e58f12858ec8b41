import { assertEquals } from "@std/assert";
import { formatBytes, formatCount, formatTime } from "./units.ts";

Deno.test("counts have their thousands set apart", () => {
  assertEquals([0, 999, 1000, 1234567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
});

Deno.test("bytes are printed in the unit that fits, with three digits", () => {
  const sizes = [0, 512, 1023, 1024, 1536, 131072, 15.25 * 1024, 2 ** 20 - 1, 64 * 2 ** 20, 5 * 2 ** 40];
  assertEquals(sizes.map(formatBytes), [
    "0 B",
    "512 B",
    "1023 B",
    "1 KiB",
    "1.50 KiB",
    "128 KiB",
    "15.3 KiB",
    "1 MiB",
    "64 MiB",
    "5 TiB",
  ]);
});

Deno.test("times are printed in the unit that fits", () => {
  const times = [0, 0.5, 850, 999.4, 999.9, 1250, 12_345, 1e6, 61_500_000, 2.5e9, 3e12];
  assertEquals(times.map(formatTime), [
    "0 ns",
    "0.50 ns",
    "850 ns",
    "999 ns",
    "1 µs",
    "1.25 µs",
    "12.3 µs",
    "1 ms",
    "61.5 ms",
    "2.50 s",
    "3000 s",
  ]);
});

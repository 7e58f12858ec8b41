import { assertEquals } from "@std/assert";
import { checkVectors, fromHex } from "@iova/fields/testing";
import * as layout from "./layout.ts";
import busMaster from "./vectors/bus_master.json" with { type: "json" };
import commandBlock from "./vectors/command_block.json" with { type: "json" };
import control from "./vectors/control.json" with { type: "json" };
import device from "./vectors/device.json" with { type: "json" };
import error from "./vectors/error.json" with { type: "json" };
import identify from "./vectors/identify.json" with { type: "json" };
import inquiry from "./vectors/inquiry.json" with { type: "json" };
import reason from "./vectors/interrupt_reason.json" with { type: "json" };
import prd from "./vectors/prd.json" with { type: "json" };
import read10 from "./vectors/read_10.json" with { type: "json" };
import read12 from "./vectors/read_12.json" with { type: "json" };
import capacity from "./vectors/read_capacity.json" with { type: "json" };
import sense from "./vectors/sense.json" with { type: "json" };
import status from "./vectors/status.json" with { type: "json" };

Deno.test("task file registers agree with bytes written by hand", () => {
  checkVectors(layout.CommandBlock, commandBlock);
  checkVectors(layout.Device, device);
  checkVectors(layout.Status, status);
  checkVectors(layout.ErrorBits, error);
  checkVectors(layout.Control, control);
});

Deno.test("bus-master registers and region descriptors agree with bytes written by hand", () => {
  checkVectors(layout.BusMaster, busMaster);
  checkVectors(layout.Prd, prd);
});

Deno.test("packets and their answers agree with bytes written by hand", () => {
  checkVectors(layout.Read10, read10);
  checkVectors(layout.Read12, read12);
  checkVectors(layout.Capacity, capacity);
  checkVectors(layout.Sense, sense);
  checkVectors(layout.Inquiry, inquiry);
  checkVectors(layout.Reason, reason);
});

Deno.test("the IDENTIFY block agrees with the words of a measured drive", () =>
  checkVectors(layout.Identify, identify));

Deno.test("texts have the first character of each pair in the high byte, and spaces behind them", () => {
  const bytes = new Uint8Array(8);
  layout.putText(bytes, 0, 8, "SN012");
  assertEquals(bytes, fromHex("4e53 3130 2032 2020"));
  assertEquals(layout.getText(bytes, 0, 8), "SN012");
});

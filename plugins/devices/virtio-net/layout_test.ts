import type { Struct } from "@iova/fields";
import { checkVectors } from "@iova/fields/testing";
import { NetConfig, NetHeader } from "./layout.ts";
import { ControlHeader, MacCount, OffloadsData, PairsData, SwitchData, VlanData } from "./layout_control.ts";
import config from "./vectors/virtio_net_config.json" with { type: "json" };
import control from "./vectors/virtio_net_ctrl.json" with { type: "json" };
import header from "./vectors/virtio_net_hdr.json" with { type: "json" };

Deno.test("header, configuration and commands agree with bytes written by hand", () => {
  checkVectors(NetHeader, header);
  checkVectors(NetConfig, config);
  const { source, structs } = control;
  for (const table of [ControlHeader, SwitchData, MacCount, VlanData, PairsData, OffloadsData]) {
    const vectors = structs[table.name as keyof typeof structs];
    checkVectors(table as Struct, { struct: table.name, source, vectors });
  }
});

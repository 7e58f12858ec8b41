import { checkVectors } from "@iova/fields/testing";
import { BlockConfig, RequestHeader, Segment } from "./layout.ts";
import config from "./vectors/virtio_blk_config.json" with { type: "json" };
import segment from "./vectors/virtio_blk_discard_write_zeroes.json" with { type: "json" };
import request from "./vectors/virtio_blk_req.json" with { type: "json" };

Deno.test("request header, segment and configuration agree with bytes written by hand", () => {
  checkVectors(RequestHeader, request);
  checkVectors(BlockConfig, config);
  checkVectors(Segment, segment);
});

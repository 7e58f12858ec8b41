import { assertEquals } from "@std/assert";
import { checkVectors } from "@iova/fields/testing";
import { Cmsghdr, Iovec, Msghdr, Pollfd, rightsLength } from "./layout.ts";
import cmsghdr from "./vectors/cmsghdr.json" with { type: "json" };
import iovec from "./vectors/iovec.json" with { type: "json" };
import msghdr from "./vectors/msghdr.json" with { type: "json" };
import pollfd from "./vectors/pollfd.json" with { type: "json" };

Deno.test("the structures of the calls agree with bytes of a C compiler", () => {
  checkVectors(Cmsghdr, cmsghdr);
  checkVectors(Iovec, iovec);
  checkVectors(Msghdr, msghdr);
  checkVectors(Pollfd, pollfd);
});

Deno.test("ancillary data has the sizes of CMSG_LEN and CMSG_SPACE", () => {
  assertEquals([1, 3, 8, 16].map((count) => Object.values(rightsLength(count))), [[20, 24], [28, 32], [48, 48], [
    80,
    80,
  ]]);
});

/**
 * Who decides the address that a driver tells its virtio device: every way of deciding, on every platform, as a table.
 *
 *     deno run --allow-read examples/who_decides.ts
 *
 * `phys`: the device was told where the CPU sees the buffer; `bus`: it was told an address of the platform's. `ok`: the
 * right bytes arrived. `fault`: the bus refused the ring's address. `silent`: the device looked for its ring elsewhere and
 * found nothing. `refused`: driver or device said no.
 */

import { addressTable, tryAll } from "../tests/grid/addresses.ts";

console.log(addressTable(await tryAll()));

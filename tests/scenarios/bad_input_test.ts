// What only the whole machine can refuse; what a manifest alone gets wrong is tested beside the loader.

import { assertEquals, assertRejects } from "@std/assert";
import { type DeviceEntry, InputError, loadMachine, type Manifest } from "@iova/core";

const base = new URL("../../examples/", import.meta.url).pathname;
const disk = (id: string, more: Partial<DeviceEntry> = {}): DeviceEntry => (
  { id, use: "virtio-blk", with: { ram: "1MiB" }, ...more }
);

/** The message with which a machine is refused. */
async function refusal(manifest: Partial<Manifest>): Promise<string> {
  const full: Manifest = { memory: "16MiB", platform: "direct", ...manifest };
  const error = await assertRejects(() => loadMachine(full, { base }).then((machine) => machine.run()), InputError);
  return (error as InputError).message.replaceAll(base, "");
}

Deno.test("two devices at one address: the second is refused with a free place", async () => {
  assertEquals(
    await refusal({ devices: [disk("a", { at: "03.0" }), disk("b", { at: "03.0" })] }),
    'manifest: devices[1].at: found place "03.0", which a has, expected a free place, such as "01.0"',
  );
});

Deno.test("an image that is missing, empty or not a multiple of 512 is refused by what it is", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeFile(`${folder}/empty.img`, new Uint8Array());
  await Deno.writeFile(`${folder}/odd.img`, new Uint8Array(513));
  const image = async (name: string) =>
    (await refusal({ devices: [disk("a", { with: { image: `${folder}/${name}` } })] })).replaceAll(folder, "…");
  assertEquals(
    [await image("none.img"), await image("empty.img"), await image("odd.img")],
    [
      'manifest: devices[0].with.image: found "…/none.img", which does not exist, expected an image that can be written',
      'manifest: devices[0].with.image: found "…/empty.img", which is empty, expected an image of at least one sector',
      'manifest: devices[0].with.image: found "…/odd.img", which has 513 bytes, expected a multiple of 512 bytes',
    ],
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a workload that writes is refused a read-only image", async () => {
  const message = await refusal({
    devices: [disk("a", { with: { image: "fat12.img", readOnly: true } })],
    workload: [{ use: "blk-io", device: "a", with: { pattern: "randwrite" } }],
  });
  assertEquals(
    message,
    'manifest: workload[0].device: found "a", which is read-only, expected a device that blk-io can write',
  );
});

Deno.test("memory that is too small for the rings is the manifest's fault", async () => {
  assertEquals(
    await refusal({ memory: "8KiB", devices: [disk("a")] }),
    "manifest: memory: found 8 KiB, expected room for the ring of a virtio block device, which needs 4134 bytes more",
  );
});

Deno.test("a script that throws is named, with its message", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/bad.ts`, 'export default () => { throw new Error("no such sector"); };\n');
  const message = await refusal({ workload: [{ use: "script", with: { module: `${folder}/bad.ts` } }] });
  assertEquals(
    message.replaceAll(folder, "…"),
    'manifest: workload[0].with.module: found "…/bad.ts", which threw Error: no such sector at line 1, column 30, ' +
      "expected a script that runs to its end",
  );
  await Deno.remove(folder, { recursive: true });
});

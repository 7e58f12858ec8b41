import { assertEquals, assertThrows } from "@std/assert";
import { InputError } from "@iova/core";
import { openImage } from "./open_image.ts";

/** A folder of its own, for as long as `use` takes. */
function inFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "iova-image-" });
  try {
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const open = (path: string, readOnly = true) =>
  openImage({ path, readOnly, file: "machine.json", optionPath: "devices[0].with.image" });

/** What is wrong with the image, as a person is told. */
function refusal(path: string, readOnly = true): string {
  return assertThrows(() => open(path, readOnly), InputError).message;
}

Deno.test("an image opens with its size and reads its bytes", () =>
  inFolder((folder) => {
    Deno.writeFileSync(`${folder}/a.img`, new Uint8Array(1536).fill(0x42));
    const image = open(`${folder}/a.img`);
    const bytes = new Uint8Array(512);
    assertEquals([image.size, image.readOnly], [1536, true]);
    assertEquals(image.read(1024, bytes, 0, 512), true);
    assertEquals(bytes, new Uint8Array(512).fill(0x42));
    image.close();
  }));

Deno.test("a missing image is named, with the place that names it", () =>
  inFolder((folder) => {
    assertEquals(
      refusal(`${folder}/no.img`),
      `machine.json: devices[0].with.image: found "${folder}/no.img", which does not exist, expected a readable image`,
    );
  }));

Deno.test("a directory is no image", () =>
  inFolder((folder) => {
    assertEquals(
      refusal(folder),
      `machine.json: devices[0].with.image: found "${folder}", a directory, expected an image file`,
    );
  }));

Deno.test("an empty file is no image", () =>
  inFolder((folder) => {
    Deno.writeFileSync(`${folder}/a.img`, new Uint8Array(0));
    assertEquals(
      refusal(`${folder}/a.img`, false),
      `machine.json: devices[0].with.image: found "${folder}/a.img", which is empty, ` +
        `expected an image of at least one sector`,
    );
  }));

Deno.test("an image that is not whole sectors is refused with the size that was found", () =>
  inFolder((folder) => {
    Deno.writeFileSync(`${folder}/a.img`, new Uint8Array(1000));
    assertEquals(
      refusal(`${folder}/a.img`),
      `machine.json: devices[0].with.image: found "${folder}/a.img", which has 1000 bytes, ` +
        `expected a multiple of 512 bytes`,
    );
  }));

Deno.test("an image open for writing cannot be opened again, for writing or for reading, until it is closed", () =>
  inFolder((folder) => {
    const path = `${folder}/a.img`;
    Deno.writeFileSync(path, new Uint8Array(512));
    const first = open(path, false);
    const locked = `machine.json: devices[0].with.image: found "${path}", which is locked, ` +
      `expected an image that no other machine has open`;
    assertEquals(refusal(path, false), locked);
    assertEquals(refusal(path, true), locked);
    first.close();
    open(path, false).close();
  }));

Deno.test("an image open for reading can be read by others and written by none", () =>
  inFolder((folder) => {
    const path = `${folder}/a.img`;
    Deno.writeFileSync(path, new Uint8Array(512));
    const first = open(path, true);
    open(path, true).close();
    assertThrows(() => open(path, false), InputError, "which is locked");
    first.close();
  }));

Deno.test("an image that this user may not write is refused for writing and opens for reading", () =>
  inFolder((folder) => {
    const path = `${folder}/a.img`;
    Deno.writeFileSync(path, new Uint8Array(512));
    Deno.chmodSync(path, 0o400);
    open(path, true).close();
    try {
      Deno.openSync(path, { write: true }).close();
    } catch {
      assertThrows(() => open(path, false), InputError, "which this user may not write");
      return;
    }
    // The superuser may write anything: that is an image like any other.
    open(path, false).close();
  }));

Deno.test({
  name: "what Deno refuses for lack of a permission stays recognisable",
  permissions: { read: true, write: false },
  fn: () => {
    assertThrows(() => open(import.meta.filename!, false), Deno.errors.NotCapable, "Requires write access to");
  },
});

/**
 * One declarative field table per structure: register, descriptor, table entry, command, event. From it come offsets,
 * masks and shifts for hot paths, an encoder, a decoder, a pretty-printer, a documentation table, and the check of golden
 * vectors (`@iova/fields/testing`).
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defineStruct } from "@iova/fields";
 *
 * const VirtqUsedElem = defineStruct({
 *   name: "virtq_used_elem",
 *   source: "virtio 1.2 §2.7.8",
 *   size: 8,
 *   endian: "little",
 *   fields: [
 *     { name: "id", at: 0, bytes: 4, writtenBy: "device", readBy: "driver", doc: "Head of the used chain." },
 *     { name: "len", at: 4, bytes: 4, writtenBy: "device", readBy: "driver", doc: "Bytes written." },
 *   ],
 * });
 * assertEquals(VirtqUsedElem.at.len, 4);
 * assertEquals(VirtqUsedElem.encode({ id: 1, len: 0x200 }), new Uint8Array([1, 0, 0, 0, 0, 2, 0, 0]));
 * ```
 *
 * @module
 */

export { defineStruct, type Numbers, type Struct } from "./struct.ts";
export type {
  BitRange,
  Endian,
  FieldNumber,
  FieldSpec,
  FieldValue,
  OfBits,
  OfBytes,
  Place,
  ReservedField,
  StructSpec,
  ValueField,
  ValuesOf,
  Zeros,
} from "./spec.ts";

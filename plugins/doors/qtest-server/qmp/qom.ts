/**
 * QEMU's object tree, as far as it goes here: the parts with interrupt inputs, and the devices that were plugged in by
 * name.
 *
 * @module
 */

import type { InterruptInputs } from "@iova/chipset";
import type { Board } from "../board.ts";

/** An object. */
export interface QomNode {
  /** Its absolute path. */
  readonly path: string;
  /** Its type. */
  readonly type: string;
  /** Its interrupt inputs. */
  readonly inputs?: InterruptInputs;
}

/** Containers that every machine has. */
const CONTAINERS = ["/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached"] as const;
/** Where devices with a name are. */
export const PERIPHERAL = "/machine/peripheral/";

/** See the module's text. */
export class Qom {
  readonly #board: Board;
  readonly #machineType: string;
  readonly #typeOf: (id: string) => string | undefined;

  /** `typeOf` names the type of a device that is there; undefined when it is not. */
  constructor(board: Board, machineType: string, typeOf: (id: string) => string | undefined) {
    this.#board = board;
    this.#machineType = machineType;
    this.#typeOf = typeOf;
  }

  /** The object at an absolute path, or the only one whose path ends in a relative one; null when there is none. */
  resolve(path: string): QomNode | null {
    const nodes = this.#nodes();
    if (path.startsWith("/")) return nodes.find((node) => node.path === path.replace(/\/+$/, "")) ?? null;
    const found = nodes.filter((node) => path !== "" && node.path.endsWith("/" + path));
    return found.length === 1 ? found[0] : null;
  }

  /** The objects right below one. */
  children({ path }: QomNode): QomNode[] {
    return this.#nodes().filter((node) => {
      return node.path.startsWith(path + "/") && !node.path.slice(path.length + 1).includes("/");
    });
  }

  #nodes(): QomNode[] {
    const { facts, machine } = this.#board;
    const containers = CONTAINERS.map((path) => ({ path, type: "container" }));
    const parts = (facts?.inputs ?? []).map((inputs) => ({ path: inputs.path, type: inputs.type, inputs }));
    const devices = machine.deviceIds.flatMap((id) => {
      const type = this.#typeOf(id);
      return type === undefined ? [] : [{ path: PERIPHERAL + id, type }];
    });
    return [{ path: "/machine", type: this.#machineType }, ...parentsOf(parts), ...containers, ...parts, ...devices];
  }
}

/** What stands between the machine and its parts. */
function parentsOf(parts: readonly QomNode[]): QomNode[] {
  const paths = parts.map(({ path }) => path.slice(0, path.lastIndexOf("/")));
  const inner = paths.filter((path) => path !== "/machine" && !CONTAINERS.some((container) => container === path));
  return [...new Set(inner)].map((path) => ({ path, type: "device" }));
}

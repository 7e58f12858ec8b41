/**
 * Ranges of pages in order: a treap whose nodes live in typed arrays and know the widest gap below any node of their
 * subtree, so that the next gap of a size is found in O(log n).
 *
 * @module
 */

/** No node. */
export const NIL = 0;
/** The node above every range, which is never removed. */
export const ANCHOR = 1;

const FIRST_CAPACITY = 1024;
/** Above every page: the anchor's place. */
const TOP = Number.MAX_SAFE_INTEGER;

/**
 * Disjoint ranges `lo` … `hi` of pages, both inclusive. A node is its index; indices are reused after removal. The arrays
 * are the tree's: read them, and do not keep them across an insertion, which may replace them.
 */
export class RangeTree {
  /** First page of each node's range. */
  lo: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Last page of each node's range. */
  hi: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Free pages between each node's range and the one below it. */
  gap: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** The widest gap in each node's subtree; 0 for {@linkcode NIL}. */
  widest: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** The child with lower ranges. */
  left: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** The child with higher ranges. */
  right: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** The node above in the tree; {@linkcode NIL} for the root. */
  parent: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Ranges, without the anchor. */
  size = 0;
  #priority = new Int32Array(FIRST_CAPACITY);
  #root = ANCHOR;
  #used = ANCHOR + 1;
  // Removed nodes, linked through `parent`.
  #spare = NIL;
  #seed = 0x2545f491;

  /** An empty tree of pages from `start` on. */
  constructor(start: number) {
    this.lo[ANCHOR] = this.hi[ANCHOR] = TOP;
    this.gap[ANCHOR] = this.widest[ANCHOR] = TOP - start;
  }

  /** Inserts `lo` … `hi`, which lies in the gap directly below `above`, and returns its node. */
  insertBelow(above: number, lo: number, hi: number): number {
    const node = this.#take();
    const { gap, left, right, parent } = this;
    const below = this.lo[above] - gap[above] - 1;
    this.lo[node] = lo;
    this.hi[node] = hi;
    gap[node] = this.widest[node] = lo - below - 1;
    gap[above] = this.lo[above] - hi - 1;
    let at = left[above];
    if (at === NIL) {
      left[above] = node;
      parent[node] = above;
    } else {
      while (right[at] !== NIL) at = right[at];
      right[at] = node;
      parent[node] = at;
    }
    this.size++;
    const passed = this.#rise(node, above);
    this.#refresh(parent[node], passed ? NIL : above);
    return node;
  }

  /** Removes a range; what was above it has the wider gap. */
  remove(node: number): void {
    const above = this.next(node);
    const { left, right, parent, gap } = this;
    while (right[node] !== NIL) {
      const [l, r] = [left[node], right[node]];
      this.#rotateUp(l !== NIL && this.#priority[l] > this.#priority[r] ? l : r);
    }
    gap[above] += gap[node] + this.hi[node] - this.lo[node] + 1;
    const child = left[node];
    const up = parent[node];
    this.#replace(up, node, child);
    this.#refresh(up, above);
    parent[node] = this.#spare;
    this.#spare = node;
    this.size--;
  }

  /** The range above, or {@linkcode ANCHOR}; {@linkcode NIL} above the anchor. */
  next(node: number): number {
    const { left, right, parent } = this;
    let at = right[node];
    if (at !== NIL) {
      while (left[at] !== NIL) at = left[at];
      return at;
    }
    at = node;
    while (parent[at] !== NIL && right[parent[at]] === at) at = parent[at];
    return parent[at];
  }

  /** The lowest range (or the anchor) that starts at or above `page`. */
  ceiling(page: number): number {
    let found = ANCHOR;
    for (let at = this.#root; at !== NIL;) {
      if (this.lo[at] >= page) {
        found = at;
        at = this.left[at];
      } else at = this.right[at];
    }
    return found;
  }

  /** The next node below `node` whose gap holds at least `size` pages, or {@linkcode NIL}. */
  gapBelow(node: number, size: number): number {
    const { left, parent, gap, widest } = this;
    for (let at = node;;) {
      if (widest[left[at]] >= size) return this.#highestGap(left[at], size);
      while (parent[at] !== NIL && left[parent[at]] === at) at = parent[at];
      at = parent[at];
      if (at === NIL || gap[at] >= size) return at;
    }
  }

  #highestGap(at: number, size: number): number {
    const { left, right, gap, widest } = this;
    for (;;) {
      if (widest[right[at]] >= size) at = right[at];
      else if (gap[at] >= size) return at;
      else at = left[at];
    }
  }

  /** Rotates a new node up to where its priority belongs; whether it has passed `above`. */
  #rise(node: number, above: number): boolean {
    let passed = false;
    for (let up = this.parent[node]; up !== NIL && this.#priority[up] < this.#priority[node]; up = this.parent[node]) {
      this.#rotateUp(node);
      if (up === above) passed = true;
    }
    return passed;
  }

  #rotateUp(child: number): void {
    const { left, right, parent } = this;
    const node = parent[child];
    this.#replace(parent[node], node, child);
    const inner = left[node] === child ? right[child] : left[child];
    if (left[node] === child) {
      left[node] = inner;
      right[child] = node;
    } else {
      right[node] = inner;
      left[child] = node;
    }
    if (inner !== NIL) parent[inner] = node;
    parent[node] = child;
    this.#measure(node);
    this.#measure(child);
  }

  #replace(up: number, node: number, child: number): void {
    if (up === NIL) this.#root = child;
    else if (this.left[up] === node) this.left[up] = child;
    else this.right[up] = child;
    if (child !== NIL) this.parent[child] = up;
  }

  #measure(node: number): void {
    const { widest } = this;
    const l = widest[this.left[node]];
    const r = widest[this.right[node]];
    const own = this.gap[node];
    widest[node] = l > r ? (l > own ? l : own) : (r > own ? r : own);
  }

  /** Measures again from `node` upward, at least as far as `through`, until nothing changes. */
  #refresh(node: number, through: number): void {
    let passed = through === NIL;
    for (let at = node; at !== NIL; at = this.parent[at]) {
      const was = this.widest[at];
      this.#measure(at);
      if (at === through) passed = true;
      if (passed && this.widest[at] === was) return;
    }
  }

  #take(): number {
    let node = this.#spare;
    if (node !== NIL) this.#spare = this.parent[node];
    else {
      if (this.#used === this.lo.length) this.#grow();
      node = this.#used++;
    }
    this.left[node] = this.right[node] = NIL;
    // xorshift32: the shape is the same in every run.
    let seed = this.#seed;
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    this.#priority[node] = this.#seed = seed;
    return node;
  }

  #grow(): void {
    this.lo = wider(this.lo);
    this.hi = wider(this.hi);
    this.gap = wider(this.gap);
    this.widest = wider(this.widest);
    this.left = wider(this.left);
    this.right = wider(this.right);
    this.parent = wider(this.parent);
    this.#priority = wider(this.#priority);
  }
}

/** A copy with twice the room. */
export function wider<T extends Float64Array | Int32Array>(array: T): T {
  const grown = new (array.constructor as new (length: number) => T)(array.length * 2);
  grown.set(array);
  return grown;
}

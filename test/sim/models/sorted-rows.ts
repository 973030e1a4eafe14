/** Above this, a list is divided: to move the rest of a long array takes longer than all else of a write. */
const LONGEST = 1_024;

const NONE: readonly number[] = [];

/** A sorted list in pieces. A write takes the same time whatever its length. */
export class SortedRows<T> {
  #pieces: T[][] = [];
  #length = 0;
  /** The position of each piece's first row; empty after a change. */
  #starts: readonly number[] = NONE;

  /** `rows`: in their order. */
  constructor(rows: Iterable<T> = []) {
    for (const row of rows) this.splice(this.#length, 0, row);
  }

  get length(): number {
    return this.#length;
  }

  at(position: number): T | undefined {
    if (position < 0 || position >= this.#length) return undefined;
    const [piece, within] = this.#find(position);
    return this.#pieces[piece]?.[within];
  }

  /** The position of the first row for which `isFrom` is true; it is so for all after it. */
  firstAt(isFrom: (row: T) => boolean): number {
    const piece = firstAt(this.#pieces, (rows) => isFrom(rows.at(-1) as T));
    const rows = this.#pieces[piece];
    return rows ? (this.#startsNow()[piece] ?? 0) + firstAt(rows, isFrom) : this.#length;
  }

  /** Puts a row at a position, in place of `removed` others. */
  splice(position: number, removed: 0 | 1, ...rows: readonly T[]): void {
    if (this.#pieces.length === 0) this.#pieces.push([]);
    const [at, within] = this.#find(position);
    const piece = this.#pieces[at] ?? [];
    piece.splice(within, removed, ...rows);
    this.#length += rows.length - removed;
    if (piece.length > LONGEST) this.#pieces.splice(at, 1, piece.slice(0, LONGEST / 2), piece.slice(LONGEST / 2));
    else if (piece.length === 0) this.#pieces.splice(at, 1);
    if (rows.length !== removed) this.#starts = NONE;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const piece of this.#pieces) yield* piece;
  }

  #find(position: number): [piece: number, within: number] {
    const starts = this.#startsNow();
    const piece = Math.max(firstAt(starts, (start) => start > position) - 1, 0);
    return [piece, position - (starts[piece] ?? 0)];
  }

  #startsNow(): readonly number[] {
    if (this.#starts.length === this.#pieces.length) return this.#starts;
    let start = 0;
    this.#starts = this.#pieces.map(({ length }) => (start += length) - length);
    return this.#starts;
  }
}

/** The position of the first item of a sorted list for which `isFrom` is true, by bisection. */
export function firstAt<T>(sorted: readonly T[], isFrom: (one: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isFrom(sorted[middle] as T)) high = middle;
    else low = middle + 1;
  }
  return low;
}

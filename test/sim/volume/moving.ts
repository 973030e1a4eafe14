import type { Move } from "../../../lib/job/move.ts";
import type { Parts } from "../plant.ts";

/** For a planted bug: changes moves, by the parts of the process that makes them. */
export function moving(change: (move: Move, parts: Parts) => Move): (parts: Parts) => Partial<Parts> {
  return (parts) => {
    const { store } = parts;
    return { store: { ...store, apply: (of, move, op) => store.apply(of, change(move, parts), op) } };
  };
}

/** Draws that can be repeated: the same seed gives the same ones. */
export interface Random {
  /** At least 0, less than 1. */
  readonly next: () => number;
  /** A whole number from 0 to less than `n`. */
  readonly below: (n: number) => number;
  readonly between: (from: number, to: number) => number;
  readonly chance: (of: number) => boolean;
  readonly pick: <T>(from: readonly T[]) => T;
  readonly shuffle: <T>(items: T[]) => T[];
  /** Draws of its own, which do not depend on the number of draws from this one. */
  readonly fork: (name: string) => Random;
}

/** sfc32, by Chris Doty-Humphrey; its state comes from the seed's text by FNV-1a. */
export function createRandom(seed: string): Random {
  let [a, b, c, d] = [hash(`${seed}/a`), hash(`${seed}/b`), hash(`${seed}/c`), 1];
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let n = 0; n < 12; n += 1) next();
  const below = (n: number) => Math.floor(next() * n);
  const pick = <T>(from: readonly T[]): T => {
    const found = from[below(from.length)];
    if (found === undefined) throw new Error("There is nothing to pick from");
    return found;
  };
  const shuffle = <T>(items: T[]): T[] => {
    const left = [...items];
    return items.map(() => left.splice(below(left.length), 1)[0] as T);
  };
  return {
    next,
    below,
    between: (from, to) => from + next() * (to - from),
    chance: (of) => next() < of,
    pick,
    shuffle,
    fork: (name) => createRandom(`${seed}/${name}`),
  };
}

/** Draws nothing: the middle of every range, the order as it is. It does not depend on the number of draws. */
export const STEADY: Random = {
  next: () => 0.5,
  below: (n) => Math.floor(n / 2),
  between: (from, to) => (from + to) / 2,
  chance: (of) => of > 0.5,
  pick: <T>(from: readonly T[]) => from[Math.floor(from.length / 2)] as T,
  shuffle: (items) => items,
  fork: () => STEADY,
};

/** Counts: what is drawn later is greater. */
export function createOrder(): Pick<Random, "next"> {
  let drawn = 0;
  return { next: () => (drawn += 1) };
}

function hash(text: string): number {
  let found = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) found = Math.imul(found ^ text.charCodeAt(at), 0x01000193);
  return found | 0;
}

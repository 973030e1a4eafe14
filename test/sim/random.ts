/** Chance that can be repeated: the same seed gives the same draws. */
export interface Random {
  /** At least 0, less than 1. */
  readonly next: () => number;
  /** A whole number from 0 to less than `n`. */
  readonly below: (n: number) => number;
  readonly between: (from: number, to: number) => number;
  readonly chance: (of: number) => boolean;
  readonly pick: <T>(from: readonly T[]) => T;
  readonly shuffle: <T>(items: T[]) => T[];
  /** Draws of its own, which do not depend on how often this one is asked. */
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

function hash(text: string): number {
  let found = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) found = Math.imul(found ^ text.charCodeAt(at), 0x01000193);
  return found | 0;
}

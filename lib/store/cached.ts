import { SECOND, type Clock } from "../clock.ts";
import { remember } from "../job/remember.ts";

/** The longest use of a cached value. Every change takes effect within this time. */
const FRESH_FOR_MS = 10 * SECOND;

export interface Cached<T> {
  (key: string): Promise<T>;
  forget(key: string): void;
  /** Stores a value that was read or written elsewhere. */
  learn(key: string, value: T): void;
}

/** Caches each value for ten seconds of real time. A failed read is not cached. */
export function cached<T>(clock: Pick<Clock, "realNow">, load: (key: string) => Promise<T>): Cached<T> {
  const known = new Map<string, { readonly value: Promise<T>; readonly until: number }>();
  const keep = (key: string, value: Promise<T>) => {
    remember(known, key, { value, until: clock.realNow() + FRESH_FOR_MS });
    return value;
  };
  const look = async (key: string): Promise<T> => {
    const found = known.get(key);
    if (found && found.until > clock.realNow()) return found.value;
    const value = keep(key, load(key));
    value.catch(() => known.delete(key));
    return value;
  };
  return Object.assign(look, {
    forget: (key: string) => void known.delete(key),
    learn: (key: string, value: T) => void keep(key, Promise.resolve(value)),
  });
}

const MOST_REMEMBERED = 1_000;

/** Keeps the latest thousand keys, which bounds the memory of a process. */
export function remember<T>(known: Map<string, T>, key: string, value: T): void {
  known.delete(key);
  known.set(key, value);
  const [oldest] = known.keys();
  if (known.size > MOST_REMEMBERED && oldest !== undefined) known.delete(oldest);
}

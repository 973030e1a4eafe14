// Text that UTF-8 can hold. JSON may name half a surrogate pair (`"\ud800"`), for which UTF-8 has no bytes: the table
// and the bucket refuse it, and a header or a body would arrive with another character in its place.

export const HALF_PAIR = "has half a surrogate pair";

/** False if no text within a JSON text can have half a pair, so that its value need not be looked through. */
export function mayHaveHalfPair(json: string): boolean {
  return /\\u[dD][89a-fA-F]/.test(json) || !json.isWellFormed();
}

/** The first text or field name within a value that has half a pair: the names on the way to it. */
export function halfPairIn(value: unknown): readonly string[] | undefined {
  if (typeof value === "string") return value.isWellFormed() ? undefined : [];
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, each] of Object.entries(value)) {
    if (!name.isWellFormed()) return [name];
    const found = halfPairIn(each);
    if (found) return [name, ...found];
  }
  return undefined;
}
